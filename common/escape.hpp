// Makes text from outside safe to print: one line stays one line, and look-alike characters show
// what they are.
#pragma once

#include <string>
#include <string_view>

namespace egress {

// Printable ASCII stays as it is. Control characters become \t, \n, \r or \xHH, a valid UTF-8
// character above ASCII becomes <U+2013>, and any other byte \xHH.
std::string escape(std::string_view text);

// How many bytes of `text` its first character takes: 1 for ASCII, 2 to 4 for valid UTF-8, 0 for an
// invalid byte or where `text` is empty.
std::size_t utf8_length(std::string_view text);

}  // namespace egress
