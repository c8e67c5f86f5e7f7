// Heads: what is taken, what is refused, and that the way the bytes arrive changes neither.
#include "http-proxy/message.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace egress::http {
namespace {

using namespace std::string_literals;

struct Parsed {
  Progress progress;
  unsigned status = 0;
  std::string text;
};

// The whole input at once, and then a byte at a time in a buffer that moves; both must agree.
Parsed parse(const std::string& input) {
  RequestParser whole;
  const auto progress = whole.parse(input);
  RequestParser bytewise;
  std::string buffer;
  auto last = Progress::need_more;
  for (std::size_t i = 0; i < input.size() && last == Progress::need_more; ++i) {
    buffer = std::string(input, 0, i + 1);
    last = bytewise.parse(buffer);
  }
  CHECK(last == progress);
  if (progress == Progress::failed && last == progress)
    CHECK(bytewise.failure() == whole.failure());
  if (progress == Progress::complete && last == progress) {
    CHECK(bytewise.head().size == whole.head().size);
    CHECK(bytewise.head().target == whole.head().target);
    CHECK(bytewise.head().fields.size() == whole.head().fields.size());
  }
  if (progress != Progress::failed) return {progress, 0, {}};
  return {progress, whole.failure().status, whole.failure().text};
}

TEST_CASE("a request's header section, owned by its parser") {
  std::string input =
      "GET http://Example.com/a?b HTTP/1.1\r\nHost: example.com\r\nX-Empty:\r\nACCEPT:  "
      "text/html\t \r\n\r\nbody";
  RequestParser parser;
  REQUIRE(parser.parse(input) == Progress::complete);
  CHECK(parser.head().size == input.size() - 4);
  input.assign(input.size(), '#');
  const auto& head = parser.head();
  CHECK(head.method == Method::get);
  CHECK(head.method_text == "GET");
  CHECK(head.target == "http://Example.com/a?b");
  CHECK(head.version == Version::http11);
  REQUIRE(head.fields.size() == 3);
  CHECK(head.fields[0].id == FieldId::host);
  CHECK(head.fields[1].name == "X-Empty");
  CHECK(head.fields[1].value.empty());
  CHECK(head.fields[2].id == FieldId::accept);
  CHECK(head.fields[2].value == "text/html");
}

TEST_CASE("nothing of a message remains after reset") {
  const std::string good = "GET http://a.test/ HTTP/1.0\r\nHost: a.test\r\n\r\n";
  for (const std::string& bad : {std::string("GET / HTTP/1.1\nHost: a\r\n\r\n"),
                                 "GET http://" + std::string(70'000, 'a') + "/ HTTP/1.1\r\n\r\n"}) {
    RequestParser parser;
    REQUIRE(parser.parse(good) == Progress::complete);
    parser.reset();
    CHECK(parser.head().method_text.empty());
    CHECK(parser.head().target.empty());
    CHECK(parser.head().fields.empty());
    CHECK(parser.head().size == 0);
    REQUIRE(parser.parse(bad) == Progress::failed);
    CHECK(parser.head().target.empty());
  }
}

TEST_CASE("one parser for one head after another") {
  const std::string input =
      "GET http://a.test/ HTTP/1.1\r\nHost: a.test\r\n\r\nHEAD http://b.test/ HTTP/1.0\r\n\r\n";
  RequestParser parser;
  REQUIRE(parser.parse(input) == Progress::complete);
  const auto first = parser.head().size;
  parser.reset();
  REQUIRE(parser.parse(std::string_view(input).substr(first)) == Progress::complete);
  CHECK(parser.head().method == Method::head);
  CHECK(parser.head().version == Version::http10);
  CHECK(parser.head().fields.empty());
  CHECK(first + parser.head().size == input.size());
}

TEST_CASE("methods are kept as given") {
  for (const auto& [text, method] :
       std::vector<std::pair<std::string, Method>>{{"GET", Method::get},
                                                   {"HEAD", Method::head},
                                                   {"POST", Method::post},
                                                   {"PUT", Method::put},
                                                   {"DELETE", Method::delete_},
                                                   {"CONNECT", Method::connect},
                                                   {"OPTIONS", Method::options},
                                                   {"TRACE", Method::trace},
                                                   {"PATCH", Method::patch},
                                                   {"get", Method::other},
                                                   {"PROPFIND", Method::other},
                                                   {"M-SEARCH", Method::other}}) {
    INFO(text);
    RequestParser parser;
    const std::string input = text + " http://a.test/ HTTP/1.1\r\n\r\n";
    REQUIRE(parser.parse(input) == Progress::complete);
    CHECK(parser.head().method == method);
    CHECK(parser.head().method_text == text);
  }
}

TEST_CASE("heads that are fine") {
  for (const auto& input :
       {"\r\n\r\nGET http://a.test/ HTTP/1.1\r\n\r\n"s, "GET http://a.test/ HTTP/1.2\r\n\r\n"s,
        "GET http://a.test/ HTTP/1.1\r\nA:\r\n\r\n"s,
        "GET http://a.test/ HTTP/1.1\r\nA: b\xe9\r\n\r\n"s,
        "GET http://a.test/\xc3\xa9 HTTP/1.1\r\n\r\n"s,
        "GET http://a.test/ HTTP/1.1\r\n!#$%&'*+-.^_`|~: x\r\n\r\n"s}) {
    INFO(input);
    CHECK(parse(input).progress == Progress::complete);
  }
}

TEST_CASE("heads that are refused") {
  const std::string line = "GET http://a.test/ HTTP/1.1\r\n";
  struct Case {
    std::string input;
    unsigned status;
    std::string says;
  };
  const std::vector<Case> cases{
      {"GET  http://a.test/ HTTP/1.1\r\n\r\n", 400, "target"},
      {"GET http://a.test/  HTTP/1.1\r\n\r\n", 400, "target"},
      {"GET\thttp://a.test/ HTTP/1.1\r\n\r\n", 400, "one space between each"},
      {"GET http://a.test/\tHTTP/1.1\r\n\r\n", 400, "one space between each"},
      {"GET http://a.test/ \r\n\r\n", 400, "version"},
      {"GET http://a.test/\r\n\r\n", 400, "one space between each"},
      {"GET http://a.test/ HTTP/1.1x\r\n\r\n", 400, "version"},
      {"GET http://a.test/ http/1.1\r\n\r\n", 400, "version"},
      {"GET http://a.test/ HTTP/11\r\n\r\n", 400, "version"},
      {"GET http://a.test/ HTTP/1.1 \r\n\r\n", 400, "target"},
      {"GET http://a.test/ HTTP/0.9\r\n\r\n", 505, "HTTP/1.1"},
      {"GET http://a.test/ HTTP/2.0\r\n\r\n", 505, "HTTP/1.1"},
      {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, "HTTP/2"},
      {" GET http://a.test/ HTTP/1.1\r\n\r\n", 400, "no HTTP request"},
      {"G<T http://a.test/ HTTP/1.1\r\n\r\n", 400, "method"},
      {"\x16\x03\x01\x02\x00\x01", 400, "This is TLS"},
      {"\x80hello", 400, "no HTTP request"},
      {"\0"s, 400, "no HTTP request"},
      {"GET http://a.test/ HTTP/1.1\n\n", 400, "LF without CR"},
      {line + "A: b\nC: d\r\n\r\n", 400, "LF without CR"},
      {line + "A: b\r\n\n", 400, "LF without CR"},
      {line + "A: b\rc\r\n\r\n", 400, "control character"},
      {line + "A: b\r\r\n\r\n", 400, "control character"},
      {"GET http://a.test/\r HTTP/1.1\r\n\r\n", 400, "control character"},
      {line + "A: b\0c\r\n\r\n"s, 400, "control character"},
      {line + "A: b\x7f\r\n\r\n", 400, "control character"},
      {line + "A\0: b\r\n\r\n"s, 400, "header name"},
      {line + " folded: b\r\n\r\n", 400, "folded"},
      {line + "A: b\r\n c\r\n\r\n", 400, "folded"},
      {line + "A: b\r\n\tc\r\n\r\n", 400, "folded"},
      {line + "Transfer-Encoding : chunked\r\n\r\n", 400, "space before the colon"},
      {line + "A B: c\r\n\r\n", 400, "header name"},
      {line + "A\xe9: c\r\n\r\n", 400, "header name"},
      {line + "A(: c\r\n\r\n", 400, "header name"},
      {line + ": c\r\n\r\n", 400, "header name"},
      {line + "no colon\r\n\r\n", 400, "no colon"},
      {line + "Transfer-Encoding:\tchunked\r\n\r\n", 400, "one space"},
      {line + "Transfer-Encoding: chunked\t\r\n\r\n", 400, "one space"},
      {line + "Content-Length : 5\r\n\r\n", 400, "space before the colon"},
  };
  for (const auto& [input, status, says] : cases) {
    INFO(input);
    const auto outcome = parse(input);
    CHECK(outcome.progress == Progress::failed);
    CHECK(outcome.status == status);
    CHECK_THAT(outcome.text, Catch::Contains(says));
  }
}

TEST_CASE("limits of a header section, named with their variables") {
  const std::string line = "GET http://a.test/ HTTP/1.1\r\n";
  const auto read = [](const std::string& input, const HeadLimits& limits = {}) -> std::string {
    RequestParser parser(limits);
    if (parser.parse(input) != Progress::failed) return "";
    return std::to_string(parser.failure().status) + " " + parser.failure().text;
  };
  const auto fields = [](int count) {
    std::string text;
    for (int i = 0; i < count; ++i) text += "A: b\r\n";
    return text;
  };
  const std::string negotiate = "Authorization: Negotiate " + std::string(20'480, 'A') + "\r\n";
  CHECK(read(line + negotiate + "\r\n") == "");
  CHECK(read(line + fields(500) + "\r\n") == "");
  CHECK(read(line + fields(501) + "\r\n") ==
        "431 The header section has more than 500 fields (EGRESS_HTTP_PROXY_FIELDS).");
  for (const std::string end : {"", " HTTP/1.1\r\n\r\n"}) {
    CHECK(read("GET http://a.test/" + std::string(66'000, 'a') + end) ==
          "414 The first line is longer than 65536 bytes (EGRESS_HTTP_PROXY_LINE_BYTES).");
    CHECK(read(line + "A: " + std::string(66'000, 'a') + end) ==
          "431 The header section is larger than 65536 bytes (EGRESS_HTTP_PROXY_HEAD_BYTES).");
  }
  const HeadLimits small{.head_bytes = 3000, .line_bytes = 1000, .fields = 10};
  CHECK(read(line + "A: " + std::string(995, 'a') + "\r\n\r\n", small) == "");
  CHECK(read(line + "A: " + std::string(996, 'a') + "\r\n\r\n", small) ==
        "431 A header line is longer than 1000 bytes (EGRESS_HTTP_PROXY_LINE_BYTES).");
  CHECK(read(std::string(70'000, '\n')) == "400 This is no HTTP request.");
  std::string empty_lines;
  for (int i = 0; i < 40'000; ++i) empty_lines += "\r\n";
  CHECK(read(empty_lines) ==
        "431 The header section is larger than 65536 bytes (EGRESS_HTTP_PROXY_HEAD_BYTES).");
}

TEST_CASE("limits of a response's header section") {
  const std::string status = "HTTP/1.1 200 OK\r\n";
  std::string fields = status;
  for (int i = 0; i < 250; ++i) fields += "A: b\r\n";
  ResponseParser parser;
  CHECK(parser.parse(fields + "\r\n") == Progress::complete);
  parser.reset();
  // Each part of a folded line counts.
  for (int i = 0; i < 251; ++i) fields += " b\r\n";
  REQUIRE(parser.parse(fields + "\r\n") == Progress::failed);
  CHECK(parser.failure().error == ProxyError::http_response_header_section_size);
  CHECK(parser.failure().text ==
        "From the origin: The header section has more than 500 fields (EGRESS_HTTP_PROXY_FIELDS).");
}

TEST_CASE("an idle connection is told from one in the middle of a head") {
  const RequestParser parser;
  CHECK_FALSE(parser.has_begun(""));
  CHECK_FALSE(parser.has_begun("\r\n"));
  CHECK(parser.has_begun("\r\nG"));
}

TEST_CASE("a response's head") {
  const std::string input =
      "HTTP/1.1 200 OK then\r\nContent-Length:  5\t\r\nserver: x\r\n\r\nhello";
  ResponseParser parser;
  REQUIRE(parser.parse(input) == Progress::complete);
  CHECK(parser.head().status == 200);
  CHECK(parser.head().reason == "OK then");
  CHECK(parser.head().fields[0].value == "5");
  CHECK(parser.head().size == input.size() - 5);
  for (const std::string fine :
       {"HTTP/1.0 404 \r\n\r\n", "HTTP/1.1 599\r\n\r\n", "HTTP/1.1 100 Continue\r\n\r\n"}) {
    INFO(fine);
    parser.reset();
    CHECK(parser.parse(fine) == Progress::complete);
  }
}

TEST_CASE("origins that send no HTTP/1.1") {
  std::string many = "HTTP/1.1 200 OK\r\n";
  for (int i = 0; i < 501; ++i) many += "A: b\r\n";
  const std::vector<std::pair<std::string, ProxyError>> cases{
      {"garbage\r\n\r\n", ProxyError::http_protocol_error},
      {"<html>", ProxyError::http_protocol_error},
      {"\r\nHTTP/1.1 200 OK\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/2.0 200 OK\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 99 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 099 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 20 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 1000 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 600 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 -20 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1  200 x\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 200 a\x01\r\n\r\n", ProxyError::http_protocol_error},
      {"HTTP/1.1 200 OK\r\nA: " + std::string(66000, 'a'),
       ProxyError::http_response_header_section_size},
      {many, ProxyError::http_response_header_section_size},
  };
  for (const auto& [input, error] : cases) {
    INFO(input.substr(0, 80));
    ResponseParser parser;
    REQUIRE(parser.parse(input) == Progress::failed);
    CHECK(parser.failure().status == 502);
    CHECK(parser.failure().error == error);
  }
}

// The fields as "name=value;" each, or what is wrong; however the bytes arrive.
std::string read(const std::string& input, Reading reading) {
  ResponseParser whole(HeadLimits{}, reading), bytewise(HeadLimits{}, reading);
  const auto progress = whole.parse(input);
  auto last = Progress::need_more;
  for (std::size_t i = 0; i < input.size() && last == Progress::need_more; ++i)
    last = bytewise.parse(std::string(input, 0, i + 1));
  CHECK(last == progress);
  if (progress == Progress::need_more) return "need more";
  if (progress == Progress::failed) {
    CHECK(whole.failure() == bytewise.failure());
    CHECK(whole.failure().status == 502);
    CHECK(whole.failure().error == ProxyError::http_protocol_error);
    return "refused: " + whole.failure().text;
  }
  CHECK(whole.head().size == input.size());
  std::string text;
  for (const auto& [id, name, value] : whole.head().fields)
    text.append(name).append("=").append(value).append(";");
  return text;
}

TEST_CASE("heads of responses that are repaired") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {"HTTP/1.1 200 OK\n\n", ""},
      {"HTTP/1.1 200\nA: b\n\n", "A=b;"},
      {"HTTP/1.1 200 OK\nA: b\r\nC: d\n\r\n", "A=b;C=d;"},
      {ok + "A: b\r\n\n", "A=b;"},
      {ok + "A: b\r\n c\r\n\r\n", "A=b   c;"},
      {ok + "A: b\n\tc\n \td\n\n", "A=b \tc  \td;"},
      {ok + "A:\r\n b\r\nC: d\r\n\r\n", "A=b;C=d;"},
      {ok + "A: b \t\r\n \t c \r\n\r\n", "A=b \t   \t c;"},
      {ok + "A : b\r\nC\t\t: d\r\n\r\n", "A=b;C=d;"},
      {ok + "A : b\r\n c\r\n\r\n", "A=b   c;"},
      {ok + "A: b\r\n Content-Length: 5\r\n\r\n", "A=b   Content-Length: 5;"},
  };
  for (const auto& [input, fields] : cases) {
    INFO(input);
    CHECK(read(input, Reading::repair) == fields);
    CHECK_THAT(read(input, Reading::strict), Catch::StartsWith("refused: "));
  }
}

TEST_CASE("heads of responses with two readings") {
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const std::vector<std::pair<std::string, std::string>> cases{
      {ok + " A: b\r\n\r\n", "begins with a space"},
      {ok + " \r\n\r\n", "begins with a space"},
      {ok + "\tA: b\r\n c\r\n\r\n", "begins with a space"},
      {ok + "A: b\r\n \r\n\r\n", "nothing but white space"},
      {ok + "A: b\n\t\n\n", "nothing but white space"},
      {ok + "A: b\r\n c\r\n \r\nContent-Length: 5\r\n\r\n", "nothing but white space"},
      {ok + "A\r\n : b\r\n\r\n", "folded line"},
      {ok + "A\r\n b\r\nC: d\r\n\r\n", "folded line"},
      {ok + "Content-Length:\r\n 5\r\n\r\n", "folded line"},
      {ok + "content-length: 5\r\n 5\r\n\r\n", "folded line"},
      {ok + "Content-Length : 5\r\n 5\r\n\r\n", "folded line"},
      {ok + "Transfer-Encoding:\n\tchunked\r\n\r\n", "folded line"},
      {ok + "Content-Length : 5\r\n\r\n", "space before the colon"},
      {ok + "Transfer-Encoding\t: chunked\r\n\r\n", "space before the colon"},
      {ok + " : b\r\n\r\n", "begins with a space"},
      {ok + ": b\r\n\r\n", "space before the colon"},
      {ok + "A B : b\r\n\r\n", "space before the colon"},
      {ok + "no colon\r\n\r\n", "no colon"},
      {ok + "A: b\rC: d\r\n\r\n", "control character"},
      {ok + "A: b\r\r\n\r\n", "control character"},
      {ok + "A: b\r\r\n c\r\n\r\n", "control character"},
      {ok + "A: b\r\n c\rd\r\n\r\n", "control character"},
      {ok + "\r\r\n\r\n", "no colon"},
      {ok + "A: b\0c\n\n"s, "control character"},
      {"HTTP/1.1 200 O\rK\n\n", "control character"},
      {"HTTP/1.1 200 OK\r\r\n\r\n", "control character"},
  };
  for (const auto& [input, says] : cases) {
    INFO(input);
    CHECK_THAT(read(input, Reading::repair), Catch::Contains(says));
    CHECK_THAT(read(input, Reading::strict), Catch::StartsWith("refused: "));
  }
}

TEST_CASE("a line that ends in LF counts for what follows on the connection") {
  ResponseParser parser;
  REQUIRE(parser.parse("HTTP/1.1 103 Early Hints\nLink: x\n\n") == Progress::complete);
  CHECK(parser.head().bare_lf);
  parser.reset();
  REQUIRE(parser.parse("HTTP/1.1 200 OK\r\n\r\n") == Progress::complete);
  CHECK(parser.head().bare_lf);
}

TEST_CASE("field names in any case") {
  CHECK(field_id("HOST") == FieldId::host);
  CHECK(field_id("transfer-Encoding") == FieldId::transfer_encoding);
  CHECK(field_id("Proxy-Authorization") == FieldId::proxy_any);
  CHECK(field_id("proxy-foo") == FieldId::proxy_any);
  CHECK(field_id("Proxy-Connection") == FieldId::proxy_connection);
  CHECK(field_id("proxy-status") == FieldId::proxy_status);
  CHECK(field_id("Proxy") == FieldId::proxy);
  CHECK(field_id("Proxy-") == FieldId::other);
  CHECK(field_id("cookie") == FieldId::other);
  CHECK(field_id(std::string(40, 'a')) == FieldId::other);
  CHECK(field_id("") == FieldId::other);
}

}  // namespace
}  // namespace egress::http
