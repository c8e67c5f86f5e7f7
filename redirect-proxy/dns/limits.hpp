// How the descriptors that the process may open are shared out, so that no kind of client takes
// what the others, DNS, the health checks and the admin endpoint need. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "redirect-proxy/dns/config.hpp"

namespace egress::dns {

// All of the whole process.
struct Limits {
  std::size_t connections = 0;        // TCP clients: two descriptors each
  std::size_t udp_flows = 0;          // one each
  std::size_t extra_attempts = 0;     // to connect, beside the first of a client
  std::size_t pipes = 0;              // of relays
  std::size_t checks = 0;             // health checks at once
  std::vector<std::string> warnings;  // settings that were reduced
};

// `files` is the process's limit of open files.
Limits share_descriptors(const DnsProxyConfig& config, const TargetTable& table, std::size_t files,
                         std::size_t threads);

}  // namespace egress::dns
