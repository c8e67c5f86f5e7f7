#include "http-proxy/error_page.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "test/support/http_heads.hpp"

namespace egress::http {
namespace {

using test::request_head;

const Failure kDenied{403,
                      ProxyError::http_request_denied,
                      "The request to bad.test port 80 was denied.",
                      Persistence::keep_alive,
                      "bad.test",
                      "!*.bad.test",
                      2};

std::string answer(const Failure& failure, const std::string& fields,
                   const std::string& line = "GET http://bad.test/ HTTP/1.1") {
  const auto parsed = request_head(line + "\r\n" + fields + "\r\n");
  std::string out;
  append_error_response(failure, {&parsed.head, "egress-1", "EGRESS_HTTP_PROXY_DESTINATION"}, out);
  return out;
}

TEST_CASE("a denial as plain text") {
  CHECK(answer(kDenied, "") ==
        "HTTP/1.1 403 Forbidden\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n"
        "Content-Length: 134\r\n"
        "Cache-Control: no-store\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Proxy-Status: \"egress-1\"; error=http_request_denied; details=\"line 2: !*.bad.test\"\r\n"
        "\r\n"
        "403 Forbidden\n\n"
        "The request to bad.test port 80 was denied.\n\n"
        "Host: bad.test\n"
        "Rule: !*.bad.test\n"
        "Line: 2 of EGRESS_HTTP_PROXY_DESTINATION\n");
}

TEST_CASE("a denial as HTML, with everything escaped") {
  auto failure = kDenied;
  failure.text = "<script>\"x\" & \x01\xff</script>";
  const auto page = answer(failure, "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8\r\n");
  CHECK_THAT(page, Catch::Contains("Content-Type: text/html; charset=utf-8\r\n"));
  CHECK_THAT(page,
             Catch::Contains("<p>&lt;script&gt;&quot;x&quot; &amp; \\x01\\xff&lt;/script&gt;</p>"));
  CHECK_THAT(page, Catch::Contains("<tr><th>Rule</th><td>!*.bad.test</td></tr>"));
  CHECK_THAT(page,
             Catch::Contains("<tr><th>Line</th><td>2 of EGRESS_HTTP_PROXY_DESTINATION</td></tr>"));
  const auto body = page.substr(page.find("\r\n\r\n") + 4);
  CHECK_THAT(page, Catch::Contains("Content-Length: " + std::to_string(body.size()) + "\r\n"));
}

TEST_CASE("HEAD gets no body, and the connection ends as the failure says") {
  const auto head = answer(kDenied, "", "HEAD http://bad.test/ HTTP/1.1");
  CHECK(head.ends_with("\r\n\r\n"));
  CHECK_THAT(head, Catch::Contains("Content-Length: 134\r\n"));
  CHECK_THAT(head, !Catch::Contains("Connection:"));
  CHECK_THAT(answer(kDenied, "", "GET http://bad.test/ HTTP/1.0"),
             Catch::Contains("Connection: keep-alive\r\n"));
  CHECK_THAT(answer(bad_request("No."), ""), Catch::Contains("Connection: close\r\n"));
}

TEST_CASE("an answer where no head could be read") {
  std::string out = "before";
  append_error_response(bad_request("This is TLS."), {nullptr, "egress-1", ""}, out);
  CHECK(out ==
        "beforeHTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; "
        "charset=utf-8\r\nContent-Length: 30\r\n"
        "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n"
        "Proxy-Status: \"egress-1\"; error=http_request_error\r\nConnection: close\r\n\r\n"
        "400 Bad Request\n\nThis is TLS.\n");
}

TEST_CASE("405 lists the methods") {
  auto failure = bad_request("No.");
  failure.status = 405;
  CHECK_THAT(answer(failure, ""), Catch::Contains("\r\nAllow: CONNECT, "));
}

TEST_CASE("the page never shows what the client sent besides the host") {
  const auto page =
      answer(kDenied, "Proxy-Authorization: Basic c2VjcmV0\r\nCookie: id=c2VjcmV0\r\n");
  CHECK_THAT(page, !Catch::Contains("c2VjcmV0"));
}

TEST_CASE("HTML or plain text") {
  const auto html = [](const std::string& fields) {
    const auto parsed = request_head("GET http://a.test/ HTTP/1.1\r\n" + fields + "\r\n");
    return wants_html(parsed.head);
  };
  CHECK(html("Accept: text/html\r\n"));
  CHECK(html("Accept: TEXT/HTML ; q=0.3\r\n"));
  CHECK(html("Accept: application/json\r\nAccept: text/html, text/plain;q=0.5\r\n"));
  CHECK_FALSE(html(""));
  CHECK_FALSE(html("Accept: */*\r\n"));
  CHECK_FALSE(html("Accept: text/plain, text/html;q=0.5\r\n"));
  CHECK_FALSE(html("Accept: text/html;q=0\r\n"));
  CHECK_FALSE(html("Accept: ,;,q=\r\n"));
}

TEST_CASE("Proxy error types are spelt as RFC 9209 does") {
  CHECK(to_text(ProxyError::dns_timeout) == "dns_timeout");
  CHECK(to_text(ProxyError::destination_ip_prohibited) == "destination_ip_prohibited");
  CHECK(to_text(ProxyError::http_response_header_section_size) ==
        "http_response_header_section_size");
  CHECK(reason_phrase(431) == "Request Header Fields Too Large");
}

}  // namespace
}  // namespace egress::http
