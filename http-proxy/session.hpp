// One client connection: reads its requests one after the other, evaluates the rules, passes what
// they allow to an upstream, and answers what they do not. A request for a tunnel ends the session,
// which hands both connections over. Owns sockets and deadlines; what is sent where is decided by
// Exchange. Knows no other session.
#pragma once

#include <boost/asio/cancellation_signal.hpp>
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

// Held by the coroutine that runs it, and by a wait for its client.
class Session final : public Connection, public std::enable_shared_from_this<Session> {
 public:
  // `worker` must outlive the session.
  Session(Worker& worker, Socket client, const Endpoint& peer);
  ~Session() override;

  // Serves until the connection ends or becomes a tunnel, which the caller then runs.
  awaitable<std::unique_ptr<TunnelStart>> run();
  // Instead of that: sends this response, which the client can read to its end.
  awaitable<void> turn_away(std::string_view response);
  // For the end of either.
  void close();

 private:
  using Clock = std::chrono::steady_clock;
  using Lane = Exchange::Lane;

  // Tells the session of the next tick of the wheel.
  class Watcher final : public net::Deadline {
   public:
    explicit Watcher(Session& session) : session_(session) {}

   private:
    void on_deadline() override { session_.on_tick(); }

    Session& session_;
  };

  enum class After : std::uint8_t { keep_alive, close, tunnel };

  void on_drain() override;
  void interrupt() override;

  awaitable<bool> receive_request();
  awaitable<error_code> read_client();
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
  std::unique_ptr<TunnelStart> make_tunnel(Upstream upstream, std::string_view from_upstream);

  // While nothing is read from the client: notices when it leaves. Where the wait may be over soon,
  // as for a response, later: most waits then cost no system call.
  void watch();
  void watch_later() { watcher_.arm(worker_.deadlines(), std::chrono::milliseconds(0)); }
  void unwatch();
  void on_tick();
  void watch_for_reset();
  void look_at_client();
  void leave();
  // Nobody is there to be answered.
  bool is_left() const { return client_left_ || is_aborted(); }

  void begin_record();
  void finish_record();

  Worker& worker_;
  Socket client_;
  Socket* upstream_ = nullptr;                  // while one is under way
  boost::asio::steady_timer* pause_ = nullptr;  // of break_off()
  boost::asio::cancellation_signal cancel_;     // of DNS and connect
  Endpoint peer_;
  std::unique_ptr<Workspace> work_;       // while there is a request, or a part of it
  std::shared_ptr<const Policy> policy_;  // of this request: a reload takes the next one
  std::vector<IpAddress> admitted_;
  std::optional<Upstream> bound_;  // authenticates this client, and serves no other
  AccessRecord record_;
  Clock::time_point began_;
  std::unique_ptr<TunnelStart> tunnel_;  // apart, for it is large and most sessions have none
  bool idle_ = false;                    // between requests: may be closed without loss
  bool unread_ = false;                  // the client may still be sending what nobody will read
  bool answered_ = false;                // at least one request was served
  Watcher watcher_{*this};
  bool is_reading_ = false;        // between requests, with a buffer: until the next tick
  bool watched_ = false;           // the client may leave meanwhile
  bool waits_for_client_ = false;  // a wait of watch() is under way
  bool waits_for_reset_ = false;
  bool client_left_ = false;
  bool client_finished_ = false;  // it closed its sending side, and waits for its answers
};

}  // namespace egress::http
