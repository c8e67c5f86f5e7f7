// A line of an access or connection log, as text (`time client ... name=value`) or JSON. What comes
// from outside is escaped: one line stays one line.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace egress {

enum class AccessLogFormat : std::uint8_t { off, text, json };

class AccessLine {
 public:
  // Appends to `out`, which must outlive it; `format` is text or json.
  AccessLine(AccessLogFormat format, std::string& out);
  // With its line end; nothing may follow.
  void end();

  // In the text form without a name: the columns that come first.
  void column(std::string_view name, std::string_view value);
  void text(std::string_view name, std::string_view value);
  void number(std::string_view name, std::uint64_t value);
  bool is_json() const { return json_; }

 private:
  void separate(char separator);
  void key(std::string_view name);

  bool json_;
  bool first_ = true;
  std::string& out_;
};

// RFC 3339 in UTC with milliseconds.
void append_time(std::chrono::system_clock::time_point time, std::string& out);
void append_number(std::uint64_t number, std::string& out);

}  // namespace egress
