// Any bytes are rules or diagnostics; rules survive being printed and read again, and decide on
// themselves.
#include <cstdint>
#include <cstdlib>

#include "http-proxy/policy.hpp"

using namespace egress;
using namespace egress::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Diagnostics diagnostics;
  const auto table = parse_rules({"T", {reinterpret_cast<const char*>(data), size}}, diagnostics);
  for (const char c :
       diagnostics.to_text(Severity::error) + diagnostics.to_text(Severity::warning)) {
    if (c != '\n' && (c < ' ' || c > '~')) std::abort();
  }
  if (diagnostics.has_errors()) return 0;
  if (table.rules.empty()) std::abort();
  std::string again;
  for (const auto& rule : table.rules) again += to_text(rule) + "\n";
  const auto reread = parse_rules({"T", again}, diagnostics);
  if (diagnostics.has_errors() || reread.rules.size() != table.rules.size()) std::abort();

  const Policy policy(table, {});
  for (std::size_t i = 0; i < table.rules.size(); ++i) {
    const auto& rule = table.rules[i];
    if (rule.match != reread.rules[i].match || rule.verdict != reread.rules[i].verdict)
      std::abort();
    if (const auto* pattern = std::get_if<NamePattern>(&rule.match)) {
      if (policy.decide_name(pattern->name).line > rule.line) std::abort();
    } else if (const auto* prefix = std::get_if<IpPrefix>(&rule.match)) {
      const Host host(prefix->address);
      const auto decision = policy.decide({host, 80, Access::forward});
      if (decision.next == Next::resolve) std::abort();
      if (rule.verdict == Verdict::deny && decision.line > rule.line) std::abort();
    }
  }
  return 0;
}
