#include "common/fields.hpp"

#include <catch2/catch.hpp>
#include <string>

namespace egress {
namespace {

// "2: [80]@1 [tcp]@4\n" for each line.
std::string scanned(std::string_view text) {
  std::string out;
  LineScanner scanner(text);
  while (const Line* line = scanner.next()) {
    out += std::to_string(line->number) + ":";
    for (const auto& field : line->fields) {
      out += " [" + std::string(field.text) + "]@" + std::to_string(field.column);
    }
    out += "\n";
  }
  CHECK(scanner.next() == nullptr);
  return out;
}

TEST_CASE("lines and fields, with where they stand") {
  const struct {
    std::string text;
    std::string expected;
  } cases[] = {
      {"", ""},
      {"\n", ""},
      {"\r\n \t\r\n\n", ""},
      {"80", "1: [80]@1\n"},
      {"80\n", "1: [80]@1\n"},
      {"80 tcp\n81 udp\n", "1: [80]@1 [tcp]@4\n2: [81]@1 [udp]@4\n"},
      {"80\ttcp\r\n81\tudp\r\n", "1: [80]@1 [tcp]@4\n2: [81]@1 [udp]@4\n"},
      {"\n\n  80 \t tcp  \n", "3: [80]@3 [tcp]@8\n"},
      {"# only\n  # that\n80\n", "3: [80]@1\n"},
      {"80 # tcp\n", "1: [80]@1\n"},
      {"80 #tcp\n", "1: [80]@1\n"},
      {"80#tcp\n", "1: [80#tcp]@1\n"},
      {"#", ""},
      {"\xef\xbb\xbf"
       "80\n",
       "1: [80]@1\n"},
      {"\xef\xbb\xbf", ""},
      {"80\n\xef\xbb\xbf"
       "81\n",
       "1: [80]@1\n2: [\xef\xbb\xbf"
       "81]@1\n"},
      {"\xef\xbb"
       "80",
       "1: [\xef\xbb"
       "80]@1\n"},
      {"80\rtcp\n", "1: [80\rtcp]@1\n"},      // a carriage return alone ends nothing
      {"80\r\r\n", "1: [80\r]@1\n"},          // one of them is the line's end
      {"80\r", "1: [80]@1\n"},                // as if the line feed had been cut off
      {"80\vtcp\f\n", "1: [80\vtcp\f]@1\n"},  // no other blanks
      {"80\xc2\xa0tcp", "1: [80\xc2\xa0tcp]@1\n"},
      {"\"80 tcp\" \\\n81", "1: [\"80]@1 [tcp\"]@5 [\\]@10\n2: [81]@1\n"},
      {std::string("80\0 tcp\0\n\0", 10), std::string("1: [80\0]@1 [tcp\0]@5\n2: [\0]@1\n", 29)},
  };
  for (const auto& [text, expected] : cases) {
    CAPTURE(text);
    CHECK(scanned(text) == expected);
  }
}

TEST_CASE("a line keeps its text without its end") {
  LineScanner scanner("\n  80 tcp # x \r\n81");
  const Line* line = scanner.next();
  REQUIRE(line != nullptr);
  CHECK(line->text == "  80 tcp # x ");
  CHECK(line->number == 2);
  line = scanner.next();
  REQUIRE(line != nullptr);
  CHECK(line->text == "81");
  CHECK(line->number == 3);
}

TEST_CASE("a text of a million empty lines is passed over") {
  CHECK(scanned(std::string(1'000'000, '\n') + "80") == "1000001: [80]@1\n");
}

}  // namespace
}  // namespace egress
