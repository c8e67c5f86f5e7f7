// Any bytes from an origin are a response's head, the beginning of one, or a failure. What is
// passed on is a head again that frames the body as it is sent.
#include <cstdint>
#include <cstdlib>

#include "http-proxy/headers.hpp"

using namespace egress::http;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_passed_on(const ResponseHead& head, Method method, Version client) {
  const auto body = response_body(head, method);
  if (!body) {
    require(body.error().status == 502);
    return;
  }
  ResponseRewrite rewrite;
  rewrite.pseudonym = "egress-1";
  rewrite.client = client;
  rewrite.body = client_body(*body, client);
  rewrite.request = method;
  std::string out;
  append_response_head(head, rewrite, out);
  ResponseParser parser(HeadLimits{1U << 20U, 1U << 20U, 1000});
  require(parser.parse(out) == Progress::complete && parser.head().size == out.size());
  const auto again = response_body(parser.head(), method);
  require(again && *again == rewrite.body);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  ResponseParser whole;
  const auto progress = whole.parse(input);
  ResponseParser bytewise;
  auto last = Progress::need_more;
  for (std::size_t i = 0; i < size && last == Progress::need_more; ++i) {
    last = bytewise.parse(std::string_view(input).substr(0, i + 1));
  }
  require(last == progress);
  if (progress != Progress::complete) return 0;
  for (const auto method : {Method::get, Method::head}) {
    check_passed_on(whole.head(), method, Version::http11);
    check_passed_on(whole.head(), method, Version::http10);
  }
  return 0;
}
