// Reads answers of DNS servers (RFC 1035 §4): the addresses that a question leads to, through
// CNAMEs, and how long they may be kept. Pure; trusts nothing: what stands in the answer for other
// names is not taken, and every loop is bounded.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "common/ip.hpp"

namespace egress::net {

enum class DnsStatus : std::uint8_t {
  ok,         // at least one address
  no_data,    // the name exists, without addresses of this family
  not_found,  // NXDOMAIN
  failed,     // SERVFAIL, REFUSED and their like
  malformed,  // not an answer to this question
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::malformed;
  std::vector<IpAddress> addresses;  // without repeats, in the order of the answer
  // The least TTL on the way to the addresses; without addresses that of RFC 2308 §5, 0 where the
  // answer has no SOA. At most 2^31 - 1 s; a TTL with the sign bit set counts as 0 (RFC 2181 §8).
  std::chrono::seconds ttl{0};
};

struct DnsQuestion {
  std::string_view name;  // without trailing dot
  Family family = Family::v4;
};

inline constexpr std::size_t kMostCnames = 16;

// Keeps the first `most_addresses` addresses. A chain of over kMostCnames is malformed.
DnsAnswer parse_dns_answer(std::span<const std::uint8_t> message, const DnsQuestion& question,
                           std::size_t most_addresses);

}  // namespace egress::net
