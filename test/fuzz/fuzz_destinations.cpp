// Any bytes are a table or a list of diagnostics; a table that is accepted survives being printed
// and read again.
#include <cstdint>
#include <cstdlib>

#include "router-init/destinations.hpp"

using namespace egress;
using namespace egress::router;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const OwnAddresses kOwn{
      {{*parse_ip_prefix("10.42.253.46/24")}, {*parse_ip_prefix("2001:db8:42::46/64")}},
      {parse_ip_address("10.42.253.1"), parse_ip_address("2001:db8:42::1")}};
  const NamedText text{"T", {reinterpret_cast<const char*>(data), size}};
  Diagnostics diagnostics;
  const auto table = parse_destinations(text, kOwn, diagnostics);
  for (const char c : diagnostics.to_text(Severity::error)) {
    if (c != '\n' && (c < ' ' || c > '~')) std::abort();  // every byte from outside is escaped
  }
  if (diagnostics.has_errors()) return 0;

  NamedText again{"T", {}};
  for (const auto& entry : table.entries) again.text += to_text(entry) + "\n";
  if (table.fallback.v4) again.text += to_text(table.fallback.v4->address) + "\n";
  if (table.fallback.v6) again.text += to_text(table.fallback.v6->address) + "\n";
  auto reread = parse_destinations(again, kOwn, diagnostics);
  if (diagnostics.has_errors() || reread.entries.size() != table.entries.size()) std::abort();
  for (std::size_t i = 0; i < reread.entries.size(); ++i) {
    reread.entries[i].line = table.entries[i].line;
    if (reread.entries[i] != table.entries[i]) std::abort();
  }
  return 0;
}
