// An exchange by script: what each side sends, split at every position, and each step made to fail
// in turn.
#include "http-proxy/exchange.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace egress::http {
namespace {

using Lane = Exchange::Lane;
using Step = Exchange::Step;

// How a peer goes on after all its bytes: it closes, resets, or sends nothing more.
enum class Then { closes, resets, is_silent };

struct Peer {
  std::string sends;
  Then then = Then::is_silent;
  std::size_t piece = 1U << 20U;        // bytes of one read
  std::size_t takes = ~std::size_t{0};  // written bytes, before a write to it fails
};

struct Script {
  std::string request = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n";
  Peer client;  // what it sends behind the header section
  Peer origin;
  bool answers_at_once = false;  // else the origin waits for the end of the request
  Persistence keeps = Persistence::keep_alive;
};

struct Ended {
  ExchangeEnd end = ExchangeEnd::complete;
  std::string to_origin;
  std::string to_client;
  std::string unread;  // of the client: the next message
  Failure failure;
  unsigned status = 0;
  std::optional<ProxyError> error;
  bool keeps_client = false;
  bool reusable = false;
  bool bound = false;
  std::size_t steps = 0;
};

// The driver of a session, over strings: the request's lane as far as it goes, then the response's,
// in turn.
class Driver {
 public:
  explicit Driver(const Script& script)
      : script_(script), peers_{script.client, script.origin}, work_({}, Reading::repair) {
    REQUIRE(work_.request.parse(script.request) == Progress::complete);
    auto request = read_request(work_.request.head());
    REQUIRE(request.has_value());
    request_ = std::move(*request);
  }

