// A variable as --help and the README's tables show it.
#pragma once

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

// "Variables:", then two lines for each: "  NAME = DEFAULT" and its meaning.
std::string to_help_text(std::span<const Variable> variables);

// For warn_of_misspelt.
std::vector<std::string_view> names_of(std::span<const Variable> variables);

}  // namespace egress
