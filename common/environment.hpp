// The variables that configure a program, as a value, so that tests need no process environment. A
// variable set to nothing counts as not set, as it did for the predecessor's scripts.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/diagnostic.hpp"

namespace egress {

class Environment {
 public:
  Environment() = default;
  explicit Environment(std::map<std::string, std::string, std::less<>> variables)
      : variables_(std::move(variables)) {}

  // The EGRESS_ variables of this process.
  static Environment of_process();

  std::optional<std::string_view> get(std::string_view name) const;
  const std::map<std::string, std::string, std::less<>>& all() const { return variables_; }

 private:
  std::map<std::string, std::string, std::less<>> variables_;
};

// A text and what to call it in messages: the variable's name, or the file's path.
struct NamedText {
  std::string name;
  std::string text;
};

inline constexpr std::size_t kMostTextBytes = 64U << 20U;

// The text of the table variable NAME, or of the file that NAME_FILE names. Nothing where neither
// is set, and nothing but an error in `diagnostics` where both are, or where the file cannot be
// read or is over kMostTextBytes.
std::optional<NamedText> read_table_variable(const Environment& environment, std::string_view name,
                                             Diagnostics& diagnostics);

// Warns of each variable whose name is one or two slips away from one of `known` (EGRESS_GATWAY).
// Others are left alone: Kubernetes itself sets EGRESS_..._SERVICE_HOST for a Service named
// egress-....
void warn_of_misspelt(const Environment& environment, std::span<const std::string_view> known,
                      Diagnostics& diagnostics);

}  // namespace egress
