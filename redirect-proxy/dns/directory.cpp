#include "redirect-proxy/dns/directory.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <set>
#include <utility>

#include "common/net/destination.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using std::chrono::milliseconds;

namespace {

// While a name has no answer, or an answer of no time at all.
constexpr milliseconds kRetry(1000);
constexpr milliseconds kMinWait(100);

constexpr std::size_t kMaxListed = 8;

std::string to_text(const RestrictedAddress& restricted) {
  return to_text(restricted.address) + " (" + std::string(describe(restricted.restriction)) + ")";
}

template <class Value>
std::string to_list(const std::vector<Value>& values) {
  std::string text;
  for (std::size_t i = 0; i < std::min(values.size(), kMaxListed); ++i)
    text += (i == 0 ? "" : ", ") + to_text(values[i]);
  if (values.size() > kMaxListed)
    text += " and " + std::to_string(values.size() - kMaxListed) + " more";
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
      const auto completed =
          co_await net::refresh_completed(self->directory_->resolver_, self->name_);
      if (self->directory_ == nullptr) break;
      self->timer_.expires_after(self->directory_->take(self->name_, completed.resolution));
      self->directory_->settle();
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

void Directory::follow(const std::vector<Host>& hosts) {
  std::set<std::string> desired;
  for (const auto& host : hosts) {
    if (host.is_name()) desired.insert(host.name());
  }
  std::erase_if(watches_, [&](const auto& each) {
    if (desired.contains(each.first)) return false;
    each.second->drop();
    states_.erase(each.first);
    return true;
  });
  for (const auto& name : desired) {
    if (watches_.contains(name)) continue;
    states_.emplace(name, NameState{});
    const auto watch = std::make_shared<Watch>(*this, name);
    watches_.emplace(name, watch);
    watch->start();
  }
  settle();
}

void Directory::settle() {
  is_settled_ = is_settled_ || std::all_of(states_.begin(), states_.end(),
                                           [](const auto& each) { return each.second.is_tried; });
}

std::shared_ptr<const AddressList> Directory::addresses_of(const Host& host) const {
  if (host.is_address()) return std::make_shared<const AddressList>(1, host.address());
  return states_.at(host.name()).addresses;
}

AddressList Directory::listed(const Host& host) const {
  return host.is_address() ? AddressList{host.address()} : states_.at(host.name()).listed;
}

// Returns how long to wait before it is resolved again.
milliseconds Directory::take(const std::string& name, const net::Resolution& resolution) {
  auto& state = states_.at(name);
  state.is_tried = true;
  const auto now = NameState::Clock::now();
  if (resolution.status == net::ResolveStatus::not_found) {
    if (state.gone_since == NameState::Clock::time_point::max()) state.gone_since = now;
    fail(name, state, "DNS says that it does not exist");
    if (!state.addresses->empty() && now - state.gone_since >= options_.hold_gone) {
      hooks_.warn(name + " no longer exists: its addresses are no longer used");
      change(name, state, {});
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
  AddressList usable = resolution.addresses;
  std::sort(usable.begin(), usable.end());
  usable.erase(std::unique(usable.begin(), usable.end()), usable.end());
  split(name, state, usable);
  if (usable.empty()) {
    fail(name, state, "none of its addresses may be used");
    return kRetry;
  }
  state.is_stale = false;
  state.has_answered = true;
  state.answered = now;
  state.gone_since = NameState::Clock::time_point::max();
  if (usable != *state.addresses) change(name, state, std::move(usable));
  return std::max(resolution.ttl, kMinWait);
}

void Directory::split(const std::string& name, NameState& state, AddressList& addresses) {
  std::vector<RestrictedAddress> restricted;
  std::erase_if(addresses, [&](const IpAddress& address) {
    const auto why = options_.restriction(address);
    if (why) restricted.push_back({address, *why});
    return why.has_value();
  });
  if (restricted == state.restricted) return;
  state.restricted = std::move(restricted);
  if (state.restricted.empty() || !state.log_limit.admit(NameState::Clock::now())) return;
  hooks_.warn(
      name + " leads to " + to_list(state.restricted) +
      ": not used; an entry reaches such an address only where it names the address itself");
}

void Directory::change(const std::string& name, NameState& state, AddressList addresses) {
  AddressList listed;
  for (const auto& address : addresses) {
    if (std::binary_search(state.listed.begin(), state.listed.end(), address) ||
        state.list_limit.admit(NameState::Clock::now())) {
      listed.push_back(address);
    }
  }
  state.listed = std::move(listed);
  const auto before =
      std::exchange(state.addresses, std::make_shared<const AddressList>(std::move(addresses)));
  ++state.changes;
  if (const auto missed = state.log_limit.admit(NameState::Clock::now())) {
    hooks_.info(name + " is " + to_list(*state.addresses) +
                (before->empty() ? "" : "; was " + to_list(*before)) +
                (*missed == 0 ? "" : "; " + std::to_string(*missed) + " changes not logged"));
  }
  hooks_.on_change();
}

// Logged once for each run of failures.
void Directory::fail(const std::string& name, NameState& state, std::string_view why) {
  ++state.failures;
  if (!state.is_stale) {
    hooks_.warn(name + ": " + std::string(why) + "; " +
                (state.addresses->empty()
                     ? "connections to it are refused until it resolves"
                     : "the last good answer is kept, " + to_list(*state.addresses)));
  }
  state.is_stale = true;
}

}  // namespace egress::dns
