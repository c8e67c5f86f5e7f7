// The access log's lines, and the rules that are suggested from them.
#include "http-proxy/access_record.hpp"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "http-proxy/suggest.hpp"
#include "test/support/parse.hpp"

namespace egress::http {
namespace {

using test::ip;

AccessRecord record() {
  AccessRecord one;
  one.time = std::chrono::system_clock::time_point(std::chrono::milliseconds(1795413600123));
  one.client = ip("10.128.0.7");
  one.client_port = 40312;
  one.method = "GET";
  one.target = "http://example.com/";
  one.status = 200;
  one.verdict = Verdict::allow;
  one.reason = Reason::name_rule;
  one.rule_line = 3;
  one.upstream = ip("192.0.2.7");
  one.upstream_port = 80;
  one.bytes_in = 312;
  one.bytes_out = 1270;
  one.resolve = std::chrono::milliseconds(3);
  one.connect = std::chrono::milliseconds(12);
  one.total = std::chrono::milliseconds(31);
  return one;
}

std::string line(const AccessRecord& one, AccessLogFormat format = AccessLogFormat::text) {
  std::string out;
  append_access_line(one, format, out);
  return out;
}

TEST_CASE("a line as text") {
  CHECK(
      line(record()) ==
      "2026-11-23T06:00:00.123Z 10.128.0.7:40312 GET http://example.com/ 200 allow rule=3 "
      "reason=name_rule "
      "upstream=192.0.2.7:80 bytes_in=312 bytes_out=1270 resolve_ms=3 connect_ms=12 total_ms=31\n");
  CHECK(line(record(), AccessLogFormat::off) == "");
}

TEST_CASE("a line as JSON") {
  auto one = record();
  one.error = ProxyError::connection_terminated;
  one.sni = SniOutcome::mismatch;
  one.server_name = "other.test";
  const auto json = nlohmann::json::parse(line(one, AccessLogFormat::json));
  CHECK(json == nlohmann::json{{"time", "2026-11-23T06:00:00.123Z"},
                               {"client", "10.128.0.7:40312"},
                               {"method", "GET"},
                               {"target", "http://example.com/"},
                               {"status", 200},
                               {"verdict", "allow"},
                               {"rule", 3},
                               {"reason", "name_rule"},
                               {"upstream", "192.0.2.7:80"},
                               {"bytes_in", 312},
                               {"bytes_out", 1270},
                               {"resolve_ms", 3},
                               {"connect_ms", 12},
                               {"total_ms", 31},
                               {"error", "connection_terminated"},
                               {"sni", "mismatch"},
                               {"server_name", "other.test"}});
}

TEST_CASE("what is not known is left out") {
  AccessRecord one;
  one.time = record().time;
  one.client = ip("2001:db8::7");
  one.client_port = 1;
  CHECK(line(one) ==
        "2026-11-23T06:00:00.123Z [2001:db8::7]:1 - - - - bytes_in=0 bytes_out=0 total_ms=0\n");
  CHECK(nlohmann::json::parse(line(one, AccessLogFormat::json))["verdict"] == "");
}

TEST_CASE("would-deny where rules are not enforced") {
  auto one = record();
  one.verdict = Verdict::deny;
  CHECK_THAT(line(one), Catch::Contains(" 200 deny rule=3"));
  one.enforcement = Enforcement::report_only;
  CHECK_THAT(line(one), Catch::Contains(" 200 would-deny rule=3"));
  one.verdict = Verdict::allow;
  CHECK_THAT(line(one), Catch::Contains(" 200 allow rule=3"));
}

TEST_CASE("one line stays one line, whatever stands in it") {
  auto one = record();
  one.method = "G\nET";
  one.target = "http://a.test/\r\n\"x\" \\ \x1b[31m\xc3\xa9\xff";
  const auto text = line(one);
  CHECK(std::count(text.begin(), text.end(), '\n') == 1);
  CHECK_THAT(text,
             Catch::Contains(
                 "\"G\\nET\" \"http://a.test/\\r\\n\\\"x\\\" \\ \\x1b[31m<U+00E9>\\xff\" 200"));
  const auto json = line(one, AccessLogFormat::json);
  CHECK(std::count(json.begin(), json.end(), '\n') == 1);
  CHECK(nlohmann::json::parse(json)["method"] == "G\nET");
  const std::string large = "http://a.test/" + std::string(20000, 'a');
  one.target = large;
  CHECK(line(one).size() < 3000);
}

TEST_CASE("credentials are not logged") {
  auto one = record();
  one.target = "http://user:secret@a.test/";
  CHECK_THAT(line(one), Catch::Contains(" http://***@a.test/ ") && !Catch::Contains("secret"));
}

TEST_CASE("times change with the second") {
  auto one = record();
  line(one);
  one.time += std::chrono::milliseconds(900);
  CHECK_THAT(line(one), Catch::StartsWith("2026-11-23T06:00:01.023Z "));
}

TEST_CASE("rules out of a log of either format") {
  for (const auto format : {AccessLogFormat::text, AccessLogFormat::json}) {
    Suggestion suggestion;
    std::string log;
    const auto ask = [&](std::string_view method, std::string_view target, Verdict verdict,
                         bool reached) {
      auto one = record();
      one.method = method;
      one.target = target;
      one.verdict = verdict;
      one.enforcement = Enforcement::report_only;
      if (!reached) one.upstream.reset();
      append_access_line(one, format, log);
    };
    ask("GET", "http://Www.example.com/a", Verdict::deny, true);
    ask("CONNECT", "www.example.com:443", Verdict::allow, true);
    ask("CONNECT", "api.example.com:443", Verdict::allow, true);
    ask("GET", "http://other.test/", Verdict::deny, true);
    ask("GET", "http://192.0.2.7:8080/", Verdict::deny, true);
    ask("GET", "http://[2001:db8::7]/", Verdict::deny, true);
    ask("GET", "http://nowhere.test/", Verdict::deny, false);
    ask("GET", "/not-absolute", Verdict::deny, false);
    auto refused = record();
    refused.target = "http://bad.test/";
    refused.verdict = Verdict::deny;
    append_access_line(refused, format, log);
    log += "some other line\n\n{not json\n";
    std::size_t at = 0;
    while (at < log.size()) {
      const auto end = log.find('\n', at);
      suggestion.add_line(std::string_view(log).substr(at, end - at));
      at = end + 1;
    }
    CHECK(suggestion.to_text() ==
          "api.example.com  # 1 request\nwww.example.com  # 2 requests\nother.test  # 1 request\n"
          "192.0.2.7  # 1 request\n2001:db8::7  # 1 request\n"
          "# denied: bad.test, 1 request\n# never reached: nowhere.test, 1 request\n");
    CHECK(suggestion.skipped() == 3);
    Diagnostics diagnostics;
    CHECK(parse_rules({"S", suggestion.to_text()}, diagnostics).rules.size() == 5);
    CHECK_FALSE(diagnostics.has_errors());
  }
}

TEST_CASE("quoted words keep the columns of a line") {
  Suggestion suggestion;
  suggestion.add_line(
      R"(2026-11-23T06:00:00.123Z 10.0.0.7:1 "G \"x y" http://a.test/ 200 would-deny reason=no_rule upstream=192.0.2.1:80)");
  CHECK(suggestion.to_text() == "a.test  # 1 request\n");
  suggestion.add_line(R"(2026 c "unfinished \)");
  CHECK(suggestion.skipped() == 1);
}

}  // namespace
}  // namespace egress::http
