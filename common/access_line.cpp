#include "common/access_line.hpp"

#include <charconv>
#include <ctime>
#include <nlohmann/json.hpp>

#include "common/escape.hpp"

namespace egress {
namespace {

bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\') return false;
  }
  return true;
}

// A word of the text form: in quotes where it would not stand as one word.
void append_word(std::string_view text, std::string& out) {
  if (text.empty()) {
    out += '-';
  } else if (is_plain(text)) {
    out += text;
  } else {
    out += '"';
    for (const char c : escape(text)) {
      if (c == '"') out += '\\';
      out += c;
    }
    out += '"';
  }
}

// Most values are plain, and copied.
void append_json_string(std::string_view text, std::string& out) {
  if (is_plain(text)) {
    out.append("\"").append(text).append("\"");
  } else {
    out += nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  }
}

}  // namespace

void append_number(std::uint64_t number, std::string& out) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

// The second's text is kept: most lines share it with the one before.
void append_time(std::chrono::system_clock::time_point time, std::string& out) {
  using namespace std::chrono;
  thread_local std::time_t last = -1;
  thread_local char text[24] = {};
  const auto milli = duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::time_t second = static_cast<std::time_t>(milli / 1000);
  if (second != last) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    last = second;
  }
  const auto rest = static_cast<unsigned>(milli % 1000);
  const char digits[] = {'.', static_cast<char>('0' + rest / 100),
                         static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10), 'Z'};
  out.append(text).append(digits, sizeof digits);
}

AccessLine::AccessLine(AccessLogFormat format, std::string& out)
    : json_(format == AccessLogFormat::json), out_(out) {
  if (json_) out_ += '{';
}

void AccessLine::end() { out_ += json_ ? "}\n" : "\n"; }

void AccessLine::column(std::string_view name, std::string_view value) {
  if (json_) return text(name, value);
  separate(' ');
  append_word(value, out_);
}

void AccessLine::text(std::string_view name, std::string_view value) {
  key(name);
  json_ ? append_json_string(value, out_) : append_word(value, out_);
}

void AccessLine::number(std::string_view name, std::uint64_t value) {
  key(name);
  append_number(value, out_);
}

void AccessLine::separate(char separator) {
  if (!first_) out_ += separator;
  first_ = false;
}

void AccessLine::key(std::string_view name) {
  separate(json_ ? ',' : ' ');
  if (json_) {
    out_.append("\"").append(name).append("\":");
  } else {
    out_.append(name).append("=");
  }
}

}  // namespace egress
