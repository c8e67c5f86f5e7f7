#include "common/report.hpp"

#include <spdlog/spdlog.h>

#include "common/termination_log.hpp"

namespace egress {
namespace {

std::string_view without_end(std::string_view text) {
  return text.substr(0, text.find_last_not_of('\n') + 1);
}

}  // namespace

bool report_diagnostics(const Diagnostics& diagnostics, std::string_view termination_log) {
  if (const auto warnings = diagnostics.to_text(Severity::warning); !warnings.empty())
    spdlog::warn("{}", without_end(warnings));
  if (!diagnostics.has_errors()) return true;
  const auto errors = diagnostics.to_text(Severity::error);
  spdlog::error("{} {} in the configuration\n{}", diagnostics.errors(),
                diagnostics.errors() == 1 ? "error" : "errors", without_end(errors));
  write_termination_log(errors, std::string(termination_log));
  return false;
}

ExitCode report_failure(const Error& error, std::string_view termination_log) {
  const std::string message = std::string(to_text(error.stage)) + ": " + to_text(error);
  spdlog::error("{}", message);
  write_termination_log(message + "\n", std::string(termination_log));
  return error.stage;
}

}  // namespace egress
