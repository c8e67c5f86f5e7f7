#include "common/termination_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <exception>

#include "common/environment.hpp"
#include "common/log.hpp"

namespace egress {

void write_termination_log(std::string_view message, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return;
  std::size_t size = std::min(message.size(), kMostTerminationBytes);
  // A continuation byte of UTF-8 is never the first of a character, and three follow it at most.
  for (int i = 0; i < 3 && size > 0 && size < message.size() &&
                  (static_cast<unsigned char>(message[size]) & 0xc0U) == 0x80U;
       ++i) {
    --size;
  }
  [[maybe_unused]] const auto written = ::write(file, message.data(), size);
  ::close(file);
}

namespace {

ExitCode report_exception(std::string_view program, const char* what) {
  const auto environment = Environment::of_process();
  Diagnostics ignored;
  const auto format = parse_log_options(environment, ignored).format;
  const std::string message = std::string("internal error: ") + what;
  write_or_drop(STDERR_FILENO,
                format_log_line(
                    {std::chrono::system_clock::now(), LogLevel::error, program, message}, format));
  write_termination_log(
      message + "\n",
      std::string(environment.get("EGRESS_TERMINATION_LOG").value_or(kTerminationLog)));
  return ExitCode::internal;
}

}  // namespace

int run_to_exit(std::string_view program, const std::function<ExitCode()>& main) {
  ExitCode code = ExitCode::internal;
  try {
    code = main();
  } catch (const std::exception& error) {
    code = report_exception(program, error.what());
  } catch (...) {
    code = report_exception(program, "an exception that is none of the standard library's");
  }
  return static_cast<int>(code);
}

}  // namespace egress
