// What one request costs in the pure part: reading the head, deciding, writing the head that goes
// on; and whether a decision's cost grows with the rules. Prints nanoseconds; asserts nothing.
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

#include "http-proxy/access_record.hpp"
#include "http-proxy/headers.hpp"
#include "http-proxy/policy.hpp"

namespace egress::http {
namespace {

std::size_t kept = 0;  // what the measured code returns, so that it is not optimised away

template <class Work>
double nanoseconds(std::size_t rounds, Work work) {
  const auto begin = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < rounds; ++i) kept += work(i);
  const auto time = std::chrono::steady_clock::now() - begin;
  return std::chrono::duration<double, std::nano>(time).count() / static_cast<double>(rounds);
}

// Half names, half prefixes, all to deny, with * behind them.
Policy policy_of(std::size_t rules) {
  NamedText text{"RULES", {}};
  for (std::size_t i = 0; i < rules; ++i) {
    if (i % 2 == 0) {
      text.text += "!*.name" + std::to_string(i) + ".example.com\n";
    } else {
      text.text += "!10." + std::to_string(i >> 16U & 255U) + "." + std::to_string(i >> 8U & 255U) +
                   "." + std::to_string(i & 255U) + "\n";
    }
  }
  Diagnostics diagnostics;
  return Policy(parse_rules({"RULES", text.text + "*\n"}, diagnostics), {});
}

void measure_decisions() {
  for (const std::size_t rules : {10U, 1000U, 100'000U}) {
    const auto policy = policy_of(rules);
    std::vector<Host> hosts;
    for (std::size_t i = 0; i < 1024; ++i) {
      hosts.push_back(
          Host::of_name("www.name" + std::to_string(i * 97 % (2 * rules)) + ".example.com"));
    }
    const std::vector<IpAddress> answers{*parse_ip_address("10.200.1.2"),
                                         *parse_ip_address("2001:db8::7")};
    const double time = nanoseconds(300'000, [&](std::size_t i) {
      const Question question{hosts[i % hosts.size()], 80, Access::forward};
      auto decision = policy.decide(question);
      if (decision.next == Next::resolve) decision = policy.decide(question, answers);
      return decision.line;
    });
    std::printf("decision, %6zu rules: %7.0f ns\n", rules, time);
  }
}

void measure_heads() {
  const std::string request_text =
      "GET http://origin.example.com:8080/index.html?x=1 HTTP/1.1\r\nHost: "
      "origin.example.com:8080\r\n"
      "User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Firefox/115.0\r\n"
      "Accept: "
      "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n"
      "Accept-Language: en-US,en;q=0.5\r\nAccept-Encoding: gzip, deflate\r\nProxy-Connection: "
      "keep-alive\r\n\r\n";
  const std::string response_text =
      "HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Mon, 23 Nov 2026 06:00:00 "
      "GMT\r\nContent-Type: "
      "text/html\r\nContent-Length: 1024\r\nLast-Modified: Mon, 23 Nov 2026 05:00:00 "
      "GMT\r\nConnection: "
      "keep-alive\r\nETag: \"6542\"\r\nAccept-Ranges: bytes\r\n\r\n";
  RequestParser requests;
  ResponseParser responses;
  std::string out;
  std::printf("request head:  %7.0f ns\n", nanoseconds(300'000, [&](std::size_t) {
                requests.reset();
                requests.parse(request_text);
                const auto request = read_request(requests.head());
                out.clear();
                append_request_head(requests.head(), request.value(),
                                    {"egress-1", {}, ForwardedFor::off}, out);
                return out.size();
              }));
  std::printf("response head: %7.0f ns\n", nanoseconds(300'000, [&](std::size_t) {
                responses.reset();
                responses.parse(response_text);
                ResponseRewrite rewrite;
                rewrite.pseudonym = "egress-1";
                const auto response = read_response(responses.head(), Method::get, Reading::repair);
                out.clear();
                append_response_head(responses.head(), response.value(), rewrite, out);
                return out.size();
              }));
  AccessRecord record;
  record.time = std::chrono::system_clock::now();
  record.method = "GET";
  record.target = requests.head().target;
  record.verdict = Verdict::allow;
  record.upstream = IpAddress();
  std::printf("access line:   %7.0f ns\n", nanoseconds(300'000, [&](std::size_t) {
                out.clear();
                append_access_line(record, AccessLogFormat::text, out);
                return out.size();
              }));
}

}  // namespace
}  // namespace egress::http

int main() {
  egress::http::measure_heads();
  egress::http::measure_decisions();
  return egress::http::kept == 0 ? 1 : 0;
}
