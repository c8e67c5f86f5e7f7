#include "common/net/connect.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <memory>
#include <utility>

#include "common/net/asio_address.hpp"

namespace egress::net {

namespace asio = boost::asio;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;
using Socket = asio::ip::tcp::socket;

namespace {

// Kept alive by its waits and by the coroutine that it wakes.
class Race : public std::enable_shared_from_this<Race> {
 public:
  Race(const asio::any_io_executor& executor, std::vector<Endpoint> endpoints,
       const ConnectOptions& options)
      : executor_(executor),
        endpoints_(std::move(endpoints)),
        options_(options),
        wake_(executor, Clock::now() + options.deadline),
        next_(executor) {
    if (endpoints_.size() > kMaxAddresses) endpoints_.resize(kMaxAddresses);
    attempts_.reserve(endpoints_.size());
  }

  void start() { start_next(); }
  asio::steady_timer& wake() { return wake_; }
  bool has_ended() const { return ended_; }

  // Ends all attempts but the winner; none may start after.
  void stop() {
    ended_ = true;
    next_.cancel();
    for (auto& attempt : attempts_) {
      if (attempt.is_pending) fail(attempt, asio::error::timed_out);
    }
  }

  ConnectOutcome take_outcome() {
    ConnectOutcome outcome;
    outcome.failed = std::move(failed_);
    if (winner_ != nullptr) {
      outcome.socket = std::move(winner_->socket);
      outcome.endpoint = winner_->endpoint;
    }
    return outcome;
  }

 private:
  struct Attempt {
    Socket socket;
    Endpoint endpoint;
    bool is_pending = true;
  };

  void fail(Attempt& attempt, error_code error) {
    attempt.is_pending = false;
    failed_.push_back({attempt.endpoint, error});
    error_code ignored;
    attempt.socket.close(ignored);
  }

  static bool is_pending(const Attempt& attempt) { return attempt.is_pending; }

  void make_room() {
    const auto pending = std::count_if(attempts_.begin(), attempts_.end(), is_pending);
    if (static_cast<std::size_t>(pending) < kMaxParallelAttempts) return;
    fail(*std::find_if(attempts_.begin(), attempts_.end(), is_pending), asio::error::timed_out);
  }

  void start_next() {
    while (!ended_ && attempts_.size() < endpoints_.size()) {
      make_room();
      const auto endpoint = endpoints_[attempts_.size()];
      auto& attempt = attempts_.emplace_back(Attempt{Socket(executor_), endpoint});
      if (const auto error = open(attempt)) {
        fail(attempt, error);
        continue;
      }
      attempt.socket.async_connect(to_asio(endpoint),
                                   [self = shared_from_this(), &attempt](error_code error) {
                                     if (attempt.is_pending) self->on_connect(attempt, error);
                                   });
      return wait_for_next();
    }
    end_if_lost();
  }

  static error_code open(Attempt& attempt) {
    error_code error;
    const auto is_v4 = attempt.endpoint.address.is_v4();
    attempt.socket.open(is_v4 ? asio::ip::tcp::v4() : asio::ip::tcp::v6(), error);
    if (!error) attempt.socket.set_option(asio::ip::tcp::no_delay(true), error);
    return error;
  }

  void wait_for_next() {
    if (attempts_.size() == endpoints_.size()) return;
    next_.expires_after(options_.attempt_delay);
    next_.async_wait([self = shared_from_this()](error_code error) {
      if (!error) self->start_next();
    });
  }

  void on_connect(Attempt& attempt, error_code error) {
    if (error) {
      fail(attempt, error);
      // RFC 8305 §5: a refusal starts the next attempt at once.
      return start_next();
    }
    attempt.is_pending = false;
    winner_ = &attempt;
    finish();
  }

  void end_if_lost() {
    if (!ended_ && std::none_of(attempts_.begin(), attempts_.end(), is_pending)) finish();
  }

  void finish() {
    // The deadline did not end these: they merely lost.
    const auto failed = failed_.size();
    stop();
    failed_.resize(failed);
    wake_.cancel();
  }

  asio::any_io_executor executor_;
  std::vector<Endpoint> endpoints_;
  const ConnectOptions options_;
  asio::steady_timer wake_;
  asio::steady_timer next_;
  std::vector<Attempt>
      attempts_;  // never grows past what it reserved: handlers refer to its elements
  std::vector<FailedAttempt> failed_;
  Attempt* winner_ = nullptr;
  bool ended_ = false;
};

// However the coroutine ends.
struct StopAtEnd {
  Race& race;
  ~StopAtEnd() { race.stop(); }
};

}  // namespace

std::vector<Endpoint> interleave_families(std::span<const Endpoint> endpoints) {
  std::vector<Endpoint> first;
  std::vector<Endpoint> second;
  for (const auto& endpoint : endpoints) {
    const bool is_first = endpoint.address.family() == endpoints.front().address.family();
    (is_first ? first : second).push_back(endpoint);
  }
  std::vector<Endpoint> out;
  out.reserve(endpoints.size());
  for (std::size_t i = 0; i < std::max(first.size(), second.size()); ++i) {
    if (i < first.size()) out.push_back(first[i]);
    if (i < second.size()) out.push_back(second[i]);
  }
  return out;
}

asio::awaitable<ConnectOutcome> connect(std::vector<Endpoint> endpoints, ConnectOptions options) {
  const auto begin = Clock::now();
  const auto race =
      std::make_shared<Race>(co_await asio::this_coro::executor, std::move(endpoints), options);
  const StopAtEnd stop_at_end{*race};
  race->start();
  if (!race->has_ended()) co_await race->wake().async_wait(asio::as_tuple(asio::use_awaitable));
  race->stop();
  auto outcome = race->take_outcome();
  outcome.elapsed = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
  co_return outcome;
}

std::string to_text(std::span<const FailedAttempt> failed) {
  std::string text;
  for (const auto& [endpoint, error] : failed) {
    if (!text.empty()) text += "; ";
    text += to_text(endpoint) + ": " +
            (error == asio::error::timed_out ? std::string("timed out") : error.message());
  }
  return text;
}

}  // namespace egress::net
