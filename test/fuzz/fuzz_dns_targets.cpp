// Any bytes are a table or a list of diagnostics; a table that is accepted survives being printed
// and read again.
#include <cstdint>
#include <cstdlib>

#include "redirect-proxy/dns/targets.hpp"

using namespace egress;
using namespace egress::dns;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const NamedText text{"T", {reinterpret_cast<const char*>(data), size}};
  Diagnostics diagnostics;
  const auto table = parse_targets(text, diagnostics);
  for (const char c : diagnostics.to_text(Severity::error)) {
    if (c != '\n' && (c < ' ' || c > '~')) std::abort();  // every byte from outside is escaped
  }
  if (diagnostics.has_errors()) return 0;

  NamedText again{"T", {}};
  for (const auto& target : table.targets) again.text += to_text(target) + "\n";
  auto reread = parse_targets(again, diagnostics);
  if (diagnostics.has_errors() || reread.targets.size() != table.targets.size()) std::abort();
  for (std::size_t i = 0; i < reread.targets.size(); ++i) {
    reread.targets[i].line = table.targets[i].line;
    if (reread.targets[i] != table.targets[i]) std::abort();
  }
  return 0;
}
