#include "common/escape.hpp"

#include <catch2/catch.hpp>

namespace egress {
namespace {

TEST_CASE("text from outside is made printable") {
  const struct {
    std::string text;
    std::string expected;
  } cases[] = {
      {"", ""},
      {"80 tcp 203.0.113.25 # ~!\"'\\", "80 tcp 203.0.113.25 # ~!\"'\\"},
      {"a\tb\nc\rd", "a\\tb\\nc\\rd"},
      {std::string("\0\x01\x1f", 3), "\\x00\\x01\\x1f"},
      {"\x1b[31mred\x7f", "\\x1b[31mred\\x7f"},
      {"8000\xe2\x80\x93"
       "8009",
       "8000<U+2013>8009"},
      {"\xc2\x80\xc2\x85\xc2\xa0", "<U+0080><U+0085><U+00A0>"},  // C1 controls, no-break space
      {"\xdf\xbf\xe0\xa0\x80", "<U+07FF><U+0800>"},
      {"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf", "<U+D7FF><U+E000><U+FFFF>"},
      {"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "<U+10000><U+10FFFF>"},
      {"\xe2\x80\xae", "<U+202E>"},  // right-to-left override
      {"\xff\xfe", "\\xff\\xfe"},
      {"\x80\xbf", "\\x80\\xbf"},                    // no lead byte
      {"\xe2\x80", "\\xe2\\x80"},                    // cut short
      {"\xe2\x80x", "\\xe2\\x80x"},                  // broken off
      {"\xc3\xc3\xa4", "\\xc3<U+00E4>"},             // a lead byte in place of the second
      {"\xc0\xaf\xc1\xbf", "\\xc0\\xaf\\xc1\\xbf"},  // overlong, 2 bytes
      {"\xe0\x80\xaf", "\\xe0\\x80\\xaf"},           // overlong, 3 bytes
      {"\xe0\x9f\xbf", "\\xe0\\x9f\\xbf"},
      {"\xf0\x80\x80\xaf", "\\xf0\\x80\\x80\\xaf"},  // overlong, 4 bytes
      {"\xf0\x8f\xbf\xbf", "\\xf0\\x8f\\xbf\\xbf"},
      {"\xed\xa0\x80", "\\xed\\xa0\\x80"},  // half a surrogate pair
      {"\xed\xbf\xbf", "\\xed\\xbf\\xbf"},
      {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"},  // beyond U+10FFFF
      {"\xf5\x80\x80\x80", "\\xf5\\x80\\x80\\x80"},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(expected);
    CHECK(escape(text) == expected);
  }
}

TEST_CASE("whatever two bytes come, what is printed is printable ASCII") {
  for (int first = 0; first < 256; ++first) {
    for (int second = 0; second < 256; ++second) {
      const std::string text{static_cast<char>(first), static_cast<char>(second), '\x80', '\xbf'};
      for (const char c : escape(text)) {
        if (c < ' ' || c > '~') FAIL("not printable, after " << first << " " << second);
      }
    }
  }
}

TEST_CASE("length of the first character") {
  CHECK(utf8_length("") == 0);
  CHECK(utf8_length("a") == 1);
  CHECK(utf8_length(std::string_view("\0", 1)) == 1);
  CHECK(utf8_length("\x7f") == 1);
  CHECK(utf8_length("\xc2\x80 more") == 2);
  CHECK(utf8_length("\xe2\x80\x93") == 3);
  CHECK(utf8_length("\xf0\x9f\x98\x80") == 4);
  for (const std::string_view text :
       {"\x80", "\xc1\x80", "\xc2", "\xc2 ", "\xe2\x80", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xf0\x9f\x98", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf8\x80\x80\x80", "\xff"}) {
    CAPTURE(escape(text));
    CHECK(utf8_length(text) == 0);
  }
}

}  // namespace
}  // namespace egress
