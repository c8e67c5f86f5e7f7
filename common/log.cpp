#include "common/log.hpp"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdio>
#include <ctime>

#include "common/escape.hpp"

namespace egress {
namespace {

constexpr std::array kLevels{LogLevel::debug, LogLevel::info, LogLevel::warn, LogLevel::error};

std::string format_time(std::chrono::system_clock::time_point time) {
  using namespace std::chrono;
  const auto since_epoch = duration_cast<milliseconds>(time.time_since_epoch());
  const std::time_t seconds = static_cast<std::time_t>(since_epoch.count() / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[48] = {};
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + length, sizeof text - length, ".%03dZ",
                static_cast<int>(since_epoch.count() % 1000));
  return text;
}

// RFC 8259 §7. Bytes above ASCII pass as they are where they are valid UTF-8, else as the
// replacement character.
std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\\ufffd";
    } else if (byte == '"' || byte == '\\') {
      out += {'\\', text.front()};
    } else if (byte < 0x20 || byte == 0x7f) {
      char buffer[8] = {};
      std::snprintf(buffer, sizeof buffer, "\\u%04x", unsigned{byte});
      out += buffer;
    } else {
      out += text.substr(0, length);
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  return out + "\"";
}

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
  if (format == LogFormat::json) {
    return "{\"time\":\"" + format_time(line.time) + "\",\"level\":\"" +
           std::string(to_text(line.level)) + "\",\"program\":" + json_string(line.program) +
           ",\"message\":" + json_string(line.message) + "}\n";
  }
  return format_time(line.time) + " " + std::string(to_text(line.level)) + " " +
         std::string(line.program) + ": " + escape_lines(line.message) + "\n";
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
