// Any bytes are a resolv.conf: each nameserver is found once, and is found again in a file that
// names just those.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "router-init/facts.hpp"

using namespace egress;
using namespace egress::router;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto nameservers = parse_nameservers({reinterpret_cast<const char*>(data), size});
  std::string again;
  for (const auto& nameserver : nameservers) {
    if (std::count(nameservers.begin(), nameservers.end(), nameserver) != 1) std::abort();
    again += "nameserver " + to_text(nameserver) + "\n";
  }
  if (parse_nameservers(again) != nameservers) std::abort();
  return 0;
}
