// Logs go to standard error, a line an event, as text or JSON. The format is a pure function, so
// that the programs that use spdlog and egress-wait, which does without for its size, print alike.
#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "common/diagnostic.hpp"
#include "common/environment.hpp"

namespace egress {

enum class LogLevel { debug, info, warn, error };
enum class LogFormat { text, json };

struct LogOptions {
  LogLevel level = LogLevel::info;
  LogFormat format = LogFormat::text;
};

// From EGRESS_LOG_LEVEL (debug, info, warn, error) and EGRESS_LOG_FORMAT (text, json).
LogOptions parse_log_options(const Environment& environment, Diagnostics& diagnostics);

std::string_view to_text(LogLevel level);

struct LogLine {
  std::chrono::system_clock::time_point time;
  LogLevel level;
  std::string_view program;
  std::string_view message;
};

// Where a part of a program that is no main reports what happened; from any thread.
using Log = std::function<void(LogLevel, std::string_view)>;

// One line with its line end. Text: `2026-11-23T06:00:00.123Z info egress-router: message`, control
// characters escaped but for line ends inside the message, which are followed by two spaces. JSON:
// an object with the keys time, level, program and message.
std::string format_log_line(const LogLine& line, LogFormat format);

// Writes to a descriptor, such as standard error. A reader that does not read must not hold the
// program: what does not fit at once is lost. A reader that is gone is SIGPIPE, which the caller
// ignores.
void write_or_drop(int descriptor, std::string_view text);

}  // namespace egress
