// An answer of a DNS server: any bytes give an answer within its bounds, never a crash.
#include <cstdint>
#include <cstdlib>

#include "common/net/dns_message.hpp"

using namespace egress;
using namespace egress::net;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  constexpr std::size_t kMost = 8;
  for (const Family family : {Family::v4, Family::v6}) {
    const auto answer = parse_dns_answer({data, size}, {"www.example.com", family}, kMost);
    if (answer.addresses.size() > kMost) std::abort();
    if ((answer.status == DnsStatus::ok) == answer.addresses.empty()) std::abort();
    if (answer.ttl.count() < 0 || answer.ttl.count() > 0x7fffffff) std::abort();
    for (const auto& address : answer.addresses) {
      if (address.family() != family) std::abort();
    }
  }
  return 0;
}
