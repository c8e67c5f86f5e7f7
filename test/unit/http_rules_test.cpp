#include "http-proxy/rules.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::http {
namespace {

struct Parsed {
  RuleTable table;
  std::string errors;
  std::string warnings;
};

Parsed parse(const std::string& text) {
  Diagnostics diagnostics;
  auto table = parse_rules({"RULES", text}, diagnostics);
  return {std::move(table), diagnostics.to_text(Severity::error),
          diagnostics.to_text(Severity::warning)};
}

std::string printed(const RuleTable& table) {
  std::string text;
  for (const auto& rule : table.rules)
    text += std::to_string(rule.line) + " " + to_text(rule) + "\n";
  return text;
}

TEST_CASE("the reference rules") {
  const auto [table, errors, warnings] =
      parse("!perdu.com\n!*.perdu.com\n\n# the neighbours\n!10.42.253.0/24\n*\n");
  CHECK(errors == "");
  CHECK(warnings == "");
  CHECK(table.source == "RULES");
  CHECK(printed(table) == "1 !perdu.com\n2 !*.perdu.com\n5 !10.42.253.0/24\n6 *\n");
}

TEST_CASE("all forms, in one canonical spelling") {
  const auto [table, errors, warnings] = parse(
      "\xef\xbb\xbfwww\r\n  Cafe.DE.  # "
      "comment\n192.0.2.7\n!fe80::/10\n2001:DB8::7\n::ffff:10.0.0.0/104\n!*");
  CHECK(errors == "");
  CHECK(printed(table) ==
        "1 www\n2 cafe.de\n3 192.0.2.7\n4 !fe80::/10\n5 2001:db8::7\n6 10.0.0.0/8\n7 !*\n");
}

TEST_CASE("every error at once, with line, column and caret") {
  const auto errors =
      parse("!\n!!a\n  *.*.a\nexample.com 10.0.0.1\n! b\n10.0.0.0/99\n*\nlate.test\n").errors;
  CHECK(errors ==
        "RULES:1:1: error: found \"!\", expected what to deny after the !\n"
        "  1 | !\n"
        "    | ^\n"
        "RULES:2:2: error: \"!a\" holds \"!\", which no host name may; expected *, a name such as "
        "example.com or "
        "*.example.com, an address or a prefix, with ! in front to deny\n"
        "  2 | !!a\n"
        "    |  ^~\n"
        "RULES:3:3: error: \"*.*.a\" has a star elsewhere than in \"*.\" at its beginning; "
        "expected *, a name such "
        "as example.com or *.example.com, an address or a prefix, with ! in front to deny\n"
        "  3 |   *.*.a\n"
        "    |   ^~~~~\n"
        "RULES:4:13: error: found \"10.0.0.1\", expected the end of the line or a # comment\n"
        "  4 | example.com 10.0.0.1\n"
        "    |             ^~~~~~~~\n"
        "RULES:5:3: error: found \"b\", expected no space after the !\n"
        "  5 | ! b\n"
        "    |   ^\n"
        "RULES:6:1: error: found \"10.0.0.0/99\", expected an IPv4 or IPv6 address or "
        "ADDRESS/LENGTH, or a name "
        "without scheme, port or path\n"
        "  6 | 10.0.0.0/99\n"
        "    | ^~~~~~~~~~~\n"
        "RULES:8:1: error: a rule after the * of line 7, expected that to be the last\n"
        "  8 | late.test\n"
        "    | ^~~~~~~~~\n");
}

TEST_CASE("what is no rule is refused") {
  for (const std::string text : {"10.0.0.300",
                                 "..",
                                 "*.",
                                 "a*",
                                 "a.test\\",
                                 "10.0.0.1.",
                                 "0x7f.1",
                                 "010.0.0.1",
                                 "10.0.0.0/08",
                                 "10.0.0.0/+8",
                                 "http://a.test/",
                                 "a.test:80",
                                 "a.test/",
                                 "a_b.te st",
                                 "fe80::1%eth0",
                                 "[::1]",
                                 "a\xc2\xa0"
                                 "b",
                                 "a\x01"
                                 "b",
                                 "\xe2\x80\x93",
                                 "bad\xe3\x80\x82test"}) {
    INFO(text);
    CHECK(parse(text).errors != "");
  }
}

TEST_CASE("no rule at all is an error, as allowing nothing and allowing everything look alike") {
  CHECK_THAT(parse("").errors, Catch::StartsWith("RULES: error: holds no rule"));
  CHECK_THAT(parse("\n# nothing\n \n").errors, Catch::StartsWith("RULES: error: holds no rule"));
}

TEST_CASE("a rule that can never apply has a warning that names the line above it") {
  const struct {
    std::string text;
    std::string line;  // empty: no warning
  } cases[] = {
      {"*.example.com\n!bad.example.com", "1"},
      {"*.example.com\n!*.bad.example.com", "1"},
      {"*.example.com\n!example.com", "1"},  // it matches the domain itself
      {"a.test\n*.example.com\n*.com\n!x.example.com", "2"},
      {"!*.com\nexample.com\n*", "1"},
      {"10.0.0.0/8\n!10.1.0.0/16", "1"},
      {"10.0.0.0/8\n!10.1.0.1", "1"},
      {"10.0.0.0/8\n!::ffff:10.1.0.0/112", "1"},
      {"!2001:db8::/32\n2001:db8::7", "1"},
      {"::/0\n!64:ff9b::/96", ""},  // an allow rule for it must name the embedding
      {"10.0.0.0/8\n10.0.0.0/8", "1"},
      {"!bad.example.com\n*.example.com", ""},
      {"!10.1.0.0/16\n10.0.0.0/8", ""},
      {"example.com\n!bad.example.com", ""},
      {"*.example.com\n!badexample.com", ""},
      {"10.0.0.0/8\n!11.0.0.0/16", ""},
      {"0.0.0.0/0\n127.0.0.1", ""},  // it opens what the wider rule does not
      {"0.0.0.0/0\n!bad.example.com", ""},
      {"*.example.com\n!10.0.0.0/8", ""},
  };
  for (const auto& [text, line] : cases) {
    INFO(text);
    const auto warnings = parse(text).warnings;
    if (line.empty()) {
      CHECK(warnings == "");
    } else {
      CHECK_THAT(warnings, Catch::Contains("warning: never applies: line " + line + ", above it"));
    }
  }
}

TEST_CASE("deny rules alone have a warning") {
  CHECK_THAT(parse("!a.test\n!10.0.0.0/8\n").warnings,
             Catch::StartsWith("RULES: warning: holds deny rules only"));
  CHECK_THAT(parse("!*\n").warnings, Catch::Contains("deny rules only"));
  CHECK(parse("!a.test\n*\n").warnings == "");
}

TEST_CASE("warnings: host bits, and rules that stand there already") {
  CHECK(parse("10.1.2.3/8\n").warnings ==
        "RULES:1:1: warning: bits behind the prefix length are set, it is read as 10.0.0.0/8\n"
        "  1 | 10.1.2.3/8\n"
        "    | ^~~~~~~~~~\n");
  CHECK_THAT(parse("a.test\n!A.test.\n").warnings,
             Catch::Contains("2:1: warning: never applies: line 1, above it, matches"));
  CHECK(printed(parse("10.1.2.3/8\n").table) == "1 10.0.0.0/8\n");
}

}  // namespace
}  // namespace egress::http
