// Replaces typographic characters that YAML reads as something else than what was meant.
#pragma once

#include <string>

namespace egress::lint {

// The text with plain characters, and how many were replaced.
struct Fixed {
  std::string text;
  std::size_t replaced = 0;
};

Fixed fix_typographic_characters(const std::string& text);

// Writes the text to the file through a temporary file beside it, which keeps the file's
// permissions. What is wrong, or nothing.
std::string replace_file(const std::string& path, const std::string& text);

}  // namespace egress::lint
