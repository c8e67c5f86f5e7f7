#include "common/log.hpp"

#include <catch2/catch.hpp>

#include "common/rate_limit.hpp"
#include "test/support/parse.hpp"

namespace egress {
namespace {

using std::chrono::milliseconds;
using namespace std::chrono_literals;
using test::environment;

constexpr std::chrono::system_clock::time_point kTime{milliseconds(1795413600123)};

std::string text_line(std::string_view message) {
  return format_log_line({kTime, LogLevel::info, "egress-wait", message}, LogFormat::text);
}

std::string json_line(std::string_view message) {
  return format_log_line({kTime, LogLevel::warn, "egress-wait", message}, LogFormat::json);
}

TEST_CASE("a line of text") {
  const std::string begin = "2026-11-23T06:00:00.123Z info egress-wait: ";
  const struct {
    std::string message;
    std::string expected;
  } cases[] = {
      {"holding the pod", "holding the pod"},
      {"", ""},
      {"first\nsecond\n", "first\n  second\n  "},
      {"a\r\tb\x1b[31m\x7f", "a\\r\\tb\\x1b[31m\\x7f"},
      {"caf\xc3\xa9 \xff", "caf<U+00E9> \\xff"},
      {std::string("a\0b", 3), "a\\x00b"},
      {"{} %s %n", "{} %s %n"},
  };
  for (const auto& [message, expected] : cases) {
    CAPTURE(expected);
    CHECK(text_line(message) == begin + expected + "\n");
  }
}

TEST_CASE("a line of JSON") {
  const std::string begin =
      "{\"time\":\"2026-11-23T06:00:00.123Z\",\"level\":\"warn\",\"program\":\"egress-wait\","
      "\"message\":\"";
  const struct {
    std::string message;
    std::string expected;
  } cases[] = {
      {"holding the pod", "holding the pod"},
      {"", ""},
      {"a\"b\\c/", "a\\\"b\\\\c/"},
      {"first\nsecond\r\t", "first\\nsecond\\r\\t"},
      {std::string("\0\x1f\x7f", 3), "\\u0000\\u001f\x7f"},
      {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80"},
      {"\xff\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
      {"\xe2\x82", "\xef\xbf\xbd"},
      {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},  // what no JSON reader takes
      {"\xc0\x80", "\xef\xbf\xbd\xef\xbf\xbd"},
  };
  for (const auto& [message, expected] : cases) {
    CAPTURE(expected);
    CHECK(json_line(message) == begin + expected + "\"}\n");
  }
}

TEST_CASE("time of a line") {
  const auto at = [](milliseconds time) {
    return format_log_line({std::chrono::system_clock::time_point(time), LogLevel::debug, "p", "m"},
                           LogFormat::text);
  };
  CHECK(at(milliseconds(0)) == "1970-01-01T00:00:00.000Z debug p: m\n");
  CHECK(at(milliseconds(999)) == "1970-01-01T00:00:00.999Z debug p: m\n");
  CHECK(at(milliseconds(1709164799007)) == "2024-02-28T23:59:59.007Z debug p: m\n");
  CHECK(at(milliseconds(4102444799999)) == "2099-12-31T23:59:59.999Z debug p: m\n");
}

TEST_CASE("log options") {
  const struct {
    std::string level;
    std::string format;
    LogLevel expected_level;
    LogFormat expected_format;
    std::string errors;
  } cases[] = {
      {"", "", LogLevel::info, LogFormat::text, ""},
      {"debug", "text", LogLevel::debug, LogFormat::text, ""},
      {"info", "json", LogLevel::info, LogFormat::json, ""},
      {"warn", "", LogLevel::warn, LogFormat::text, ""},
      {"error", "", LogLevel::error, LogFormat::text, ""},
      {"loud", "", LogLevel::info, LogFormat::text,
       "EGRESS_LOG_LEVEL:1:1: error: found \"loud\", expected debug, info, warn or error\n"
       "  1 | loud\n"
       "    | ^~~~\n"},
      {"INFO", "xml", LogLevel::info, LogFormat::text,
       "EGRESS_LOG_LEVEL:1:1: error: found \"INFO\", expected debug, info, warn or error\n"
       "  1 | INFO\n"
       "    | ^~~~\n"
       "EGRESS_LOG_FORMAT:1:1: error: found \"xml\", expected text or json\n"
       "  1 | xml\n"
       "    | ^~~\n"},
      {"info\n", "", LogLevel::info, LogFormat::text,
       "EGRESS_LOG_LEVEL:1:1: error: found \"info\\n\", expected debug, info, warn or error\n"
       "  1 | info\\n\n"
       "    | ^~~~~~\n"},
  };
  for (const auto& one : cases) {
    CAPTURE(one.level, one.format);
    Diagnostics diagnostics;
    const auto options = parse_log_options(
        environment({{"EGRESS_LOG_LEVEL", one.level}, {"EGRESS_LOG_FORMAT", one.format}}),
        diagnostics);
    CHECK(options.level == one.expected_level);
    CHECK(options.format == one.expected_format);
    CHECK(diagnostics.to_text(Severity::error) == one.errors);
  }
}

TEST_CASE("a kind of event is logged a few times per interval, and what was left out is counted") {
  RateLimit limit({.count = 2, .interval = 10s});
  RateLimit::Clock::time_point now{};
  CHECK(limit.admit(now) == 0);
  CHECK(limit.admit(now + 1s) == 0);
  for (int i = 0; i < 3; ++i) CHECK_FALSE(limit.admit(now + 9s));
  CHECK(limit.admit(now + 10s) == 3);
  CHECK(limit.admit(now + 11s) == 0);
  CHECK_FALSE(limit.admit(now + 12s));
}

}  // namespace
}  // namespace egress
