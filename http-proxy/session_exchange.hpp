// One request on one upstream connection, up to the end of its response: sends the rewritten head
// and the body, passes interim responses and the final one on, and tells how it ended. The upstream
// goes back to the pool only after an exchange that both sides agree is over.
#pragma once

#include <optional>
#include <string>

#include "http-proxy/session.hpp"
#include "http-proxy/session_body.hpp"

namespace egress::http {

class Exchange {
 public:
  // Both must outlive the exchange.
  Exchange(Session& session, const Request& request, Upstream upstream);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  awaitable<ExchangeEnd> run();
  // Whatever waits ends with an error.
  void cancel();

  Failure take_failure() { return std::move(failure_); }      // of origin_gone and failed
  Upstream take_upstream() { return std::move(upstream_); }   // of upgraded
  std::string_view unread() const { return buffer_.view(); }  // what came behind a 101

 private:
  awaitable<void> send_request(BodyRelay& body);
  awaitable<void> receive_and_stop(BodyRelay& body);
  awaitable<ExchangeEnd> receive_response();
  awaitable<std::optional<ExchangeEnd>> receive_head();
  awaitable<ExchangeEnd> pass_response();
  awaitable<ExchangeEnd> pass_upgrade();
  awaitable<bool> pass_interim();

  ExchangeEnd fail(Failure failure);
  ExchangeEnd break_protocol(std::string sentence);
  ExchangeEnd lost(error_code error);
  ExchangeEnd end_of(const BodyResult& result);
  ExchangeEnd complete();
  bool is_request_sent() const { return !request_body_ || request_body_->is_complete(); }
  void append_head(std::string& out);

  Session& session_;
  const Request& request_;
  Upstream upstream_;
  ReadBuffer buffer_;  // from the upstream
  ResponseParser parser_;
  Response response_;                  // that parser_ read last
  BodyRelay* request_body_ = nullptr;  // while it is sent beside the response
  ExchangeEnd end_ = ExchangeEnd::failed;
  Failure failure_;
  Persistence client_persistence_ = Persistence::close;
  bool client_stalled_ = false;  // it was the client that did not send in time
};

}  // namespace egress::http
