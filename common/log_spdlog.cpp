#include "common/log_spdlog.hpp"

#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <csignal>
#include <memory>
#include <mutex>

namespace egress {
namespace {

LogLevel level_of(spdlog::level::level_enum level) {
  if (level <= spdlog::level::debug) return LogLevel::debug;
  if (level == spdlog::level::info) return LogLevel::info;
  return level == spdlog::level::warn ? LogLevel::warn : LogLevel::error;
}

class StandardErrorSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  StandardErrorSink(LogFormat format, std::string_view program)
      : format_(format), program_(program) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    const std::string_view text(message.payload.data(), message.payload.size());
    const auto line =
        format_log_line({message.time, level_of(message.level), program_, text}, format_);
    write_or_drop(STDERR_FILENO, line);
  }
  void flush_() override {}

  LogFormat format_;
  std::string program_;
};

}  // namespace

spdlog::level::level_enum native_level(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::warn: return spdlog::level::warn;
    case LogLevel::error: return spdlog::level::err;
  }
  return spdlog::level::info;
}

void set_up_log(const LogOptions& options, std::string_view program) {
  std::signal(SIGPIPE, SIG_IGN);
  auto logger = std::make_shared<spdlog::logger>(
      std::string(program), std::make_shared<StandardErrorSink>(options.format, program));
  logger->set_level(native_level(options.level));
  spdlog::set_default_logger(std::move(logger));
}

void write_log(LogLevel level, std::string_view message) {
  spdlog::log(native_level(level), "{}", message);
}

}  // namespace egress