  Ended run() {
    Exchange exchange(work_, request_,
                      {.rewrite = {"egress-1", {}, ForwardedFor::off},
                       .responses = Reading::repair,
                       .head_bytes = 4096,
                       .buffer_bytes = 1024,
                       .client = script_.keeps});
    while (!exchange.is_over()) {
      const bool request_moved = step(exchange, Lane::request);
      const bool answers = script_.answers_at_once || !request_moved;
      const bool response_moved = answers && step(exchange, Lane::response);
      // Nobody sends anything more: the deadline passes.
      if (!request_moved && !response_moved && !exchange.is_over()) exchange.expire();
      REQUIRE(++outcome_.steps < 100'000);
    }
    outcome_.end = exchange.end();
    outcome_.unread = std::string(view(work_.from_client)) + peers_[0].sends;
    outcome_.status = exchange.status();
    outcome_.error = exchange.error();
    outcome_.keeps_client = exchange.client_persistence() == Persistence::keep_alive;
    outcome_.reusable = exchange.is_origin_reusable();
    outcome_.bound = exchange.is_origin_bound();
    outcome_.failure = exchange.take_failure();
    return outcome_;
  }

 private:
  // False where the lane is done, or its source sends nothing more.
  bool step(Exchange& exchange, Lane lane) {
    switch (exchange.next(lane)) {
      case Step::done: return false;
      case Step::write: write(exchange, lane); return true;
      case Step::read: return read(exchange, lane);
    }
    return false;
  }

  void write(Exchange& exchange, Lane lane) {
    auto& peer = peers_[lane == Lane::request ? 1 : 0];
    auto& text = lane == Lane::request ? outcome_.to_origin : outcome_.to_client;
    auto& output = exchange.output(lane);
    REQUIRE_FALSE(output.empty());
    // One piece at a time, as a socket that is nearly full takes them.
    const auto& piece = *output.data();
    const auto size = std::min(piece.iov_len, peer.takes);
    text.append(static_cast<const char*>(piece.iov_base), size);
    peer.takes -= size;
    output.consume(size);
    if (size == 0) exchange.sink_failed(lane);
  }

  bool read(Exchange& exchange, Lane lane) {
    auto& peer = peers_[lane == Lane::request ? 0 : 1];
    const auto room = exchange.room(lane);
    REQUIRE(room > 0);
    const auto size = std::min({peer.sends.size(), peer.piece, room});
    if (size > 0) {
      auto& input = exchange.input(lane);
      peer.sends.copy(static_cast<char*>(input.prepare(room).data()), size);
      input.commit(size);
      peer.sends.erase(0, size);
      return true;
    }
    switch (peer.then) {
      case Then::closes: exchange.source_ended(lane); return true;
      case Then::resets: exchange.source_failed(lane); return true;
      case Then::is_silent: return false;
    }
    return false;
  }

  const Script& script_;
  Peer peers_[2];
  Workspace work_;
  Request request_;
  Ended outcome_;
};

Ended run(const Script& script) { return Driver(script).run(); }

Script answered(const std::string& response, Then then = Then::is_silent) {
  Script script;
  script.origin.sends = response;
  script.origin.then = then;
  return script;
}

const std::string kPost =
    "POST http://a.test/ HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\n";
const std::string kSized = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const std::string kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n";

std::size_t head_size(const std::string& message) { return message.find("\r\n\r\n") + 4; }

std::string body_of(const std::string& message) {
  return message.empty() ? std::string{} : message.substr(head_size(message));
}

TEST_CASE("an exchange moves both messages, however they are split") {
  const std::string interim = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n";
  for (const auto& response : {kSized, kChunked, interim + kSized}) {
    auto script = answered(response);
    script.request = kPost;
    script.client.sends = "3\r\nabc\r\n4;x=y\r\ndefg\r\n0\r\nX-Trail: 1\r\n\r\nGET /next";
    const auto whole = run(script);
    REQUIRE(whole.end == ExchangeEnd::complete);
    CHECK(whole.keeps_client);
    CHECK(whole.reusable);
    CHECK(whole.status == 200);
    CHECK(whole.unread == "GET /next");
    CHECK(body_of(whole.to_origin) == "7\r\nabcdefg\r\n0\r\nX-Trail: 1\r\n\r\n");
    for (std::size_t piece = 1; piece < 80; ++piece) {
      script.client.piece = script.origin.piece = piece;
      const auto split = run(script);
      INFO("pieces of " << piece);
      CHECK(split.end == ExchangeEnd::complete);
      CHECK(split.status == 200);
      CHECK(split.unread == "GET /next");
      CHECK_THAT(split.to_origin, Catch::EndsWith("0\r\nX-Trail: 1\r\n\r\n"));
      if (response != kChunked) CHECK(split.to_client == whole.to_client);
    }
  }
}

TEST_CASE(
    "an origin that ends at each byte: a failure before the header section, the break after it") {
  for (const auto& response : {kSized, kChunked}) {
    for (std::size_t size = 0; size < response.size(); ++size) {
      for (const auto then : {Then::closes, Then::resets, Then::is_silent}) {
        INFO(response.substr(0, size) << " then " << static_cast<int>(then));
        const auto outcome = run(answered(response.substr(0, size), then));
        CHECK_FALSE(outcome.reusable);
        if (size < head_size(response)) {
          CHECK(outcome.to_client.empty());
          CHECK(outcome.status == 0);
          const bool untouched = size == 0 && then != Then::is_silent;
          CHECK(outcome.end == (untouched ? ExchangeEnd::origin_gone : ExchangeEnd::failed));
          CHECK(outcome.failure.status == (then == Then::is_silent ? 504 : 502));
        } else {
          CHECK(outcome.end == ExchangeEnd::cut_short);
          CHECK(outcome.error == (then == Then::is_silent ? ProxyError::connection_read_timeout
                                                          : ProxyError::http_response_incomplete));
          const std::string body = response.substr(head_size(response), size);
          if (response == kSized)
            CHECK(body_of(outcome.to_client) == body.substr(0, size - head_size(response)));
        }
      }
    }
  }
}

TEST_CASE("a client that takes no more at each byte ends the exchange") {
  const auto whole = run(answered(kChunked));
  for (std::size_t takes = 0; takes < whole.to_client.size(); ++takes) {
    auto script = answered(kChunked);
    script.client.takes = takes;
    const auto outcome = run(script);
    CHECK(outcome.end == ExchangeEnd::client_gone);
    CHECK(outcome.to_client == whole.to_client.substr(0, takes));
    CHECK_FALSE(outcome.reusable);
  }
}

TEST_CASE("a client that ends at each byte of its body is never answered as if it were whole") {
  const std::string body = "5\r\nhello\r\n0\r\n\r\n";
  for (std::size_t size = 0; size < body.size(); ++size) {
    for (const auto then : {Then::closes, Then::resets, Then::is_silent}) {
      Script script;
      script.request = kPost;
      script.client.sends = body.substr(0, size);
      script.client.then = then;
      const auto outcome = run(script);
      CHECK_THAT(outcome.to_origin, !Catch::Contains("\r\n0\r\n"));
      CHECK_FALSE(outcome.reusable);
      if (then == Then::is_silent) {
        CHECK(outcome.end == ExchangeEnd::failed);
        CHECK(outcome.failure.status == 408);
      } else {
        CHECK(outcome.end == ExchangeEnd::client_gone);
      }
    }
  }
}

TEST_CASE("an origin that takes no more at each byte may have answered") {
  for (std::size_t takes = 0; takes < 60; ++takes) {
    auto script = answered(kSized);
    script.request = kPost;
    script.client.sends = "5\r\nhello\r\n0\r\n\r\n";
    script.origin.takes = takes;
    const auto outcome = run(script);
    CHECK(outcome.end == ExchangeEnd::complete);
    CHECK(body_of(outcome.to_client) == "hello");
    CHECK_FALSE(outcome.keeps_client);
    CHECK_FALSE(outcome.reusable);
  }
}

TEST_CASE(
    "an answer before the end of the request's body ends the exchange, and both connections") {
  auto script = answered("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
  script.answers_at_once = true;
  script.request = kPost;
  script.client.sends = "5\r\nhello\r\n";
  const auto outcome = run(script);
  CHECK(outcome.end == ExchangeEnd::complete);
  CHECK(outcome.status == 413);
  CHECK_FALSE(outcome.keeps_client);
  CHECK_FALSE(outcome.reusable);
  CHECK_THAT(outcome.to_client, Catch::Contains("Connection: close\r\n"));
}

TEST_CASE("a framing error that arrives with the header section is a 502") {
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  for (const std::string body :
       {"zz\r\nhello\r\n0\r\n\r\n", "5\r\nhelloXX\r\n0\r\n\r\n", "5\nhello"}) {
    const auto outcome = run(answered(head + body));
    CHECK(outcome.end == ExchangeEnd::failed);
    CHECK(outcome.failure.status == 502);
    CHECK(outcome.failure.error == ProxyError::http_protocol_error);
    CHECK(outcome.status == 0);
    CHECK(outcome.to_client.empty());
  }
}

TEST_CASE("data before a framing error is passed on, and then the break") {
  auto script = answered("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX");
  script.origin.piece = head_size(script.origin.sends);
  const auto outcome = run(script);
  CHECK(outcome.end == ExchangeEnd::cut_short);
  CHECK(outcome.error == ProxyError::http_protocol_error);
  CHECK(body_of(outcome.to_client) == "5\r\nhello\r\n");
}

TEST_CASE("a malformed body of a request is a 400, unless the response has begun") {
  Script script;
  script.request = kPost;
  script.client.sends = "5\r\nhello\r\nzz\r\n";
  script.client.piece = 10;
  const auto outcome = run(script);
  CHECK(outcome.end == ExchangeEnd::failed);
  CHECK(outcome.failure.status == 400);
  CHECK_FALSE(outcome.reusable);

  script.origin.sends = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe";
  script.answers_at_once = true;
  CHECK(run(script).end == ExchangeEnd::cut_short);
}

TEST_CASE("a body to the end of the connection") {
  const std::string response = "HTTP/1.1 200 OK\r\n\r\nhello";
  const auto closed = run(answered(response, Then::closes));
  CHECK(closed.end == ExchangeEnd::complete);
  CHECK(body_of(closed.to_client) == "5\r\nhello\r\n0\r\n\r\n");
  CHECK(closed.keeps_client);
  CHECK_FALSE(closed.reusable);
  const auto reset = run(answered(response, Then::resets));
  CHECK(reset.end == ExchangeEnd::cut_short);
  CHECK(body_of(reset.to_client) == "5\r\nhello\r\n");
}

TEST_CASE("what an origin may not send") {
  const auto failed = [](const std::string& response) {
    const auto outcome = run(answered(response));
    CHECK(outcome.end == ExchangeEnd::failed);
    CHECK(outcome.to_client.empty());
    return outcome.failure.status;
  };
  CHECK(failed("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n") ==
        502);
  CHECK(failed("SSH-2.0-OpenSSH\r\n") == 502);
  std::string endless;
  for (int i = 0; i < 17; ++i) endless += "HTTP/1.1 102 Processing\r\n\r\n";
  auto script = answered(endless + kSized);
  const auto outcome = run(script);
  CHECK(outcome.failure.status == 502);
  CHECK(outcome.end == ExchangeEnd::failed);
  // Interim responses went to the client: what the origin did cannot be repeated unseen.
  CHECK(run(answered("HTTP/1.1 102 Processing\r\n\r\n", Then::closes)).end == ExchangeEnd::failed);
}

TEST_CASE("surplus behind a response ends the connection to the origin") {
  const auto outcome = run(answered(kSized + "HTTP/1.1 200 OK\r\n\r\n"));
  CHECK(outcome.end == ExchangeEnd::complete);
  CHECK(body_of(outcome.to_client) == "hello");
  CHECK_FALSE(outcome.reusable);
  CHECK(outcome.keeps_client);
}

TEST_CASE("connections that authenticate a client are bound to it") {
  const std::string kGet = "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n";
  const auto challenge = [](const std::string& fields,
                            const std::string& status = "401 Unauthorized") {
    return run(answered("HTTP/1.1 " + status + "\r\n" + fields + "Content-Length: 0\r\n\r\n"));
  };
  CHECK(challenge("WWW-Authenticate: NTLM\r\n").bound);
  CHECK(challenge("WWW-Authenticate: Basic realm=\"a\", negotiate abc=\r\n").bound);
  CHECK(challenge("WWW-Authenticate: Basic realm=\"a\"\r\nWWW-Authenticate: NTLM\r\n").bound);
  CHECK(challenge("Proxy-Authenticate: NTLM\r\n", "407 Proxy Authentication Required").bound);
  CHECK_FALSE(challenge("WWW-Authenticate: Basic realm=\"NTLM\"\r\n").bound);
  CHECK_FALSE(challenge("WWW-Authenticate: NTLM\r\n", "200 OK").bound);
  CHECK_THAT(challenge("WWW-Authenticate: NTLM\r\n").to_client,
             Catch::Contains("Proxy-Support: Session-Based-Authentication\r\n"));

  auto script = answered(kSized);
  for (const std::string scheme : {"NTLM TlRM", "Negotiate YII=", "negotiate YII="}) {
    script.request = kGet + "Authorization: " + scheme + "\r\n\r\n";
    CHECK(run(script).bound);
  }
  script.request = kGet + "Authorization: Bearer NTLM\r\n\r\n";
  CHECK_FALSE(run(script).bound);
}

TEST_CASE("a workspace serves one exchange after another") {
  Workspace work({}, Reading::repair);
  for (int i = 0; i < 3; ++i) {
    REQUIRE(work.request.parse("GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n") ==
            Progress::complete);
    const auto request = read_request(work.request.head());
    REQUIRE(request.has_value());
    Exchange exchange(work, *request, {.buffer_bytes = 1024});
    REQUIRE(exchange.next(Lane::request) == Step::write);
    exchange.output(Lane::request).consume(exchange.output(Lane::request).size());
    CHECK(exchange.next(Lane::request) == Step::done);
    REQUIRE(exchange.next(Lane::response) == Step::read);
    exchange.leave_client();
    CHECK(exchange.next(Lane::response) == Step::done);
    exchange.expire();
    CHECK(exchange.end() == ExchangeEnd::client_gone);
    work.reset();
    CHECK(work.request.head().target.empty());
    CHECK(work.to_origin.empty());
  }
}

}  // namespace
}  // namespace egress::http
