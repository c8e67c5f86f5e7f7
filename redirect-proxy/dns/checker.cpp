#include "redirect-proxy/dns/checker.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

#include "common/net/asio_address.hpp"
#include "redirect-proxy/dns/health.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

// Between two looks at what is due.
constexpr std::chrono::milliseconds kTurn(100);

}  // namespace

// One connection that is closed as soon as it is established. Kept alive by its waits.
class Checker::Test : public std::enable_shared_from_this<Test> {
 public:
  Test(Checker& checker, const Endpoint& endpoint)
      : checker_(&checker), endpoint_(endpoint), socket_(checker.io_), timer_(checker.io_) {}

  void start() {
    timer_.expires_after(checker_->options_.timeout);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->end(asio::error::timed_out);
    });
    socket_.async_connect(net::to_asio(endpoint_),
                          [self = shared_from_this()](error_code error) { self->end(error); });
  }

  void drop() {
    checker_ = nullptr;
    close();
  }

 private:
  void end(error_code error) {
    if (checker_ == nullptr) return;
    error_code ignored;
    // A reset: the other side is spared a connection to close, and we are spared a TIME-WAIT.
    if (!error) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    close();
    std::exchange(checker_, nullptr)->finish(endpoint_, error);
  }
  void close() {
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel();
  }

  Checker* checker_;  // null: ended
  const Endpoint endpoint_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
};

Checker::Checker(asio::io_context& io, Options options, OnResult on_result)
    : io_(io), options_(options), on_result_(std::move(on_result)), timer_(io) {}

Checker::~Checker() {
  for (auto& [endpoint, running] : running_) running.test->drop();
}

void Checker::set(std::shared_ptr<const Snapshot> snapshot) {
  if (options_.interval.count() == 0) return;
  const auto before = std::exchange(snapshot_, std::move(snapshot));
  const bool is_new_table = !before || before->table != snapshot_->table;
  if (is_new_table) set_table();
  drop_gone();
  add_new(is_new_table ? nullptr : before.get());
  if (!is_waiting_) turn();
}

void Checker::set_table() {
  const auto& table = *snapshot_->table;
  places_.clear();
  new_.clear();
  for (std::size_t i = 0; i < table.hosts_of.size(); ++i) {
    const auto& target = table.text.targets[i];
    if (target.protocol != Protocol::tcp) continue;
    for (const auto host : table.hosts_of[i]) {
      for (std::uint32_t port = target.remote.first; port <= target.remote.last; ++port)
        places_.push_back({host, static_cast<std::uint16_t>(port)});
    }
  }
  std::sort(places_.begin(), places_.end());
  places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
  // What is there now is new, so the first round comes an interval later.
  next_place_ = places_.size();
  round_began_ = Clock::now();
}

void Checker::add_new(const Snapshot* before) {
  std::size_t host = snapshot_->addresses.size();
  std::vector<IpAddress> added;
  for (const auto& place : places_) {
    if (place.host != host) {
      host = place.host;
      added.clear();
      const auto& now = snapshot_->addresses[host];
      if (before == nullptr) {
        added = *now;
      } else if (const auto& was = before->addresses[host]; was != now) {
        std::set_difference(now->begin(), now->end(), was->begin(), was->end(),
                            std::back_inserter(added));
      }
    }
    for (const auto& address : added) {
      if (new_.size() >= options_.max_new) return;
      new_.push_back({place, address});
    }
  }
}

bool Checker::is_current(const Place& place, const IpAddress& address) const {
  if (!std::binary_search(places_.begin(), places_.end(), place)) return false;
  const auto& addresses = *snapshot_->addresses[place.host];
  return std::binary_search(addresses.begin(), addresses.end(), address);
}

void Checker::drop_gone() {
  std::erase_if(new_, [&](const auto& each) { return !is_current(each.place, each.address); });
  std::erase_if(running_, [&](const auto& each) {
    const bool is_gone = !is_current(each.second.place, each.first.address);
    if (is_gone) each.second.test->drop();
    return is_gone;
  });
}

void Checker::turn() {
  const auto now = Clock::now();
  const auto max_starts = std::max<std::size_t>(
      1, options_.max_per_second * static_cast<std::size_t>(kTurn.count()) / 1000);
  std::size_t started = 0;
  while (started < max_starts && running_.size() < options_.max_at_once && start_next(now))
    ++started;
  const bool is_done = new_.empty() && next_place_ >= places_.size();
  timer_.expires_at(is_done ? std::max(round_began_ + options_.interval, now + kTurn)
                            : now + kTurn);
  is_waiting_ = !is_done;
  timer_.async_wait([this](error_code error) {
    if (!error) turn();
  });
}

bool Checker::start_next(Clock::time_point now) {
  while (!new_.empty()) {
    const auto next = new_.front();
    new_.pop_front();
    if (start(next.place, next.address)) return true;
  }
  if (next_place_ >= places_.size() && now >= round_began_ + options_.interval) {
    round_began_ = now;
    next_place_ = 0;
    next_address_ = 0;
  }
  while (next_place_ < places_.size()) {
    const auto& place = places_[next_place_];
    const auto& addresses = *snapshot_->addresses[place.host];
    if (next_address_ >= addresses.size()) {
      ++next_place_;
      next_address_ = 0;
    } else if (start(place, addresses[next_address_++])) {
      return true;
    }
  }
  return false;
}

bool Checker::start(const Place& place, const IpAddress& address) {
  const Endpoint endpoint{address, place.port};
  if (running_.contains(endpoint)) return false;
  const auto test = std::make_shared<Test>(*this, endpoint);
  running_.emplace(endpoint, Running{place, test});
  test->start();
  return true;
}

void Checker::finish(const Endpoint& endpoint, error_code error) {
  running_.erase(endpoint);
  if (!error || concerns_endpoint(error.value())) on_result_(endpoint, !error);
}

}  // namespace egress::dns
