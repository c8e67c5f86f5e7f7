#include "common/host.hpp"

#include <catch2/catch.hpp>
#include <string>
#include <vector>

#include "test/support/parse.hpp"

namespace egress {
namespace {

using test::ip;

struct Case {
  std::string input;
  std::string expected;  // canonical, or what the error says
};

TEST_CASE("host names in their canonical spelling") {
  const std::vector<Case> cases{
      {"BAD.test", "bad.test"},
      {"bad.test.", "bad.test"},
      {"a.BAD.TEST.", "a.bad.test"},
      {"www", "www"},
      {"cafe.de", "cafe.de"},
      {"_dmarc.example.com", "_dmarc.example.com"},
      {"r3---sn-4g5e.example.com", "r3---sn-4g5e.example.com"},
      {"xn--bcher-kva.example", "xn--bcher-kva.example"},
      {"1.example", "1.example"},
      {"0x7f.example", "0x7f.example"},
      {"a.0xg", "a.0xg"},
      {std::string(63, 'a') + ".test", std::string(63, 'a') + ".test"},
  };
  for (const auto& [input, expected] : cases) {
    INFO(input);
    const auto name = parse_host_name(input);
    REQUIRE(name.has_value());
    CHECK(name.value() == expected);
  }
}

TEST_CASE("names of 253 bytes are the longest") {
  std::string name;
  while (name.size() < 250) name += "a.";
  name += "bcd";
  REQUIRE(name.size() == 253);
  CHECK(parse_host_name(name).has_value());
  CHECK(parse_host_name(name + ".").has_value());
  CHECK(parse_host_name("x" + name).error().text.ends_with("is over 253 bytes long"));
  CHECK_FALSE(parse_host_name(std::string(1U << 20U, 'a')).has_value());
}

TEST_CASE("what is no host name is refused, with the reason") {
  using namespace std::string_literals;
  const std::vector<Case> cases{
      {"", "an empty text is no host"},
      {".", "\".\" has an empty label"},
      {"bad.test..", "\"bad.test..\" has an empty label"},
      {".bad.test", "\".bad.test\" has an empty label"},
      {"a..bad.test", "\"a..bad.test\" has an empty label"},
      {std::string(64, 'a') + ".test", "has a label of over 63 bytes"},
      {"b%61d.test", "\"b%61d.test\" holds \"%\", which no host name may"},
      {"bad test", "holds \" \", which no host name may"},
      {"bad/test", "holds \"/\""},
      {"good.test\\@bad.test", "holds \"\\\""},
      {"a@b", "holds \"@\""},
      {"a,b", "holds \",\""},
      {"<a>", "holds \"<\""},
      {"a\0b"s, "holds \"\\x00\""},
      {"a\x01", "holds \"\\x01\""},
      {"\xf4\x96\x8c\x84.test", "write the name in its A-label form"},  // above U+10FFFF
      {"\u201cexample.com\u201d", "holds a typographic character: type a plain \""},
      {"a.test\u2019", "holds a typographic character: type a plain '"},
      {"a\u00a0b", "holds a typographic character: type a plain space"},
      {"a\u2013b.test", "holds a typographic character: type a plain -"},
      {"a\xff", "is not plain ASCII: write the name in its A-label form"},
      {"bad\u3002test", "is not plain ASCII: write it as \"bad.test\""},
      {"ba\u00add.test", "write it as \"bad.test\""},
      {"\uff42\uff41\uff44.test", "write it as \"bad.test\""},
      {"b\u00fccher.example", "write it as \"xn--bcher-kva.example\""},
      {"B\u00dcCHER.example", "write it as \"xn--bcher-kva.example\""},
      {"\u043f\u0440\u0438\u043c\u0435\u0440.\u0440\u0444",
       "write it as \"xn--e1afmkfd.xn--p1ai\""},
      {"\u4f8b\u3048.\u30c6\u30b9\u30c8", "write it as \"xn--r8jz45g.xn--zckzah\""},
      {"bu\u0308cher.example", "write the name in its A-label form"},
  };
  for (const auto& [input, expected] : cases) {
    INFO(input);
    const auto name = parse_host_name(input);
    REQUIRE_FALSE(name.has_value());
    CHECK_THAT(name.error().text, Catch::Contains(expected));
  }
}

TEST_CASE("numbers that some resolvers read as addresses are neither names nor addresses") {
  for (const std::string input :
       {"0x0a000001", "167772161", "012.0.0.1", "10.1", "10.0.0.1.", "10.0.0.01", "0x7f.1",
        "10.0.0.300", "10.0.0.0x1", "a.0x", "a.1"}) {
    INFO(input);
    const auto host = parse_host(input);
    REQUIRE_FALSE(host.has_value());
    CHECK_THAT(host.error().text, Catch::Contains("ends in a number, but is no address"));
  }
}

TEST_CASE("hosts: names, dotted quads, IPv6 in brackets") {
  CHECK(parse_host("10.0.0.1").value().address() == ip("10.0.0.1"));
  CHECK(parse_host("[2001:DB8::1]").value().address() == ip("2001:db8::1"));
  CHECK(parse_host("Example.COM").value().name() == "example.com");
  CHECK(parse_bare_host("2001:db8::1").value().address() == ip("2001:db8::1"));
  CHECK(to_text(parse_host("[2001:db8::1]").value()) == "[2001:db8::1]");
  const std::vector<Case> refused{
      {"[::1", "lacks the closing bracket"},
      {"[", "lacks the closing bracket"},
      {"[]", "holds no IPv6 address"},
      {"[10.0.0.1]", "holds no IPv6 address within its brackets"},
      {"[bad.test]", "holds no IPv6 address within its brackets"},
      {"[fe80::1%25eth0]", "names a zone"},
      {"[fe80::1%eth0]", "names a zone"},
      {"::1", "write it in brackets"},
  };
  for (const auto& [input, expected] : refused) {
    INFO(input);
    REQUIRE_FALSE(parse_host(input).has_value());
    CHECK_THAT(parse_host(input).error().text, Catch::Contains(expected));
  }
}

TEST_CASE("host and port") {
  CHECK(to_text(parse_host_port("Bad.Test:8080").value()) == "bad.test:8080");
  CHECK(to_text(parse_host_port("[2001:db8::1]:443").value()) == "[2001:db8::1]:443");
  CHECK(to_text(parse_host_port("good.test", 80).value()) == "good.test:80");
  CHECK(to_text(parse_host_port("good.test:", 80).value()) == "good.test:80");
  CHECK(to_text(parse_host_port("[::1]", 80).value()) == "[::1]:80");
  for (const std::string input :
       {"a.test:0", "a.test:65536", "a.test:99999999999", "a.test:+80", "a.test: 80", "a.test:080",
        "a.test:80:80", "a.test:80a", "[::1]:", "a.test", "a.test:", "::1:80", "[::1]80",
        "[::1]x:80", ":80", ""}) {
    INFO(input);
    CHECK_FALSE(parse_host_port(input).has_value());
  }
  CHECK_THAT(parse_host_port("::1:80").error().text,
             Catch::Contains("write an IPv6 address in brackets"));
  CHECK_THAT(parse_host_port("a.test").error().text, Catch::Contains("lacks a port"));
}

TEST_CASE("name patterns") {
  const auto subtree = parse_name_pattern("*.Example.com.").value();
  CHECK(to_text(subtree) == "*.example.com");
  CHECK(subtree.matches("example.com"));
  CHECK(subtree.matches("a.b.example.com"));
  CHECK_FALSE(subtree.matches("badexample.com"));
  CHECK_FALSE(subtree.matches("com"));
  const auto exact = parse_name_pattern("example.com").value();
  CHECK(exact.matches("example.com"));
  CHECK_FALSE(exact.matches("www.example.com"));
  for (const std::string input :
       {"*.", "*.*.a", "a*", "*a", "..", "a.*", "", "*", "!a", "a\\", "*.10.1"}) {
    INFO(input);
    CHECK_FALSE(parse_name_pattern(input).has_value());
  }
}

TEST_CASE("listen addresses") {
  CHECK(*parse_listen_address(":8080") == ListenAddress{std::nullopt, 8080});
  CHECK(parse_listen_address("10.0.0.1:8080") == ListenAddress{ip("10.0.0.1"), 8080});
  CHECK(parse_listen_address("[::1]:9180") == ListenAddress{ip("::1"), 9180});
  CHECK(to_text(*parse_listen_address("[::1]:9180")) == "[::1]:9180");
  for (const std::string input :
       {"8080", ":", ":0", "::1:80", "a.test:80", "10.0.0.1:", "10.0.0.1"}) {
    INFO(input);
    CHECK_FALSE(parse_listen_address(input).has_value());
  }
}

}  // namespace
}  // namespace egress
