#include "redirect-proxy/dns/upstreams.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/net/own_addresses.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using boost::system::error_code;

namespace {

// Between two publications, at least.
constexpr std::chrono::milliseconds kPublishInterval(100);
constexpr std::chrono::seconds kSweepInterval(10);

// Of the hosts whose addresses differ; the places of the hosts are the same in both.
AddressList addresses_that_left(const Snapshot& before, const Snapshot& now) {
  AddressList left;
  for (std::size_t host = 0; host < now.addresses.size(); ++host) {
    const auto& was = *before.addresses[host];
    const auto& is = *now.addresses[host];
    if (&was != &is)
      std::set_difference(was.begin(), was.end(), is.begin(), is.end(), std::back_inserter(left));
  }
  return left;
}

AddressList all_addresses(const Snapshot& snapshot) {
  AddressList all;
  for (const auto& list : snapshot.addresses) all.insert(all.end(), list->begin(), list->end());
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  return all;
}

}  // namespace

Result<std::unique_ptr<Upstreams>> Upstreams::make(asio::io_context& io,
                                                   const DnsProxyConfig& config,
                                                   std::size_t max_checks, Hooks hooks) {
  std::unique_ptr<Upstreams> upstreams(new Upstreams(io, config, max_checks, std::move(hooks)));
  if (auto read = upstreams->read_own(); !read) return read.error();
  Directory::Options options{.resolver = net::resolver_options(config.dns),
                             .hold_gone = config.hold_gone,
                             .restriction = [self = upstreams.get()](const IpAddress& address) {
                               return restriction_for_names(address, self->local_);
                             }};
  auto directory = Directory::make(io, std::move(options),
                                   {.on_change = [self = upstreams.get()] { self->on_change(); },
                                    .info = upstreams->hooks_.info,
                                    .warn = upstreams->hooks_.warn});
  if (!directory) return directory.error();
  upstreams->directory_ = std::move(*directory);
  upstreams->sweep();
  return upstreams;
}

Upstreams::Upstreams(asio::io_context& io, const DnsProxyConfig& config, std::size_t max_checks,
                     Hooks hooks)
    : hooks_(std::move(hooks)),
      checker_(io, {.interval = config.check_interval, .max_at_once = max_checks},
               [this](const Endpoint& endpoint, bool up) { on_check(endpoint, up); }),
      publish_timer_(io),
      sweep_timer_(io) {}

std::shared_ptr<const Snapshot> Upstreams::set_table(std::shared_ptr<const Table> table) {
  is_publishing_ = true;  // what is found at once is in the snapshot that the caller gets
  directory_->follow(table->hosts);
  has_change_ = false;
  is_publishing_ = false;
  return refresh(table);
}

void Upstreams::on_change() {
  has_change_ = true;
  if (!is_publishing_) publish();
}

void Upstreams::publish() {
  is_publishing_ = std::exchange(has_change_, false);
  if (!is_publishing_) return;
  hooks_.publish(refresh(snapshot_->table));
  publish_later();
}

void Upstreams::publish_later() {
  publish_timer_.expires_after(kPublishInterval);
  publish_timer_.async_wait([this](error_code error) {
    if (!error) publish();
  });
}

std::shared_ptr<const Snapshot> Upstreams::refresh(const std::shared_ptr<const Table>& table) {
  const bool is_same_table = snapshot_ && snapshot_->table == table;
  auto next = std::make_shared<Snapshot>(Snapshot{table, {}});
  next->addresses.reserve(table->hosts.size());
  for (std::size_t i = 0; i < table->hosts.size(); ++i) {
    const auto& host = table->hosts[i];
    const bool is_kept = host.is_address() && is_same_table;
    next->addresses.push_back(is_kept ? snapshot_->addresses[i] : directory_->addresses_of(host));
  }
  const std::shared_ptr<const Snapshot> before = std::exchange(snapshot_, std::move(next));
  checker_.set(snapshot_);
  if (!before) return snapshot_;
  AddressList left;
  if (is_same_table) {
    left = addresses_that_left(*before, *snapshot_);
  } else {
    const auto was = all_addresses(*before);
    const auto is = all_addresses(*snapshot_);
    std::set_difference(was.begin(), was.end(), is.begin(), is.end(), std::back_inserter(left));
  }
  for (const auto& address : left) {
    tcp_.forget(address);
    udp_.forget(address);
  }
  return snapshot_;
}

void Upstreams::on_check(const Endpoint& endpoint, bool up) {
  if (!tcp_.checked(endpoint, up)) return;
  const auto missed = check_log_.admit(RateLimit::Clock::now());
  if (!missed) return;
  const auto others = *missed == 0 ? "" : "; " + std::to_string(*missed) + " others not logged";
  up ? hooks_.info(to_text(endpoint) + " is up again" + others)
     : hooks_.warn(to_text(endpoint) + " is down: it takes no connection" + others);
}

Result<void> Upstreams::read_own() {
  auto addresses = net::read_own_addresses();
  if (!addresses) return addresses.error();
  local_.addresses = std::move(*addresses);
  return {};
}

void Upstreams::sweep() {
  // Names are resolved again soon: what they lead to is evaluated with these addresses then. Where
  // they cannot be read, those read last serve.
  static_cast<void>(read_own());
  const auto now = Health::Clock::now();
  tcp_.expire(now);
  udp_.expire(now);
  sweep_timer_.expires_after(kSweepInterval);
  sweep_timer_.async_wait([this](error_code error) {
    if (!error) sweep();
  });
}

bool Upstreams::can_serve(std::size_t target) const { return Pool(*snapshot_, target).size() > 0; }

bool Upstreams::has_address_up(std::size_t target, LocalPort local) const {
  const Pool pool(*snapshot_, target);
  const auto port = snapshot_->table->text.targets[target].remote_port(local.port);
  for (std::size_t i = 0; i < pool.size(); ++i) {
    if (is_up(local.protocol, {pool.at(i).address, port})) return true;
  }
  return false;
}

std::string Upstreams::not_ready_because() {
  has_started_ = has_started_ || (directory_->is_settled() && !has_change_);
  if (!has_started_) return "names are being resolved for the first time";
  for (std::size_t target = 0; target < snapshot_->table->hosts_of.size(); ++target) {
    if (can_serve(target)) return {};
  }
  // Without an address each host is a name.
  constexpr std::size_t kMaxListed = 10;
  const auto& hosts = snapshot_->table->hosts;
  std::string names;
  for (std::size_t i = 0; i < std::min(hosts.size(), kMaxListed); ++i)
    names += (names.empty() ? "" : ", ") + hosts[i].name();
  if (hosts.size() > kMaxListed)
    names += " and " + std::to_string(hosts.size() - kMaxListed) + " more";
  return "no entry can be served, not resolved: " + names;
}

}  // namespace egress::dns
