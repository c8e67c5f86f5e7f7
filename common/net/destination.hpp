// The destination layer of both proxies, above the resolver and below rules and tables: what
// belongs to the pod itself, and how the short names of a table become the fully qualified names
// that DNS is asked for. The other parts of the layer are common/destination_policy.hpp (which
// addresses may be connected to), resolver.hpp and connect.hpp. Evaluates nothing.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/destination_policy.hpp"
#include "common/net/resolver.hpp"

namespace egress::net {

// The addresses of all interfaces of this pod now, and these listeners. Errors: getifaddrs(3).
Result<LocalSide> read_local_side(std::vector<ListenAddress> listeners);

// The fully qualified names that a name stands for, in the order in which they are asked: with a
// dot, first as it is, then completed by each domain of the search list; without a dot, the other
// way round. None is over 253 bytes (RFC 1035 §2.3.4).
std::vector<std::string> complete_name(std::string_view name,
                                       std::span<const std::string> search_list);

// For names that an administrator wrote, never for those of clients: the first name of
// complete_name() that exists, by /etc/hosts or DNS. A failure is the answer as well: it must not
// turn one name into another. Cancellation as in Resolver::refresh.
struct CompletedName {
  std::string name;  // the one that `resolution` is about
  Resolution resolution;
};
boost::asio::awaitable<CompletedName> refresh_completed(Resolver& resolver, std::string name);

// The same on a loop of its own, blocking: for answers to the command line.
std::vector<IpAddress> resolve_blocking(const std::string& name);

// "10.96.0.10, fd00::a": for the log.
std::string to_list(std::span<const IpAddress> addresses);

}  // namespace egress::net
