// What is read out of a request's head, and the heads that go on.
#include "http-proxy/headers.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/support/http_heads.hpp"

namespace egress::http {
namespace {

using test::request_head;
using test::response_head;

const std::string kGet = "GET http://good.test/ HTTP/1.1\r\nHost: good.test\r\n";

struct Refused {
  unsigned status = 0;
  std::string text;
};

Refused refused(const std::string& text) {
  const auto parsed = request_head(text + "\r\n");
  const auto request = read_request(parsed.head);
  if (request) return {};
  return {request.error().status, request.error().text};
}

std::string forwarded(const std::string& text, ForwardedFor forwarded_for = ForwardedFor::off) {
  const auto parsed = request_head(text + "\r\n");
  const auto request = read_request(parsed.head);
  if (!request) return std::to_string(request.error().status) + " " + request.error().text;
  std::string out;
  append_request_head(parsed.head, *request, {"egress-1", "10.128.0.7", forwarded_for}, out);
  return out;
}

TEST_CASE("a plain request goes on in origin-form, with Host from the target, and Via") {
  CHECK(forwarded(
            "GET http://Good.Test:8080/a?b HTTP/1.1\r\nHost: good.test:8080\r\nUser-Agent: curl\r\n"
            "Accept: */*\r\nProxy-Connection: Keep-Alive\r\n") ==
        "GET /a?b HTTP/1.1\r\nHost: good.test:8080\r\nUser-Agent: curl\r\nAccept: */*\r\nVia: 1.1 "
        "egress-1\r\n\r\n");
  CHECK(forwarded("GET http://good.test HTTP/1.0\r\n") ==
        "GET / HTTP/1.1\r\nHost: good.test\r\nVia: 1.0 egress-1\r\n\r\n");
  CHECK(
      forwarded("POST http://[2001:db8::1]?q HTTP/1.1\r\nHost: x\r\nContent-Length: 05\r\n") ==
      "POST /?q HTTP/1.1\r\nHost: [2001:db8::1]\r\nContent-Length: 5\r\nVia: 1.1 egress-1\r\n\r\n");
  CHECK(forwarded("POST http://good.test/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                  "CHUNKED\r\nTrailer: A\r\n") ==
        "POST / HTTP/1.1\r\nHost: good.test\r\nTrailer: A\r\nTransfer-Encoding: chunked\r\nVia: "
        "1.1 egress-1\r\n\r\n");
}

TEST_CASE("the Host field never decides") {
  CHECK_THAT(forwarded("GET http://good.test/ HTTP/1.1\r\nHost: bad.test\r\n"),
             Catch::Contains("Host: good.test\r\n") && !Catch::Contains("bad.test"));
}

TEST_CASE("Host: one, and well-formed") {
  const std::string line = "GET http://good.test/ HTTP/1.1\r\n";
  CHECK(refused(line).status == 400);
  CHECK(refused(line + "Host: a.test\r\nHost: a.test\r\n").status == 400);
  CHECK(refused(line + "Host: a.test, b.test\r\n").status == 400);
  CHECK(refused(line + "Host: a.test/\r\n").status == 400);
  CHECK(refused(line + "Host: u@a.test\r\n").status == 400);
  CHECK(refused(line + "Host: a.test:99999\r\n").status == 400);
  CHECK(refused(line + "Host:\r\n").status == 0);
  CHECK(refused(line + "Host: a.test:\r\n").status == 0);
  CHECK(refused("GET http://good.test/ HTTP/1.0\r\n").status == 0);
  CHECK(refused("GET http://good.test/ HTTP/1.0\r\nHost: a\r\nHost: b\r\n").status == 400);
}

TEST_CASE("hop-by-hop fields stay here") {
  CHECK(forwarded(
            kGet +
            "Connection: close, X-Mine\r\nx-mine: 1\r\nProxy-Connection: "
            "close\r\nProxy-Authorization: Basic "
            "c2VjcmV0\r\nProxy-Foo: 1\r\nProxy: evil\r\nKeep-Alive: 5\r\nTE: trailers\r\nUpgrade: "
            "websocket\r\nHTTP2-Settings: x\r\nTrailer: A\r\nProxy-Status: x\r\nX-Forwarded-For: "
            "10.0.0.9\r\n"
            "Forwarded: for=10.0.0.9\r\nCookie: a=b\r\n") ==
        "GET / HTTP/1.1\r\nHost: good.test\r\nCookie: a=b\r\nVia: 1.1 egress-1\r\n\r\n");
}

TEST_CASE("Connection cannot take away what frames or routes") {
  CHECK(forwarded("POST http://good.test/ HTTP/1.1\r\nHost: good.test\r\nVia: 1.0 "
                  "before\r\nConnection: close, Host, "
                  "Content-Length, Via, Expect\r\nContent-Length: 5\r\nExpect: 100-continue\r\n") ==
        "POST / HTTP/1.1\r\nHost: good.test\r\nVia: 1.0 before\r\nExpect: "
        "100-continue\r\nContent-Length: 5\r\nVia: "
        "1.1 egress-1\r\n\r\n");
  CHECK_THAT(forwarded("POST http://good.test/ HTTP/1.1\r\nHost: good.test\r\nConnection: "
                       "Transfer-Encoding\r\nTransfer-Encoding: chunked\r\n"),
             Catch::Contains("Transfer-Encoding: chunked\r\n"));
}

TEST_CASE("odd Connection fields") {
  for (const std::string value :
       {",", ",,", "", "connection", "connection, connection", " , close ,", "a,"}) {
    INFO(value);
    CHECK(forwarded(kGet + "Connection: " + value + "\r\nB: c\r\n") ==
          "GET / HTTP/1.1\r\nHost: good.test\r\nB: c\r\nVia: 1.1 egress-1\r\n\r\n");
  }
  std::string many = "Connection: a";
  for (int i = 0; i < 40; ++i) many += ", a";
  CHECK(refused(kGet + many + "\r\n").text == "Connection lists more than 32 fields.");
}

TEST_CASE("whether the client's connection is kept") {
  const auto keeps = [](const std::string& text) {
    const auto parsed = request_head(text + "\r\n");
    return read_request(parsed.head).value().persistence == Persistence::keep_alive;
  };
  CHECK(keeps(kGet));
  CHECK_FALSE(keeps(kGet + "Connection: Close\r\n"));
  CHECK_FALSE(keeps(kGet + "Connection: keep-alive, close\r\n"));
  CHECK_FALSE(keeps(kGet + "Proxy-Connection: close\r\n"));
  CHECK_FALSE(keeps("GET http://a.test/ HTTP/1.0\r\n"));
  CHECK(keeps("GET http://a.test/ HTTP/1.0\r\nConnection: keep-alive\r\n"));
  CHECK(keeps("GET http://a.test/ HTTP/1.0\r\nProxy-Connection: Keep-Alive\r\n"));
}

TEST_CASE("X-Forwarded-For only when asked for") {
  CHECK_THAT(forwarded(kGet + "X-Forwarded-For: 10.0.0.9\r\n", ForwardedFor::append),
             Catch::Contains("X-Forwarded-For: 10.0.0.9\r\nX-Forwarded-For: 10.128.0.7\r\n"));
}

TEST_CASE("Upgrade goes on for protocols that are tunnels, asked for in the right way") {
  const std::string connection = "Connection: keep-alive, Upgrade\r\n";
  CHECK(
      forwarded(kGet + connection + "Upgrade: websocket\r\n") ==
      "GET / HTTP/1.1\r\nHost: good.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nVia: 1.1 "
      "egress-1\r\n\r\n");
  CHECK_THAT(forwarded(kGet + connection + "Upgrade: SPDY/3.1\r\n"),
             Catch::Contains("Upgrade: SPDY/3.1\r\n"));
  for (const auto& fields :
       {connection + "Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n",
        connection + "Upgrade: H2C\r\n", connection + "Upgrade: HTTP/2.0\r\n",
        connection + "Upgrade: TLS/1.2\r\n", connection + "Upgrade: websocket, h2c\r\n",
        connection + "Upgrade: websocket\r\nUpgrade: h2c\r\n", connection + "Upgrade: a/b/c\r\n",
        std::string("Upgrade: websocket\r\n"), connection}) {
    INFO(fields);
    CHECK(forwarded(kGet + fields) ==
          "GET / HTTP/1.1\r\nHost: good.test\r\nVia: 1.1 egress-1\r\n\r\n");
  }
  CHECK_THAT(forwarded("POST http://a.test/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n" +
                       connection + "Upgrade: websocket\r\n"),
             !Catch::Contains("Upgrade"));
  CHECK_THAT(forwarded("GET http://a.test/ HTTP/1.0\r\n" + connection + "Upgrade: websocket\r\n"),
             !Catch::Contains("Upgrade"));
}

TEST_CASE("Expect, TRACE, OPTIONS") {
  CHECK(refused(kGet + "Expect: 200-ok\r\n").status == 417);
  CHECK(refused(kGet + "Expect: 100-continue, x\r\n").status == 417);
  CHECK(refused(kGet + "Expect: 100-Continue\r\n").status == 0);
  CHECK_THAT(forwarded("GET http://a.test/ HTTP/1.0\r\nExpect: 100-continue\r\n"),
             !Catch::Contains("Expect"));
  CHECK(refused("TRACE http://a.test/ HTTP/1.1\r\nHost: a\r\n").status == 405);
  CHECK(refused("OPTIONS http://a.test/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: x\r\n").status == 400);
  CHECK(refused("OPTIONS http://a.test/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 99999999999\r\n")
            .status == 400);
  CHECK(forwarded("OPTIONS http://a.test HTTP/1.1\r\nHost: a\r\nMax-Forwards: 7\r\n") ==
        "OPTIONS * HTTP/1.1\r\nHost: a.test\r\nMax-Forwards: 6\r\nVia: 1.1 egress-1\r\n\r\n");
  const auto here =
      request_head("OPTIONS http://a.test/ HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n");
  CHECK(is_answered_here(read_request(here.head).value()));
  const auto there = request_head("OPTIONS http://a.test/ HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK_FALSE(is_answered_here(read_request(there.head).value()));
  std::string out;
  append_options_response(Persistence::close, out);
  CHECK(out ==
        "HTTP/1.1 204 No Content\r\nAllow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, "
        "PUT\r\nConnection: close\r\n\r\n");
}

TEST_CASE("loops are seen in Via") {
  const auto passed = [](const std::string& fields) {
    const auto parsed = request_head(kGet + fields + "\r\n");
    return has_passed(parsed.head, "egress-1");
  };
  CHECK(passed("Via: 1.1 egress-1\r\n"));
  CHECK(passed("Via: 1.0 other, HTTP/1.1  Egress-1 (a comment)\r\n"));
  CHECK(passed("Via: 1.0 other\r\nVia: 1.1 egress-1\r\n"));
  CHECK_FALSE(passed(""));
  CHECK_FALSE(passed("Via: 1.1 egress-10, 1.1 x (egress-1), egress-1, ,\r\n"));
}

std::string passed_on(const std::string& text, ResponseRewrite rewrite,
                      Method request = Method::get) {
  const auto parsed = response_head(text + "\r\n");
  rewrite.pseudonym = "egress-1";
  std::string out;
  append_response_head(parsed.head, read_response(parsed.head, request, Reading::repair).value(),
                       rewrite, out);
  return out;
}

TEST_CASE("responses go on") {
  ResponseRewrite rewrite;
  CHECK(passed_on("HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 5\r\nConnection: keep-alive, "
                  "X-Hop\r\nX-Hop: "
                  "1\r\nKeep-Alive: timeout=5\r\nProxy-Authenticate: Basic\r\nProxy-Status: "
                  "origin\r\nUpgrade: h2\r\n",
                  rewrite) ==
        "HTTP/1.1 200 OK\r\nServer: x\r\nProxy-Status: origin\r\nContent-Length: 5\r\nVia: 1.1 "
        "egress-1\r\n\r\n");
  CHECK(passed_on("HTTP/1.0 200 OK\r\n", rewrite) ==
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nVia: 1.0 egress-1\r\n\r\n");
  CHECK(passed_on("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n", rewrite) ==
        "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\nVia: 1.1 egress-1\r\n\r\n");
  CHECK(passed_on("HTTP/1.1 204 \r\nContent-Length: 0\r\n", rewrite) ==
        "HTTP/1.1 204 \r\nVia: 1.1 egress-1\r\n\r\n");
  CHECK(passed_on("HTTP/1.1 103 Early Hints\r\nLink: x\r\n", rewrite) ==
        "HTTP/1.1 103 Early Hints\r\nLink: x\r\nVia: 1.1 egress-1\r\n\r\n");
  CHECK(
      passed_on("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n",
                rewrite) ==
      "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nVia: 1.1 "
      "egress-1\r\n\r\n");
  CHECK(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", rewrite, Method::head) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nVia: 1.1 egress-1\r\n\r\n");
}

TEST_CASE("repaired responses have one reading") {
  const std::string status = "HTTP/1.1 200 OK\r\n", via = "Via: 1.1 egress-1\r\n\r\n";
  const ResponseRewrite rewrite;
  struct Case {
    std::string text;  // without the empty line
    std::string forwarded;
    Method request = Method::get;
  };
  const std::vector<Case> cases{
      {"HTTP/1.1 200 OK\nA: b\r\nContent-Length: 5\n",
       status + "A: b\r\nContent-Length: 5\r\n" + via},
      {status + "A: b\r\n c\r\n\t d\r\nContent-Length: 5\r\n",
       status + "A: b   c  \t d\r\nContent-Length: 5\r\n" + via},
      {status + "A \t : b\r\nContent-Length: 5\r\n",
       status + "A: b\r\nContent-Length: 5\r\n" + via},
      {status + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
       status + "Transfer-Encoding: chunked\r\n" + via},
      {status + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", status + via, Method::head},
      {status + "Content-Length: 5\r\nContent-Length: 5\r\n",
       status + "Content-Length: 5\r\n" + via},
      {status + "Content-Length: 5 , 5,05\r\n", status + "Content-Length: 5\r\n" + via},
      {status + "Content-Length: 5, 5\r\n", status + "Content-Length: 5\r\n" + via, Method::head},
      {status + "Transfer-Encoding: Identity\r\nContent-Length: 5\r\n",
       status + "Content-Length: 5\r\n" + via},
      {status + "Transfer-Encoding: identity\r\n", status + "Transfer-Encoding: chunked\r\n" + via},
      {status + "Connection: a,\r\n b\r\nA: 1\r\nB : 2\r\nContent-Length: 5\r\n",
       status + "Content-Length: 5\r\n" + via},
  };
  for (const auto& [text, forwarded, request] : cases) {
    INFO(text);
    CHECK(passed_on(text, rewrite, request) == forwarded);
  }
}

TEST_CASE("the origin's connection takes another request only where the response has one end") {
  const auto keeps = [](const std::string& text) {
    const auto parsed = response_head(text);
    return read_response(parsed.head, Method::get, Reading::repair).value().persistence ==
           Persistence::keep_alive;
  };
  const std::string status = "HTTP/1.1 200 OK\r\n", length = "Content-Length: 5\r\n";
  CHECK(keeps(status + length + "\r\n"));
  CHECK(keeps(status + length + "A: b\r\n c\r\n\r\n"));
  CHECK(keeps(status + length + "A : b\r\n\r\n"));
  CHECK(keeps("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\n" + length + "\r\n"));
  CHECK_FALSE(keeps("HTTP/1.0 200 OK\r\n" + length + "\r\n"));
  CHECK_FALSE(keeps(status + length + "Connection: close\r\n\r\n"));
  CHECK_FALSE(keeps(status + "\r\n"));
  CHECK_FALSE(keeps(status + length + "\n"));
  CHECK_FALSE(keeps(status + length + length + "\r\n"));
  CHECK_FALSE(keeps(status + "Content-Length: 5, 5\r\n\r\n"));
  CHECK_FALSE(keeps(status + length + "Transfer-Encoding: chunked\r\n\r\n"));
  CHECK_FALSE(keeps(status + length + "Transfer-Encoding: identity\r\n\r\n"));
  CHECK_FALSE(keeps("HTTP/1.1 204 No Content\n\n"));
}

TEST_CASE("responses to HTTP/1.0 clients") {
  ResponseRewrite rewrite;
  rewrite.client = Version::http10;
  CHECK(passed_on("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n", rewrite) ==
        "HTTP/1.1 200 OK\r\nConnection: close\r\nVia: 1.1 egress-1\r\n\r\n");
  CHECK(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", rewrite) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\nVia: 1.1 "
        "egress-1\r\n\r\n");
  rewrite.persistence = Persistence::close;
  CHECK(passed_on("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n", rewrite) ==
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\nVia: 1.1 egress-1\r\n\r\n");
}

}  // namespace
}  // namespace egress::http
