// One request and its response, between a client and an origin, without I/O: bytes and ends of
// connections go in, the next action of each lane comes out. Decides what each side is sent, how
// the exchange ends, and what may become of both connections afterwards. The caller owns sockets
// and deadlines; the two lanes may run one after the other or side by side.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "http-proxy/body_mover.hpp"
#include "http-proxy/headers.hpp"

namespace egress::http {

// What a request under way needs of memory; used again for the next one, of whichever client.
struct Workspace {
  Workspace(const HeadLimits& limits, Reading responses)
      : request(limits), response(limits, responses) {}

  // Forgets the messages, and keeps their memory as far as it is small.
  void reset();

  ReadBuffer from_client;
  ReadBuffer from_origin;
  RequestParser request;
  ResponseParser response;
  std::string to_origin;  // rewritten header sections
  std::string to_client;
};

enum class ExchangeEnd : std::uint8_t {
  complete,     // the response was passed on whole
  upgraded,     // a 101 was passed on: both connections are a tunnel now
  failed,       // no response was passed on: answer with failure()
  origin_gone,  // the same, and the origin sent not a byte: may be repeated (RFC 9112 §9.3.1)
  cut_short,    // all that arrived of a response was passed on: the client must see the break
  client_gone,  // nobody to answer
};

struct ExchangeOptions {
  RequestRewrite rewrite{};
  Reading responses = Reading::repair;
  std::size_t head_bytes = 0;                    // maximum of a response's header section
  std::size_t buffer_bytes = 0;                  // read at once of a body
  Persistence client = Persistence::keep_alive;  // close: whatever the request says
};

class Exchange {
 public:
  enum class Lane : std::uint8_t { request, response };

  enum class Step : std::uint8_t {
    write,  // output(lane) to the lane's sink, until it is empty, or sink_failed(lane)
    read,   // up to room(lane) bytes to input(lane), or source_ended(lane) or source_failed(lane)
    done,   // nothing more in this lane
  };

  // `work` holds the request's header section, and what was read of its body; it and `request` must
  // outlive this object.
  Exchange(Workspace& work, const Request& request, const ExchangeOptions& options);
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  Step next(Lane lane);
  Gather& output(Lane lane) { return lane == Lane::request ? request_body_.pieces() : *output_; }
  ReadBuffer& input(Lane lane) {
    return lane == Lane::request ? work_.from_client : work_.from_origin;
  }
  std::size_t room(Lane lane) const;

  void source_ended(Lane lane);   // closed in order
  void source_failed(Lane lane);  // reset
  void sink_failed(Lane lane);
  void expire();        // the deadline passed; nothing after that changes the end
  void leave_client();  // the client has gone

  // The deadline is to begin anew: a message moved on since this was last called.
  bool take_progress() { return std::exchange(progress_, false); }
  bool is_over() const { return end_.has_value(); }
  // The rest is for an exchange that is over.
  ExchangeEnd end() const { return *end_; }
  Failure take_failure() { return std::move(failure_); }
  std::optional<ProxyError> error() const { return error_; }  // of cut_short
  Persistence client_persistence() const { return client_; }
  // The connection to the origin may serve another request.
  bool is_origin_reusable() const { return reusable_; }
  // It authenticates the client: no other client may use it (RFC 4559 §6, MS-NTHT §1.6).
  bool is_origin_bound() const { return bound_; }
  // The end of its connection does not end the response: a cut must be shown by a reset.
  bool is_cut_hidden() const { return to_.kind == BodyKind::until_close; }

  bool is_request_sent() const { return request_body_.is_complete(); }
  std::uint64_t body_bytes() const { return request_body_.consumed(); }  // from the client
  unsigned status() const { return status_; }  // of the final response, 0 before it is written

 private:
  enum class Phase : std::uint8_t { head, interim, upgrade, body };

  Step next_of_request();
  Step next_of_response();
  void begin_response();
  void begin_interim();
  void begin_upgrade();
  void begin_final();
  void write_head();
  Step finish();

  Step end(ExchangeEnd end);
  Step fail(Failure failure);
  Step break_protocol(std::string sentence);
  Step cut_short(ProxyError error);
  Step lose_origin();
  bool has_response() const { return phase_ == Phase::body; }

  Workspace& work_;
  const Request& request_;
  const ExchangeOptions options_;
  BodyMover request_body_;
  std::optional<BodyMover> response_body_;
  Gather head_pieces_;  // of an interim response or a 101
  Gather* output_ = &head_pieces_;
  Response response_;  // that was read last
  Body to_;            // its body, as the client is sent it
  Phase phase_ = Phase::head;
  std::optional<ExchangeEnd> end_;
  Failure failure_;
  std::optional<ProxyError> error_;
  Persistence client_ = Persistence::close;
  unsigned status_ = 0;
  unsigned interims_ = 0;
  bool origin_takes_ = true;
  bool client_is_slow_ = false;  // the request's lane waits for its source
  bool progress_ = true;
  bool reusable_ = false;
  bool bound_ = false;
};

}  // namespace egress::http
