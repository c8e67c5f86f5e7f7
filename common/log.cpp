#include "common/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <nlohmann/json.hpp>

#include "common/access_line.hpp"
#include "common/escape.hpp"

namespace egress {
namespace {

constexpr std::array kLevels{LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error};

std::string escape_lines(std::string_view text) {
  std::string out;
  for (;;) {
    const auto end = text.find('\n');
    out += escape(text.substr(0, end));
    if (end == text.npos) return out;
    out += "\n  ";
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::string_view to_text(LogLevel level) {
  switch (level) {
    case LogLevel::debug: return "debug";
    case LogLevel::info: return "info";
    case LogLevel::warn: return "warn";
    case LogLevel::error: return "error";
  }
  return "unknown";
}

LogOptions parse_log_options(const Environment& environment, Diagnostics& diagnostics) {
  LogOptions options;
  if (const auto text = environment.get("EGRESS_LOG_LEVEL")) {
    bool known = false;
    for (const auto level : kLevels) {
      if (*text != to_text(level)) continue;
      options.level = level;
      known = true;
    }
    if (!known) {
      diagnostics.error({"EGRESS_LOG_LEVEL", 1, 1, *text, text->size()},
                        found_expected(*text, "debug, info, warn or error"));
    }
  }
  if (const auto text = environment.get("EGRESS_LOG_FORMAT")) {
    if (*text == "json") {
      options.format = LogFormat::json;
    } else if (*text != "text") {
      diagnostics.error({"EGRESS_LOG_FORMAT", 1, 1, *text, text->size()},
                        found_expected(*text, "text or json"));
    }
  }
  return options;
}

std::string format_log_line(const LogLine& line, LogFormat format) {
  std::string time;
  append_time(line.time, time);
  if (format == LogFormat::json) {
    const nlohmann::ordered_json object{{"time", time},
                                        {"level", to_text(line.level)},
                                        {"program", line.program},
                                        {"message", line.message}};
    return object.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  }
  return time + " " + std::string(to_text(line.level)) + " " + std::string(line.program) + ": " +
         escape_lines(line.message) + "\n";
}

void write_or_drop(int descriptor, std::string_view text) {
  while (!text.empty()) {
    // A pipe that is ready takes PIPE_BUF bytes at once; more would wait for the reader.
    const auto piece = text.substr(0, PIPE_BUF);
    pollfd ready{descriptor, POLLOUT, 0};
    if (::poll(&ready, 1, 0) <= 0 || (ready.revents & POLLOUT) == 0) return;
    const ssize_t written = ::write(descriptor, piece.data(), piece.size());
    if (written <= 0) return;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace egress
