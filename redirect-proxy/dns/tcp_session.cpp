#include "redirect-proxy/dns/tcp_session.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <utility>

#include "common/net/asio_address.hpp"
#include "common/net/connect.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

// What is not answered for so long may be black-holed: the next address is tried beside it.
constexpr milliseconds kAttemptDelay(1000);
// Before all addresses are tried again: a server that restarts needs a moment.
constexpr milliseconds kSecondRound(500);

void reset(asio::ip::tcp::socket& socket) {
  error_code ignored;
  socket.set_option(asio::socket_base::linger(true, 0), ignored);
  socket.close(ignored);
}

// One client, from its arrival to its end. Becomes the relay's observer.
class Session final : public net::RelayObserver {
 public:
  Session(Worker& worker, std::shared_ptr<Entry> entry, const Endpoint& peer,
          net::ConnectionSlot slot)
      : worker_(worker),
        entry_(std::move(entry)),
        slot_(std::move(slot)),
        began_(steady_clock::now()) {
    record_.time = std::chrono::system_clock::now();
    record_.client = peer;
    record_.local = entry_->local;
    entry_->use->connections.add();
  }

  // A connection to the upstream; none where all attempts failed.
  asio::awaitable<std::optional<asio::ip::tcp::socket>> connect();

  void end(std::string_view how) {
    record_.end = how;
    record_.total = duration_cast<milliseconds>(steady_clock::now() - began_);
    worker_.log(record_);
  }

  void on_end(net::RelayEnd how, const net::RelayBytes& bytes) override {
    record_.to_upstream = bytes.to_upstream;
    record_.to_client = bytes.to_client;
    use_->to_upstream.add(bytes.to_upstream);
    use_->to_client.add(bytes.to_client);
    use_->closed.add();
    --use_->under_way;
    end(net::to_text(how));
  }

 private:
  milliseconds left() const {
    const auto used = duration_cast<milliseconds>(steady_clock::now() - began_);
    return std::max(worker_.config().connect - used, milliseconds(0));
  }
  asio::awaitable<net::ConnectOutcome> try_all(const std::vector<Choice>& choices);
  void count_failures(const std::vector<net::FailedAttempt>& failed);
  void count_failure(const Endpoint& endpoint);
  void count_silent(const std::vector<Choice>& choices, const net::ConnectOutcome& outcome);
  void take(const Endpoint& endpoint);

  Worker& worker_;
  std::shared_ptr<Entry> entry_;
  net::ConnectionSlot slot_;
  std::shared_ptr<AddressUse> use_;  // of the address connected to
  steady_clock::time_point began_;
  ConnectionRecord record_;
};

// `choices` is not empty. An attempt counts as a connection while it lasts, so that many clients at
// once do not all choose the same address.
asio::awaitable<net::ConnectOutcome> Session::try_all(const std::vector<Choice>& choices) {
  std::vector<Endpoint> endpoints;
  for (const auto& choice : choices) endpoints.push_back(choice.endpoint);
  net::ConnectOptions options{.deadline = left(), .attempt_delay = kAttemptDelay};
  std::vector<net::ConnectionSlot> extra;
  for (std::size_t i = 1; i < endpoints.size(); ++i) {
    auto slot = worker_.shared().extra_attempts.take();
    // Without descriptors for attempts side by side, one comes after the other.
    if (!slot) options.attempt_delay = options.deadline;
    if (!slot) break;
    extra.push_back(std::move(*slot));
  }
  const auto first = worker_.use_of(*entry_, endpoints.front().address);
  ++first->under_way;
  auto outcome = co_await net::connect(std::move(endpoints), options);
  --first->under_way;
  co_return outcome;
}

asio::awaitable<std::optional<asio::ip::tcp::socket>> Session::connect() {
  std::optional<asio::ip::tcp::socket> socket;
  asio::steady_timer pause(worker_.io());
  std::size_t attempts = worker_.config().retries + 1;
  while (attempts > 0 && left().count() > 0 && !worker_.is_aborted()) {
    const auto snapshot = entry_->snapshot;
    const auto target = entry_->target;
    const auto choices = worker_.choose(*entry_, attempts);
    if (choices.empty()) break;
    attempts -= choices.size();
    auto outcome = co_await try_all(choices);
    count_failures(outcome.failed);
    if (outcome.ok()) {
      count_silent(choices, outcome);
      const auto chosen = std::find_if(choices.begin(), choices.end(), [&](const Choice& choice) {
        return choice.endpoint == outcome.endpoint;
      });
      record_.host = to_name(snapshot->table->text.targets[target].hosts[chosen->host]);
      take(outcome.endpoint);
      socket = std::move(outcome.socket);
      break;
    }
    if (attempts == 0 || left() <= kSecondRound) break;
    pause.expires_after(kSecondRound);
    co_await pause.async_wait(asio::as_tuple(asio::use_awaitable));
  }
  co_return socket;
}

void Session::count_failures(const std::vector<net::FailedAttempt>& failed) {
  if (failed.empty()) return;
  record_.failed += (record_.failed.empty() ? "" : "; ") + net::to_text(failed);
  for (const auto& attempt : failed) {
    if (concerns_endpoint(attempt.error.value())) count_failure(attempt.endpoint);
  }
}

// Those that were tried before the one that answered, and did not answer.
void Session::count_silent(const std::vector<Choice>& choices, const net::ConnectOutcome& outcome) {
  for (const auto& choice : choices) {
    if (choice.endpoint == outcome.endpoint) break;
    const bool has_failed =
        std::any_of(outcome.failed.begin(), outcome.failed.end(),
                    [&](const auto& attempt) { return attempt.endpoint == choice.endpoint; });
    if (!has_failed) count_failure(choice.endpoint);
  }
}

void Session::count_failure(const Endpoint& endpoint) {
  worker_.health(*entry_).failed(endpoint, steady_clock::now());
  worker_.use_of(*entry_, endpoint.address)->failures.add();
}

void Session::take(const Endpoint& endpoint) {
  record_.upstream = endpoint;
  record_.connect = duration_cast<milliseconds>(steady_clock::now() - began_);
  worker_.health(*entry_).connected(endpoint);
  use_ = worker_.use_of(*entry_, endpoint.address);
  use_->connections.add();
  ++use_->under_way;
}

asio::awaitable<void> serve(Worker& worker, std::shared_ptr<Entry> entry, net::Accepted accepted) {
  // What is cancelled ends with a result of its own, not by an exception.
  co_await asio::this_coro::throw_if_cancelled(false);
  auto session = std::make_unique<Session>(worker, entry, accepted.peer, std::move(accepted.slot));
  auto upstream = co_await session->connect();
  if (!upstream) {
    entry->use->failures.add();
    session->end(worker.is_aborted()         ? "aborted"
                 : entry->pool().size() == 0 ? "not_resolved"
                                             : "no_connection");
    reset(accepted.socket);
    co_return;
  }
  worker.relays().start(
      {std::move(accepted.socket), std::move(*upstream), {}, {}, std::move(session)});
}

}  // namespace

void serve_tcp(Worker& worker, std::shared_ptr<Entry> entry, net::Accepted accepted) {
  // What it throws is memory that ran out: that connection ends, the others go on.
  auto connecting = std::make_unique<Connecting>();
  worker.add(*connecting);
  const auto slot = connecting->signal.slot();
  asio::co_spawn(worker.io(), serve(worker, std::move(entry), std::move(accepted)),
                 asio::bind_cancellation_slot(
                     slot, [connecting = std::move(connecting)](const std::exception_ptr&) {}));
}

}  // namespace egress::dns
