// How long is it: the framing rows, for requests, responses and chunks.
#include "http-proxy/framing.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/support/http_heads.hpp"

namespace egress::http {
namespace {

using test::response_head;

// "none", "length 5", "chunked", "until close".
std::string told(const Body& body) {
  switch (body.kind) {
    case BodyKind::none: return "none";
    case BodyKind::length: return "length " + std::to_string(body.length);
    case BodyKind::chunked: return "chunked";
    case BodyKind::until_close: return "until close";
  }
  return {};
}

std::string refused(const Failure& failure) { return "refused " + std::to_string(failure.status); }

std::string request(const std::string& fields,
                    const std::string& line = "POST http://a.test/ HTTP/1.1") {
  const std::string text = line + "\r\n" + fields + "\r\n";
  RequestParser parser;
  if (parser.parse(text) == Progress::failed) return refused(parser.failure());
  const auto body = request_body(parser.head());
  return body ? told(*body) : refused(body.error());
}

struct Answer {
  std::string line = "HTTP/1.1 200 OK";
  Method request = Method::get;
  Reading reading = Reading::repair;
};

std::string response(const std::string& fields, const Answer& answer = {}) {
  const auto parsed = response_head(answer.line + "\r\n" + fields + "\r\n", answer.reading);
  const auto framing = response_framing(parsed.head, answer.request, answer.reading);
  if (!framing) return refused(framing.error());
  const bool closes = framing->persistence == Persistence::close;
  return told(framing->body) + (closes ? ", close" : "") +
         (framing->told_length ? ", told " + std::to_string(*framing->told_length) : "");
}

TEST_CASE("bodies of requests") {
  CHECK(request("") == "none");
  CHECK(request("Content-Length: 5\r\n") == "length 5");
  CHECK(request("Content-Length:5\r\n", "GET http://a.test/ HTTP/1.1") == "length 5");
  CHECK(request("Content-Length: 005\r\n") == "length 5");
  CHECK(request("Content-Length: 9223372036854775807\r\n") == "length 9223372036854775807");
  CHECK(request("Content-Length: \t 5 \t\r\n") == "length 5");  // RFC 9110 §5.5
  for (const std::string coding : {"chunked", "Chunked", "CHUNKED"}) {
    CHECK(request("Transfer-Encoding: " + coding + "\r\n") == "chunked");
  }
}

TEST_CASE("requests of which two readers could make two lengths") {
  CHECK(request("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n") == "refused 400");
  CHECK(request("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") == "refused 400");
  CHECK(request("Content-Length: 5\r\nContent-Length: 6\r\n") == "refused 400");
  CHECK(request("Content-Length: 5\r\nContent-Length: 5\r\n") == "refused 400");
  for (const std::string length :
       {"5, 6", "5, 5", "5,5", "+5", "-5", "0x5", "", "5;", "5 5", "9223372036854775808",
        "18446744073709551621", "99999999999999999999", "5.0", "five", "\"5\""}) {
    INFO(length);
    CHECK(request("Content-Length: " + length + "\r\n") == "refused 400");
  }
  for (const std::string coding : {"xchunked", "identity", "gzip", "chunked-ish"}) {
    INFO(coding);
    CHECK(request("Transfer-Encoding: " + coding + "\r\n") == "refused 501");
  }
  for (const std::string coding :
       {"chunked, identity", "identity, chunked", "chunked, chunked", "gzip, chunked",
        "chunked;q=1", "\"chunked\"", "", ",chunked", "chunked,", "chu nked"}) {
    INFO(coding);
    CHECK(request("Transfer-Encoding: " + coding + "\r\n") == "refused 400");
  }
  CHECK(request("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") == "refused 400");
  CHECK(request("Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n") == "refused 501");
  CHECK(request("Transfer-Encoding: chunked\r\n", "POST http://a.test/ HTTP/1.0") == "refused 400");
}

TEST_CASE("CONNECT has no body") {
  CHECK(request("", "CONNECT a.test:443 HTTP/1.1") == "none");
  CHECK(request("Content-Length: 5\r\n", "CONNECT a.test:443 HTTP/1.1") == "refused 400");
  CHECK(request("Content-Length: 0\r\n", "CONNECT a.test:443 HTTP/1.1") == "refused 400");
  CHECK(request("Transfer-Encoding: chunked\r\n", "CONNECT a.test:443 HTTP/1.1") == "refused 400");
}

TEST_CASE("bodies of responses") {
  CHECK(response("Content-Length: 5\r\n") == "length 5");
  CHECK(response("Content-Length: \t 5  \r\n") == "length 5");
  CHECK(response("Transfer-Encoding: \tchunked \r\n") == "chunked");
  CHECK(response("") == "until close, close");
  CHECK(response("Content-Length: 5\r\n", {.request = Method::head}) == "none, told 5");
  CHECK(response("Transfer-Encoding: chunked\r\n", {.request = Method::head}) == "none");
  CHECK(response("Content-Length: 5\r\n", {"HTTP/1.1 304 Not Modified"}) == "none, told 5");
  CHECK(response("Content-Length: 5\r\n", {"HTTP/1.1 204 No Content"}) == "none");
  CHECK(response("", {"HTTP/1.1 101 Switching Protocols"}) == "none");
  CHECK(response("Content-Length: 5\r\n", {"HTTP/1.1 100 Continue"}) == "none");
}

TEST_CASE("responses that RFC 9112 lets a proxy repair, and what is left to `strict`") {
  const std::string length = "Content-Length: 5\r\n", chunked = "Transfer-Encoding: chunked\r\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {length + chunked, "chunked, close"},
      {chunked + length, "chunked, close"},
      {length + length, "length 5, close"},
      {"Content-Length: 5, 5\r\n" + length, "length 5, close"},
      {"Content-Length: 5\t,\t05 ,5\r\n", "length 5, close"},
      {"Transfer-Encoding: identity\r\n", "until close, close"},
      {"Transfer-Encoding: IDENTITY\r\n" + length, "length 5, close"},
  };
  for (const auto& [fields, read] : cases) {
    INFO(fields);
    CHECK(response(fields) == read);
    CHECK(response(fields, {.reading = Reading::strict}) == "refused 502");
  }
  CHECK(response(length + chunked, {.request = Method::head}) == "none, close");
  CHECK(response(length + length, {"HTTP/1.1 304 Not Modified"}) == "none, close, told 5");
  CHECK(response("Transfer-Encoding: identity\r\n" + length, {"HTTP/1.0 200 OK"}) ==
        "length 5, close");
}

TEST_CASE("responses of which two readers could make two lengths") {
  for (const std::string fields : {"Content-Length: -5\r\n",
                                   "Content-Length: 5, 6\r\n",
                                   "Content-Length: 5,\r\n",
                                   "Content-Length: ,5\r\n",
                                   "Content-Length: 5,,5\r\n",
                                   "Content-Length: 5 5\r\n",
                                   "Content-Length: 5;5\r\n",
                                   "Content-Length:\r\n",
                                   "Content-Length: 5, +5\r\n",
                                   "Content-Length: 5\r\nContent-Length: 6\r\n",
                                   "Content-Length: 5\r\nContent-Length:\r\n",
                                   "Content-Length: 5, 6\r\nTransfer-Encoding: chunked\r\n",
                                   "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
                                   "Transfer-Encoding: gzip\r\n",
                                   "Transfer-Encoding: gzip, chunked\r\n",
                                   "Transfer-Encoding: identity, chunked\r\n",
                                   "Transfer-Encoding: chunked, identity\r\n",
                                   "Transfer-Encoding: chunked, chunked\r\n",
                                   "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
                                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                                   "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                                   "Transfer-Encoding: chunked;q=1\r\n",
                                   "Transfer-Encoding:\r\n"}) {
    INFO(fields);
    for (const auto reading : {Reading::repair, Reading::strict}) {
      CHECK(response(fields, {.reading = reading}) == "refused 502");
      CHECK(response(fields, {"HTTP/1.1 304 Not Modified", Method::get, reading}) == "refused 502");
    }
  }
  // RFC 9112 §6.1: HTTP/1.0 knows no codings.
  CHECK(response("Transfer-Encoding: chunked\r\n", {"HTTP/1.0 200 OK"}) == "refused 502");
  CHECK(response("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", {"HTTP/1.0 200 OK"}) ==
        "refused 502");
}

struct Decoded {
  std::string data;
  std::string rest;  // what belongs to the next message
  std::string trailers;
  std::string failure;
  bool done = false;

