#include "redirect-proxy/dns/checker.hpp"

#include <algorithm>
#include <boost/asio/ip/tcp.hpp>
#include <utility>

#include "common/net/asio_address.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

// Between two looks at what is due, at least.
constexpr std::chrono::milliseconds kTurn(100);

}  // namespace

// One connection that is closed as soon as it stands. Kept alive by its waits.
class Checker::Test : public std::enable_shared_from_this<Test> {
 public:
  Test(Checker& checker, const Endpoint& endpoint)
      : checker_(&checker), endpoint_(endpoint), socket_(checker.io_), timer_(checker.io_) {}

  void start() {
    timer_.expires_after(checker_->options_.timeout);
    timer_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->end(false);
    });
    socket_.async_connect(net::to_asio(endpoint_),
                          [self = shared_from_this()](error_code error) { self->end(!error); });
  }

  void drop() { end_with(nullptr, false); }

 private:
  void end(bool up) { end_with(checker_, up); }
  void end_with(Checker* checker, bool up) {
    if (checker_ == nullptr) return;
    checker_ = nullptr;
    error_code ignored;
    // A reset: the other side is spared a connection to close, and we are spared a TIME-WAIT.
    if (up) socket_.set_option(asio::socket_base::linger(true, 0), ignored);
    socket_.close(ignored);
    timer_.cancel();
    if (checker != nullptr) checker->finish(endpoint_, up);
  }

  Checker* checker_;  // null: ended
  const Endpoint endpoint_;
  asio::ip::tcp::socket socket_;
  asio::steady_timer timer_;
};

Checker::Checker(asio::io_context& io, Options options, OnResult on_result)
    : io_(io), options_(options), on_result_(std::move(on_result)), timer_(io) {}

Checker::~Checker() { set({}); }

void Checker::set(const std::set<Endpoint>& endpoints) {
  for (auto state = states_.begin(); state != states_.end();) {
    if (endpoints.contains(state->first)) {
      ++state;
      continue;
    }
    if (state->second.test) state->second.test->drop();
    state = states_.erase(state);
  }
  const auto now = Clock::now();
  for (const auto& endpoint : endpoints)
    states_.try_emplace(endpoint, State{.due = now, .up = true, .test = {}});
  if (options_.interval.count() > 0 && !states_.empty()) turn();
}

bool Checker::is_up(const Endpoint& endpoint) const {
  const auto found = states_.find(endpoint);
  return found == states_.end() || found->second.up;
}

void Checker::turn() {
  const auto now = Clock::now();
  auto running =
      static_cast<std::size_t>(std::count_if(states_.begin(), states_.end(), [](const auto& each) {
        return each.second.test != nullptr;
      }));
  auto next = now + options_.interval;
  for (auto& [endpoint, state] : states_) {
    if (state.test) continue;
    if (state.due > now || running >= options_.at_once) {
      next = std::min(next, state.due);
      continue;
    }
    state.due = now + options_.interval;
    state.test = std::make_shared<Test>(*this, endpoint);
    state.test->start();
    ++running;
  }
  timer_.expires_at(std::max(next, now + kTurn));
  timer_.async_wait([this](error_code error) {
    if (!error) turn();
  });
}

void Checker::finish(const Endpoint& endpoint, bool up) {
  const auto found = states_.find(endpoint);
  if (found == states_.end()) return;
  found->second.test.reset();
  found->second.up = up;
  on_result_(endpoint, up);
}

}  // namespace egress::dns
