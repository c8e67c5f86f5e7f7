#include "common/diagnostic.hpp"

#include <catch2/catch.hpp>

namespace egress {
namespace {

std::string error_at(const Spot& spot, std::string_view message = "no") {
  Diagnostics diagnostics;
  diagnostics.error(spot, message);
  return diagnostics.to_text(Severity::error);
}

TEST_CASE("what a parser throws is an error about what it parsed") {
  Diagnostics diagnostics;
  CHECK(parse_contained("T", diagnostics, [] { return std::string("whole"); }) == "whole");
  CHECK(parse_contained("T", diagnostics, []() -> std::string {
          throw std::out_of_range("map::at");
        }).empty());
  CHECK(diagnostics.to_text(Severity::error) ==
        "T: error: internal error while parsing: map::at\n");
}

TEST_CASE("place, line and caret") {
  const struct {
    Spot spot;
    std::string expected;
  } cases[] = {
      {{"T", 2, 6, "8443 tcpp 203.0.113.26", 4},
       "T:2:6: error: no\n  2 | 8443 tcpp 203.0.113.26\n    |      ^~~~\n"},
      {{"T", 1, 1, "x", 1}, "T:1:1: error: no\n  1 | x\n    | ^\n"},
      {{"T", 1, 1, "", 1}, "T:1:1: error: no\n  1 | \n    | ^\n"},
      // The end of the line, and beyond it.
      {{"T", 1, 7, "80 tcp", 1}, "T:1:7: error: no\n  1 | 80 tcp\n    |       ^\n"},
      {{"T", 1, 99, "80 tcp", 9}, "T:1:99: error: no\n  1 | 80 tcp\n    |       ^\n"},
      {{"T", 1, 4, "80 tcp", 99}, "T:1:4: error: no\n  1 | 80 tcp\n    |    ^~~\n"},
      {{"T", 1, 4, "80 tcp", 0}, "T:1:4: error: no\n  1 | 80 tcp\n    |    ^\n"},
      // The number of the line takes its room.
      {{"T", 12345, 1, "x", 1}, "T:12345:1: error: no\n  12345 | x\n        | ^\n"},
      // Escaped text is wider than it was, before the caret and under it.
      {{"T", 1, 2, "\ty\n", 2}, "T:1:2: error: no\n  1 | \\ty\\n\n    |   ^~~\n"},
      {{"T", 1, 1, "\x1b[0m", 4}, "T:1:1: error: no\n  1 | \\x1b[0m\n    | ^~~~~~~\n"},
      {{"a\x1b\n/b", 1, 1, "x", 1}, "a\\x1b\\n/b:1:1: error: no\n  1 | x\n    | ^\n"},
  };
  for (const auto& [spot, expected] : cases) {
    CAPTURE(expected);
    CHECK(error_at(spot) == expected);
  }
}

TEST_CASE("a long line is cut on both sides of the spot") {
  const std::string line = std::string(1000, 'a') + "BAD" + std::string(1000, 'c');
  CHECK(error_at({"T", 1, 1001, line, 3}) ==
        "T:1:1001: error: no\n"
        "  1 | ..." +
            std::string(40, 'a') + "BAD" + std::string(53, 'c') + "...\n" + "    | " +
            std::string(43, ' ') + "^~~\n");
  CHECK(error_at({"T", 1, 1, line, 2003}) == "T:1:1: error: no\n  1 | " + std::string(96, 'a') +
                                                 "...\n    | ^" + std::string(95, '~') + "\n");
  CHECK(error_at({"T", 1, 2004, line, 1}) == "T:1:2004: error: no\n  1 | ..." +
                                                 std::string(40, 'c') + "\n    | " +
                                                 std::string(43, ' ') + "^\n");
}

TEST_CASE("diagnostics without a place, and warnings") {
  Diagnostics diagnostics;
  CHECK_FALSE(diagnostics.has_errors());
  CHECK(diagnostics.to_text(Severity::error) == "");
  diagnostics.warning("EGRESS_GATWAY", "no such variable");
  CHECK_FALSE(diagnostics.has_errors());
  CHECK(diagnostics.to_text(Severity::error) == "");
  CHECK(diagnostics.to_text(Severity::warning) == "EGRESS_GATWAY: warning: no such variable\n");
  diagnostics.error("EGRESS_SOURCE\n", "not set");
  diagnostics.warning({"T", 3, 1, "x", 1}, "odd");
  CHECK(diagnostics.has_errors());
  CHECK(diagnostics.errors() == 1);
  CHECK(diagnostics.to_text(Severity::error) == "EGRESS_SOURCE\\n: error: not set\n");
  CHECK(diagnostics.to_text(Severity::warning) ==
        "EGRESS_GATWAY: warning: no such variable\n"
        "T:3:1: warning: odd\n  3 | x\n    | ^\n");
}

TEST_CASE("the first fifty are kept, the rest counted") {
  Diagnostics diagnostics;
  for (int i = 1; i <= 50; ++i) diagnostics.error("T", std::to_string(i));
  CHECK(diagnostics.to_text(Severity::error).ends_with("T: error: 49\nT: error: 50\n"));
  diagnostics.error("T", "51");
  CHECK(diagnostics.to_text(Severity::error).ends_with("T: error: 50\nerror: and 1 more\n"));
  diagnostics.error("T", "52");
  CHECK(diagnostics.to_text(Severity::error).ends_with("T: error: 50\nerror: and 2 more\n"));
  CHECK(diagnostics.errors() == 52);
}

TEST_CASE("many warnings do not hide an error, nor the other way round") {
  Diagnostics diagnostics;
  for (int i = 1; i <= 60; ++i) diagnostics.warning("T", std::to_string(i));
  diagnostics.error("T", "the one that matters");
  CHECK(diagnostics.to_text(Severity::error) == "T: error: the one that matters\n");
  CHECK(diagnostics.to_text(Severity::warning).ends_with("50\nwarning: and 10 more\n"));
}

TEST_CASE("found and expected") {
  const struct {
    std::string found;
    std::string expected;
  } cases[] = {
      {"tcpp", "found \"tcpp\", expected it"},
      {"", "found \"\", expected it"},
      {"a\"b\\", "found \"a\"b\\\", expected it"},
      {"\x1b]0;x\a", "found \"\\x1b]0;x\\x07\", expected it"},
      {std::string("a\0b", 3), "found \"a\\x00b\", expected it"},
      {std::string(64, 'x'), "found \"" + std::string(64, 'x') + "\", expected it"},
      {std::string(65, 'x'), "found \"" + std::string(64, 'x') + "...\", expected it"},
      {std::string(1 << 20, 'x'), "found \"" + std::string(64, 'x') + "...\", expected it"},
      {"1\xe2\x80\x93"
       "2",
       "found \"1<U+2013>2\", expected it (a typographic character: type a plain -)"},
      {"\xe2\x80\x9cx\xe2\x80\x9d",
       "found \"<U+201C>x<U+201D>\", expected it (a typographic character: type a plain \")"},
      {"\xe2\x80\x99", "found \"<U+2019>\", expected it (a typographic character: type a plain ')"},
      {"80\xc2\xa0tcp",
       "found \"80<U+00A0>tcp\", expected it (a typographic character: type a plain space)"},
      // A character is cut off whole.
      {std::string(63, 'x') + "\xe2\x82\xac",
       "found \"" + std::string(63, 'x') + "...\", expected it"},
      {std::string(61, 'x') + "\xe2\x82\xac",
       "found \"" + std::string(61, 'x') + "<U+20AC>\", expected it"},
  };
  for (const auto& [found, expected] : cases) {
    CAPTURE(expected);
    CHECK(found_expected(found, "it") == expected);
  }
}

}  // namespace
}  // namespace egress