  bool operator==(const Decoded&) const = default;
};

// In pieces of this many bytes.
Decoded decode(const std::string& input, std::size_t piece) {
  ChunkDecoder decoder;
  Decoded decoded;
  std::size_t at = 0;
  while (at < input.size() && !decoder.done() && !decoder.failed()) {
    std::string buffer = input.substr(at, piece);
    const auto step = decoder.decode(buffer.data(), buffer.size());
    REQUIRE(step.consumed <= buffer.size());
    REQUIRE(step.data <= step.consumed);
    REQUIRE((step.consumed == buffer.size() || decoder.done() || decoder.failed()));
    decoded.data += buffer.substr(0, step.data);
    at += step.consumed;
  }
  decoded.done = decoder.done();
  if (decoder.done()) decoded.trailers = decoder.trailers();
  if (decoder.done()) decoded.rest = input.substr(at);
  decoded.failure = decoder.failure();
  return decoded;
}

TEST_CASE("chunks, however they arrive") {
  // The chunk of B (11) bytes holds what looks like an end.
  const std::string input =
      "5\r\nhello\r\n0001;ext=\"a\"\r\n \r\nB\r\nworld\r\n0\r\n\r\r\na\r\n0123456789\r\n00\r\n"
      "X-Sum: 1\r\nHost: bad.test\r\n\r\nGET ";
  const Decoded expected{"hello world\r\n0\r\n\r0123456789", "GET ", "X-Sum: 1\r\n", "", true};
  for (std::size_t piece = 1; piece <= input.size(); ++piece) {
    INFO(piece);
    CHECK(decode(input, piece) == expected);
  }
}

TEST_CASE("white space before an extension of a chunk") {
  for (const std::string input :
       {"5 ;a\r\nhello\r\n0\t ; a = b\r\n\r\n", "5\t\t;\r\nhello\r\n0\r\n\r\n"}) {
    for (std::size_t piece = 1; piece <= input.size(); ++piece) {
      INFO(input << " " << piece);
      CHECK(decode(input, piece) == Decoded{"hello", "", "", "", true});
    }
  }
}

TEST_CASE("chunks that are refused") {
  const std::vector<std::string> cases{"0x5\r\nhello\r\n",
                                       "+5\r\nhello\r\n",
                                       "5 5\r\nhello\r\n",
                                       "5 \r\nhello\r\n",
                                       "0 \r\n\r\n",
                                       "5 ;\x01\r\nhello\r\n",
                                       "5 \n",
                                       "5 ;a\n",
                                       "5" + std::string(5000, ' '),
                                       "5 \v;a\r\n",
                                       "5 a\r\n",
                                       " 5\r\nhello\r\n",
                                       "-1\r\n",
                                       "00000000000000005\r\nhello\r\n",
                                       "FFFFFFFFFFFFFFFFF\r\n",
                                       "\r\nhello",
                                       ";ext\r\n",
                                       "g\r\n",
                                       "5\nhello\r\n",
                                       "5\rhello\r\n",
                                       "5\r\nhello5\r\n",
                                       "5\r\nhello\n",
                                       "5\r\nhello\r5",
                                       "5\r\nhelloworld\r\n",
                                       "5;\x01\r\nhello\r\n",
                                       "5;a\nb\r\nhello\r\n",
                                       "5;" + std::string(5000, 'a'),
                                       "0\r\nno colon\r\n\r\n",
                                       "0\r\nA : b\r\n\r\n",
                                       "0\r\n: b\r\n\r\n",
                                       "0\r\nA: b\n\r\n",
                                       "0\r\nA: b\rc\r\n\r\n",
                                       "0\r\n folded: a\r\n\r\n",
                                       "0\r\nA: " + std::string(20000, 'a')};
  for (const auto& input : cases) {
    INFO(input.substr(0, 40));
    for (const std::size_t piece : {std::size_t{1}, std::size_t{3}, input.size()}) {
      const auto decoded = decode(input, piece);
      CHECK_FALSE(decoded.done);
      CHECK(decoded.failure != "");
    }
  }
}

TEST_CASE("a body cut short is not done") {
  const std::string input = "5\r\nhello\r\n0\r\nA: b\r\n\r\n";
  for (std::size_t size = 0; size < input.size(); ++size) {
    const auto decoded = decode(input.substr(0, size), 4);
    CHECK_FALSE(decoded.done);
    CHECK(decoded.failure == "");
  }
}

TEST_CASE("trailers that frame, route or carry credentials are dropped") {
  const auto decoded = decode(
      "0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nHost: bad.test\r\nConnection: "
      "close\r\n"
      "Authorization: x\r\nProxy-Authorization: x\r\nTrailer: x\r\nVia: x\r\nSet-Cookie: "
      "a=b\r\nDigest: 1\r\n"
      "grpc-status: 0\r\n\r\n",
      7);
  CHECK(decoded.done);
  CHECK(decoded.trailers == "Digest: 1\r\ngrpc-status: 0\r\n");
}

TEST_CASE("chunks that are almost all framing come to an end") {
  std::string input;
  for (int i = 0; i < 1'000'000; ++i) input += "1\r\nx\r\n";
  const auto small = decode(input, 1U << 16U);
  CHECK(small.failure == "The chunks hold far more framing than data.");
  CHECK(small.data.size() > 200'000);
  std::string fields = "0\r\n";
  for (int i = 0; i < 101; ++i) fields += "A: b\r\n";
  CHECK(decode(fields, 100).failure == "There are more than 100 trailer fields.");
  // Extensions alone, that never reach a limit of their own line.
  std::string extended;
  for (int i = 0; i < 400; ++i) extended += "1;" + std::string(4000, 'a') + "\r\nx\r\n";
  CHECK(decode(extended, 4096).failure == "The chunks hold far more framing than data.");
}

TEST_CASE("chunk heads") {
  CHECK(make_chunk_head(1).view() == "1\r\n");
  CHECK(make_chunk_head(0x10000).view() == "10000\r\n");
  CHECK(make_chunk_head(~std::uint64_t{0}).view() == "ffffffffffffffff\r\n");
}

}  // namespace
}  // namespace egress::http
