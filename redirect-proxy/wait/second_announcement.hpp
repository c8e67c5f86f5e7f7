// RFC 5227 §2.3: an address is announced twice, two seconds apart. The init container makes the
// first announcement and is gone when the second is due.
#pragma once

#include <string>
#include <vector>

#include "common/ip.hpp"
#include "common/log.hpp"

namespace egress::wait {

// For the log.
struct Announced {
  LogLevel level;
  std::string message;
};

// Announces every global address of `link`. Without CAP_NET_RAW it makes the kernel speak instead:
// a datagram to the gateway, which the pod has not spoken to yet, has the kernel ask for the
// gateway by ARP, and that broadcast bears our address and MAC, by which every host that knows the
// address corrects its entry (RFC 826).
std::vector<Announced> announce_again(const std::string& link);

}  // namespace egress::wait
