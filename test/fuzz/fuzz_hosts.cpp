// /etc/hosts: any text gives canonical names with at least one address each, never a crash.
#include <cstdint>
#include <cstdlib>

#include "common/host.hpp"
#include "common/net/hosts_file.hpp"

using namespace egress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto table = net::parse_hosts({reinterpret_cast<const char*>(data), size});
  for (const auto& [name, addresses] : table) {
    const auto canonical = parse_host_name(name);
    if (!canonical || *canonical != name || addresses.empty()) std::abort();
  }
  return 0;
}
