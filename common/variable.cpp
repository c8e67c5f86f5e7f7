#include "common/variable.hpp"

namespace egress {

std::string to_help_text(std::span<const Variable> variables) {
  std::string text = "Variables:\n";
  for (const auto& variable : variables) {
    text += "  " + std::string(variable.name);
    if (!variable.default_value.empty()) text += " = " + std::string(variable.default_value);
    text += "\n      " + std::string(variable.meaning) + "\n";
  }
  return text;
}

std::vector<std::string_view> names_of(std::span<const Variable> variables) {
  std::vector<std::string_view> names;
  for (const auto& variable : variables) names.push_back(variable.name);
  return names;
}

}  // namespace egress
