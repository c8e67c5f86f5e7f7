// Cuts a table into lines and a line into fields, and keeps where each stood. What all tables of
// this project share: LF or CRLF ends a line, spaces and tabs separate fields, `#` at the start of
// a field begins a comment, a UTF-8 byte order mark at the very start is skipped. Nothing else is
// interpreted: no quotes, no continuation lines.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

namespace egress {

// Views into the scanned text, which must outlive them.
struct Field {
  std::string_view text;
  std::size_t column = 1;  // of its first byte, from 1
};

struct Line {
  std::size_t number = 1;     // from 1
  std::string_view text;      // without its line end
  std::vector<Field> fields;  // never empty
};

class LineScanner {
 public:
  explicit LineScanner(std::string_view text);

  // The next line that holds at least one field; none at the end. The same Line is reused at each
  // call.
  const Line* next();

 private:
  std::string_view rest_;
  std::size_t number_ = 0;
  Line line_;
};

}  // namespace egress
