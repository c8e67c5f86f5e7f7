// One client connection: reads its requests one after the other, evaluates the
// rules, passes what they allow to an upstream, and answers what they do not. A
// request for a tunnel ends the session, which hands both connections over.
// Owns sockets and deadlines; what is sent where is decided by Exchange. Knows
// no other session.
#pragma once

#include <array>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http-proxy/access_record.hpp"
#include "http-proxy/exchange.hpp"
#include "http-proxy/session_io.hpp"
#include "http-proxy/tunnel.hpp"
#include "http-proxy/upstream_pool.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

// Held by the coroutine that runs it, and by a read of its client.
class Session final : public Connection, public std::enable_shared_from_this<Session> {
 public:
  // `worker` must outlive the session.
  Session(Worker& worker, Socket client, const Endpoint& peer);
  ~Session() override;

  // Serves until the connection ends or becomes a tunnel, which the caller then
  // runs.
  awaitable<std::optional<TunnelStart>> run();
  // Instead of that: sends this response, which the client can read to its end.
  awaitable<void> turn_away(std::string_view response);
  // For the end of either.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  using Lane = Exchange::Lane;
  using ReadHandler =
      boost::asio::async_result<boost::asio::use_awaitable_t<>, void()>::handler_type;

  // Most header sections fit; a browser's may take a second read.
  static constexpr std::size_t kEarlyBytes = 1024;

  enum class After : std::uint8_t { keep_alive, close, tunnel };

  void on_drain() override;
  void interrupt() override;

  awaitable<bool> receive_request();
  awaitable<bool> refuse_head(Failure failure);
  awaitable<After> serve();
  awaitable<std::optional<Failure>> judge(const Request& request);
  awaitable<Outcome<Upstream>> dial_upstream(std::uint16_t port);
  template <class T>
  awaitable<T> interruptible(awaitable<T> work);
  awaitable<After> answer_options(const Request& request);
  awaitable<After> refuse(Failure failure, const Request* request);
  awaitable<bool> write(std::string_view text);
  awaitable<error_code> wait(Socket& socket, Socket::wait_type what);
  awaitable<void> linger();

  // In session_forward.cpp.
  awaitable<After> forward(const Request& request);
  awaitable<void> run_exchange(Exchange& exchange, const Request& request, Socket& upstream);
  awaitable<void> send_request(Exchange& exchange, Socket& upstream);
  awaitable<void> receive_response(Exchange& exchange, Socket& upstream);
  awaitable<void> pump(Exchange& exchange, Lane lane, Socket& upstream);
  awaitable<After> after_exchange(Exchange& exchange, const Request& request, Upstream upstream);
  awaitable<After> open_tunnel(const Request& request);
  awaitable<void> break_off(bool by_reset);
  std::optional<Upstream> take_upstream(const std::string& authority, bool repeatable);
  void keep_upstream(const Exchange& exchange, Upstream upstream);
  awaitable<void> hand_over(Upstream upstream, std::string_view from_upstream);

  // In session_read.cpp: one small read of the client, which stays under way
  // while the client is idle and while the proxy waits for others. So an idle
  // client holds no buffer, and a client that leaves is noticed.
  void start_read();
  void on_read(error_code error, std::size_t count);
  bool has_read() const { return early_size_ > 0 || early_error_; }
  awaitable<void> finish_read();
  // For what was read so, where has_read(), and what else is there; up to
  // `room` bytes.
  error_code take_read(ReadBuffer& buffer, std::size_t room);
  awaitable<void> stop_read();
  // While the client is not read from: leave() where it has left.
  void watch();
  void watch_for_reset();
  void look_at_client();
  void leave();
  // Nobody is there to be answered.
  bool is_left() const { return client_left_ || is_aborted(); }

  void begin_record();
  void finish_record();

  Worker& worker_;
  Socket client_;
  Socket* upstream_ = nullptr;               // while one is under way
  boost::asio::cancellation_signal cancel_;  // of DNS and connect
  Endpoint peer_;
  std::unique_ptr<Workspace> work_;       // while there is a request, or a part of it
  std::shared_ptr<const Policy> policy_;  // of this request: a reload takes the next one
  std::vector<IpAddress> admitted_;
  std::optional<Upstream> bound_;        // authenticates this client, and serves no other
  std::array<char, kEarlyBytes> early_;  // what start_read() read
  std::size_t early_size_ = 0;
  error_code early_error_;
  std::optional<ReadHandler> reader_;  // waits for the end of that read
  AccessRecord record_;
  Clock::time_point began_;
  std::optional<TunnelStart> tunnel_;
  bool idle_ = false;      // between requests: may be closed without loss
  bool unread_ = false;    // the client may still be sending what nobody will read
  bool answered_ = false;  // at least one request was served
  bool watched_ = false;   // the client may leave meanwhile
  bool reads_ = false;     // the read of start_read() is under way
  bool waits_for_reset_ = false;
  bool client_left_ = false;
};

}  // namespace egress::http
