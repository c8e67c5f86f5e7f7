// The rules of EGRESS_HTTP_PROXY_DESTINATION: who may go where. A line each, the first that matches
// decides, what no line matches is denied; "!" in front denies:
//
//   *                all that no line before decided; must be last
//   *.example.com    the domain itself and all below it
//   example.com      that name alone
//   192.0.2.0/24     an address or a prefix: where the request goes to, also when it named a host
//
// Pure: text in, value or diagnostics out. What to do with them stands in policy.hpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "common/diagnostic.hpp"
#include "common/environment.hpp"
#include "common/host.hpp"
#include "common/ip.hpp"

namespace egress::http {

enum class Verdict : std::uint8_t { deny, allow };
constexpr std::string_view to_text(Verdict verdict) {
  return verdict == Verdict::allow ? "allow" : "deny";
}

struct Everything {
  auto operator<=>(const Everything&) const = default;
};

struct Rule {
  std::size_t line = 0;  // from 1
  Verdict verdict = Verdict::deny;
  std::variant<Everything, NamePattern, IpPrefix> match;

  bool operator==(const Rule&) const = default;
};

struct RuleTable {
  std::string source;       // the variable, or the path of the file
  std::vector<Rule> rules;  // in the order of the text, never empty when parsed without errors

  bool operator==(const RuleTable&) const = default;
};

// Reports every error to `diagnostics`; the table is whole only where that has none afterwards. A
// table without a rule is an error. Warns of host bits in a prefix, of a rule that never applies
// because one above it matches all that it matches, and of a table of deny rules only.
RuleTable parse_rules(const NamedText& text, Diagnostics& diagnostics);

std::string to_text(const Rule& rule);  // as a user writes it: "!*.example.com"

}  // namespace egress::http
