#include "common/variable.hpp"

#include <algorithm>

namespace egress {

std::string wrap(std::string_view text, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  while (!text.empty()) {
    const auto word = text.substr(0, text.find(' '));
    text.remove_prefix(std::min(text.size(), word.size() + 1));
    if (column > 0 && column + 1 + word.size() <= kHelpColumns) {
      out += ' ';
      ++column;
    } else {
      if (column > 0) out += '\n';
      out.append(indent, ' ');
      column = indent;
    }
    out += word;
    column += word.size();
  }
  return out + "\n";
}

std::string to_help_text(std::span<const Variable> variables) {
  std::string text = "Variables:\n";
  for (const auto& variable : variables) {
    text += "  " + std::string(variable.name);
    if (!variable.default_value.empty()) text += " = " + std::string(variable.default_value);
    text += "\n" + wrap(variable.meaning, 6);
  }
  return text;
}

std::vector<std::string_view> names_of(std::span<const Variable> variables) {
  std::vector<std::string_view> names;
  for (const auto& variable : variables) names.push_back(variable.name);
  return names;
}

}  // namespace egress
