// A variable as --help and docs/reference.md show it.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace egress {

struct Variable {
  std::string_view name;
  std::string_view default_value;  // empty: none
  std::string_view meaning;
};

// "Variables:", then for each "  NAME = DEFAULT" and its meaning, indented, within 80 columns.
std::string to_help_text(std::span<const Variable> variables);

inline constexpr std::size_t kHelpColumns = 80;

// `text` in lines of at most kHelpColumns, each behind `indent` spaces and with a line end; a word
// that is longer has a line of its own.
std::string wrap(std::string_view text, std::size_t indent);

// For warn_of_misspelt.
std::vector<std::string_view> names_of(std::span<const Variable> variables);

}  // namespace egress
