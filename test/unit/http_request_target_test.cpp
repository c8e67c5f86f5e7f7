#include "http-proxy/request_target.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

namespace egress::http {
namespace {

std::string parsed(Method method, const std::string& target) {
  const auto found = parse_request_target(method, target);
  if (!found) return std::to_string(found.error().status) + " " + found.error().text;
  std::string text = to_text(found->authority) + " ";
  if (method != Method::connect) append_origin_form(*found, method, text);
  return text;
}

TEST_CASE("absolute-form") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"http://good.test/", "good.test:80 /"},
      {"http://good.test", "good.test:80 /"},
      {"http://good.test:/", "good.test:80 /"},
      {"HTTP://Good.TEST.:8080/a/b?c", "good.test:8080 /a/b?c"},
      {"http://good.test?q=http://x/", "good.test:80 /?q=http://x/"},
      {"http://[2001:db8::1]:8080/", "[2001:db8::1]:8080 /"},
      {"http://192.0.2.1/@x", "192.0.2.1:80 /@x"},
      {"http://good.test/%61%00", "good.test:80 /%61%00"},
      {"http://my_host/", "my_host:80 /"},
  };
  for (const auto& [target, expected] : cases) {
    INFO(target);
    CHECK(parsed(Method::get, target) == expected);
  }
}

TEST_CASE("targets that are refused, with what to change") {
  const std::vector<std::pair<std::string, std::string>> cases{
      {"/", "Set the client's proxy setting"},
      {"/http://good.test/", "Set the client's proxy setting"},
      {"*", "OPTIONS http://example.com"},
      {"good.test", "no URI that begins with http://"},
      {"good.test:80", "no URI that begins with http://"},
      {"http:/good.test/", "no URI that begins with http://"},
      {"http:good.test", "no URI that begins with http://"},
      {"https://good.test/", "CONNECT host:443"},
      {"HTTPS://good.test/", "CONNECT host:443"},
      {"ftp://good.test/", "Only http:// URIs"},
      {"ws://good.test/", "Only http:// URIs"},
      {"://good.test/", "Only http:// URIs"},
      {"http://good.test@bad.test/", "user information"},
      {"http://u:p@bad.test/", "user information"},
      {"http://@bad.test/", "user information"},
      {"http://good.test\\@bad.test/", "user information"},
      {"http://bad.test#@good.test/", "fragment"},
      {"http://bad.test/#x", "fragment"},
      {"http://good.test\\bad.test/", "holds \"\\\""},
      {"http:///path", "an empty text is no host"},
      {"http://", "an empty text is no host"},
      {"http://:80/", "an empty text is no host"},
      {"http://b%61d.test/", "holds \"%\""},
      {"http://bad\xe3\x80\x82test/", "write it as \"bad.test\""},
      {"http://[fe80::1%25eth0]/", "zone"},
      {"http://::1/", "brackets"},
      {"http://[::1/", "closing bracket"},
      {"http://[10.0.0.1]/", "no IPv6 address"},
      {"http://[::1]x/", "closing bracket"},
      {"http://a.test:0/", "port"},
      {"http://a.test:65536/", "port"},
      {"http://a.test:+80/", "port"},
      {"http://a.test:080/", "port"},
      {"http://a.test:80:80/", "port"},
      {"http://a.test,b.test/", "holds \",\""},
      {"http://0x7f.1/", "ends in a number"},
      {"http://167772161/", "ends in a number"},
      {"http://a.test;b/", "holds \";\""},
      {"http://a*b/", "holds \"*\""},
  };
  for (const auto& [target, says] : cases) {
    INFO(target);
    const auto found = parsed(Method::get, target);
    CHECK_THAT(found, Catch::StartsWith("400 ") && Catch::Contains(says));
  }
}

TEST_CASE("authority-form") {
  CHECK(parsed(Method::connect, "Good.Test:443") == "good.test:443 ");
  CHECK(parsed(Method::connect, "[2001:db8::1]:443") == "[2001:db8::1]:443 ");
  CHECK(parsed(Method::connect, "192.0.2.1:25") == "192.0.2.1:25 ");
  const std::vector<std::pair<std::string, std::string>> refused{
      {"good.test", "lacks a port"},
      {"good.test:", "lacks a port"},
      {"good.test:0", "no port"},
      {"good.test:65536", "no port"},
      {"good.test:99999999999", "no port"},
      {"good.test:+80", "no port"},
      {"good.test:080", "no port"},
      {"good.test:80:80", "no port"},
      {"http://good.test:443/", "HOST:PORT alone"},
      {"good.test:443/", "HOST:PORT alone"},
      {"u@good.test:443", "user information"},
      {"/", "HOST:PORT alone"},
      {"*", "holds \"*\""},
      {"[::1:443", "closing bracket"},
      {"::1:443", "brackets"},
      {":443", "an empty text"},
      {"a..b:443", "empty label"},
  };
  for (const auto& [target, says] : refused) {
    INFO(target);
    CHECK_THAT(parsed(Method::connect, target), Catch::StartsWith("400 ") && Catch::Contains(says));
  }
}

TEST_CASE("passwords are not shown") {
  CHECK(redact_target("http://user:secret@a.test/@b") == "http://***@a.test/@b");
  CHECK(redact_target("user:secret@a.test:443") == "***@a.test:443");
  CHECK(redact_target("http://a.test/@b") == "http://a.test/@b");
  CHECK(redact_target("http://a@b@c/") == "http://***@c/");
  CHECK(redact_target("/a@b") == "/a@b");
  CHECK_THAT(parsed(Method::get, "ftp://user:secret@a.test/"), !Catch::Contains("secret"));
  CHECK_THAT(parsed(Method::get, "user:secret@a.test"), !Catch::Contains("secret"));
  CHECK_THAT(parsed(Method::connect, "http://user:secret@a.test/"), !Catch::Contains("secret"));
}

}  // namespace
}  // namespace egress::http
