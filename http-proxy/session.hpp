// One client connection: reads its requests one after the other, asks the rules, passes what they
// allow to an upstream, and answers what they do not. A request for a tunnel ends the session,
// which hands both connections over. Owned by the coroutine that runs it; knows no other session.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "http-proxy/access_record.hpp"
#include "http-proxy/headers.hpp"
#include "http-proxy/message.hpp"
#include "http-proxy/session_io.hpp"
#include "http-proxy/tunnel.hpp"
#include "http-proxy/upstream_pool.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

class Exchange;

enum class ExchangeEnd : std::uint8_t {
  complete,        // the client's connection goes on
  complete_close,  // it is to be closed
  upgraded,
  failed,       // nothing went to the client: answer with the failure
  origin_gone,  // the same, and the origin sent nothing
  cut_short,    // within the response: the client must see the break
  client_gone,
};

class Session final : public Connection {
 public:
  // `worker` must outlive the session.
  Session(Worker& worker, Socket client, const Endpoint& peer);
  ~Session() override;

  // Serves until the connection ends or becomes a tunnel, which the caller then runs.
  awaitable<std::optional<TunnelStart>> run();

 private:
  friend class Exchange;
  using Clock = std::chrono::steady_clock;

  enum class After : std::uint8_t { keep_alive, close, tunnel };

  // What the worker, and the deadline, tell.
  void on_drain() override;
  void on_abort() override;

  awaitable<bool> receive_head();
  awaitable<bool> refuse_head(Failure failure);
  awaitable<After> serve();
  awaitable<std::optional<Failure>> judge(const Request& request);
  awaitable<Outcome<Upstream>> dial_upstream(std::uint16_t port);
  awaitable<After> forward(const Request& request);
  awaitable<After> after_exchange(Exchange& exchange, const Request& request, ExchangeEnd end);
  awaitable<After> open_tunnel(const Request& request);
  awaitable<After> answer_options(const Request& request);
  awaitable<After> refuse(Failure failure, const Request* request);
  awaitable<bool> write(std::string_view text);
  awaitable<void> linger();

  TunnelStart make_tunnel(Upstream upstream, std::string_view from_upstream);
  void begin_record();
  void finish_record();

  Worker& worker_;
  Socket client_;
  Exchange* exchange_ = nullptr;  // while one is under way
  Endpoint peer_;
  ReadBuffer in_;
  RequestParser parser_;
  std::string request_head_;              // to the upstream
  std::string out_;                       // to the client
  std::shared_ptr<const Policy> policy_;  // of this request: a reload takes the next one
  std::vector<IpAddress> admitted_;
  AccessRecord record_;
  Clock::time_point began_;
  std::optional<TunnelStart> tunnel_;
  bool has_head_ = false;  // parser_.head() is whole
  bool idle_ = false;      // between requests: may be closed without loss
  bool unread_ = false;    // the client may still be sending what nobody will read
  bool answered_ = false;  // at least one request was served
};

}  // namespace egress::http
