#include "common/net/destination.hpp"

#include <boost/asio/co_spawn.hpp>
#include <utility>

#include "common/net/own_addresses.hpp"

namespace egress::net {

namespace asio = boost::asio;

Result<LocalSide> read_local_side(std::vector<ListenAddress> listeners) {
  auto addresses = read_own_addresses();
  if (!addresses) return addresses.error();
  return LocalSide{std::move(*addresses), std::move(listeners)};
}

std::vector<std::string> complete_name(std::string_view name,
                                       std::span<const std::string> search_list) {
  constexpr std::size_t kMaxNameBytes = 253;
  std::vector<std::string> names;
  for (const auto& domain : search_list) {
    if (name.size() + 1 + domain.size() <= kMaxNameBytes)
      names.push_back(std::string(name) + "." + domain);
  }
  names.insert(is_single_label(name) ? names.end() : names.begin(), std::string(name));
  return names;
}

asio::awaitable<CompletedName> refresh_completed(Resolver& resolver, std::string name) {
  if (auto known = resolver.find_in_hosts(name)) co_return CompletedName{name, std::move(*known)};
  CompletedName last;
  for (auto& candidate : complete_name(name, resolver.resolv_conf().search_list)) {
    last.name = candidate;
    last.resolution = co_await resolver.refresh(std::move(candidate));
    if (last.resolution.status != ResolveStatus::not_found) break;
  }
  co_return last;
}

std::vector<IpAddress> resolve_blocking(const std::string& name) {
  asio::io_context io{1};
  auto resolver = Resolver::make(io, {});
  if (!resolver) return {};
  std::vector<IpAddress> addresses;
  asio::co_spawn(io, refresh_completed(*resolver, name),
                 [&](const std::exception_ptr& failure, CompletedName completed) {
                   if (!failure) addresses = std::move(completed.resolution.addresses);
                   io.stop();
                 });
  io.run();
  return addresses;
}

std::string to_list(std::span<const IpAddress> addresses) {
  std::string text;
  for (const auto& address : addresses) text += (text.empty() ? "" : ", ") + to_text(address);
  return text.empty() ? "none" : text;
}

}  // namespace egress::net
