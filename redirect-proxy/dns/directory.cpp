#include "redirect-proxy/dns/directory.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <utility>

namespace egress::dns {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// While a name has no answer, or an answer of no time at all.
constexpr milliseconds kRetry(1000);
constexpr milliseconds kLeastWait(100);

// No name should lead there: to this pod itself, to the node, to the cloud's metadata.
bool is_usable(const IpAddress& address) {
  return !address.is_loopback() && !address.is_link_local() && !address.is_multicast() &&
         !address.is_unspecified() && !address.is_broadcast();
}

std::string to_list(const std::vector<IpAddress>& addresses) {
  std::string text;
  for (const auto& address : addresses) text += (text.empty() ? "" : ", ") + to_text(address);
  return text.empty() ? "nothing" : text;
}

}  // namespace

// One name, asked for again and again until it is dropped. Kept alive by its coroutine.
class Directory::Watch : public std::enable_shared_from_this<Watch> {
 public:
  Watch(Directory& directory, std::string name)
      : directory_(&directory), name_(std::move(name)), timer_(directory.io_) {}

  void start() { asio::co_spawn(directory_->io_, run(shared_from_this()), asio::detached); }
  void drop() {
    directory_ = nullptr;
    timer_.cancel();
  }

 private:
  static asio::awaitable<void> run(std::shared_ptr<Watch> self) {
    while (self->directory_ != nullptr) {
      const auto resolution = co_await self->directory_->resolver_.refresh(self->name_);
      if (self->directory_ == nullptr) break;
      self->timer_.expires_after(self->directory_->take(self->name_, resolution));
      co_await self->timer_.async_wait(asio::as_tuple(asio::use_awaitable));
    }
  }

  Directory* directory_;  // null: dropped
  std::string name_;
  asio::steady_timer timer_;
};

Result<std::unique_ptr<Directory>> Directory::make(asio::io_context& io, Options options,
                                                   Hooks hooks) {
  auto resolver = net::Resolver::make(io, options.resolver);
  if (!resolver) return resolver.error();
  return std::unique_ptr<Directory>(
      new Directory(io, std::move(options), std::move(hooks), std::move(*resolver)));
}

Directory::Directory(asio::io_context& io, Options options, Hooks hooks, net::Resolver resolver)
    : io_(io),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      resolver_(std::move(resolver)) {}

Directory::~Directory() {
  for (auto& [name, watch] : watches_) watch->drop();
}

void Directory::follow(const TargetTable& table) {
  std::set<std::string> wanted;
  for (const auto& target : table.targets) {
    for (const auto& host : target.hosts) {
      if (host.is_name()) wanted.insert(host.name());
    }
  }
  for (auto watch = watches_.begin(); watch != watches_.end();) {
    if (wanted.contains(watch->first)) {
      ++watch;
      continue;
    }
    watch->second->drop();
    states_.erase(watch->first);
    watch = watches_.erase(watch);
  }
  for (const auto& name : wanted) {
    if (watches_.contains(name)) continue;
    states_.emplace(name, NameState{});
    const auto watch = std::make_shared<Watch>(*this, name);
    watches_.emplace(name, watch);
    watch->start();
  }
}

std::vector<IpAddress> Directory::addresses_of(const Host& host) const {
  if (host.is_address()) return {host.address()};
  const auto found = states_.find(host.name());
  return found == states_.end() ? std::vector<IpAddress>{} : found->second.addresses;
}

// Returns how long to wait before it is asked for again.
milliseconds Directory::take(const std::string& name, const net::Resolution& resolution) {
  auto& state = states_.at(name);
  const auto now = NameState::Clock::now();
  if (resolution.status == net::ResolveStatus::not_found) {
    if (state.gone_since == NameState::Clock::time_point::max()) state.gone_since = now;
    fail(name, state, "DNS says that it does not exist");
    const bool drops = !state.addresses.empty() && now - state.gone_since >= options_.hold_gone;
    if (drops) {
      hooks_.warn(name + " is gone: its addresses are used no more");
      state.addresses.clear();
      ++state.changes;
      hooks_.on_change();
    }
    return kRetry;
  }
  if (!resolution.ok() || resolution.stale) {
    fail(name, state,
         resolution.status == net::ResolveStatus::timeout || resolution.stale
             ? "DNS does not answer"
             : "the DNS servers failed");
    return kRetry;
  }
  std::vector<IpAddress> usable;
  std::copy_if(resolution.addresses.begin(), resolution.addresses.end(), std::back_inserter(usable),
               is_usable);
  std::sort(usable.begin(), usable.end());
  if (usable.empty()) {
    fail(name, state, "all its addresses are loopback, link-local or multicast");
    return kRetry;
  }
  state.is_stale = false;
  state.has_answered = true;
  state.answered = now;
  state.gone_since = NameState::Clock::time_point::max();
  if (usable != state.addresses) {
    hooks_.info(name + " is " + to_list(usable) +
                (state.addresses.empty() ? "" : "; was " + to_list(state.addresses)));
    state.addresses = std::move(usable);
    ++state.changes;
    hooks_.on_change();
  }
  return std::max(resolution.ttl, kLeastWait);
}

// Told once for each run of failures.
void Directory::fail(const std::string& name, NameState& state, std::string_view why) {
  ++state.failures;
  if (!state.is_stale) {
    hooks_.warn(name + ": " + std::string(why) + "; " +
                (state.addresses.empty()
                     ? "connections to it are refused until it resolves"
                     : "the last good answer is kept, " + to_list(state.addresses)));
  }
  state.is_stale = true;
}

}  // namespace egress::dns
