// Any bytes are a request's head, the beginning of one, or a failure, the same however they arrive.
// What is forwarded is a head again, with the same body, no hop-by-hop field and one Host.
#include <cstdint>
#include <cstdlib>

#include "http-proxy/error_page.hpp"
#include "http-proxy/headers.hpp"

using namespace egress::http;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_forwarded(const RequestHead& head, const Request& request) {
  std::string out;
  append_request_head(head, request, {"egress-1", "10.0.0.7", ForwardedFor::append}, out);
  RequestParser parser(HeadLimits{1U << 20U, 1U << 20U, 1000});
  require(parser.parse(out) == Progress::complete && parser.head().size == out.size());
  const auto body = request_body(parser.head());
  require(body && *body == request.body);
  std::size_t hosts = 0;
  for (const auto& field : parser.head().fields) {
    if (field.id == FieldId::host) ++hosts;
    require(field.id != FieldId::proxy_any && field.id != FieldId::proxy_connection &&
            field.id != FieldId::te && field.id != FieldId::keep_alive);
    require(field.id != FieldId::upgrade || !request.upgrade.empty());
  }
  require(hosts == 1 && !check_host_field(parser.head()));
  require(has_passed(parser.head(), "egress-1"));
}

void check_page(const Failure& failure, const RequestHead* head) {
  std::string page;
  append_error_response(failure, {head, "egress-1", "RULES"}, page);
  ResponseParser parser;
  require(parser.parse(page) == Progress::complete);
  for (const char c : failure.text) require(c >= ' ' && c <= '~');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string input(reinterpret_cast<const char*>(data), size);
  RequestParser whole;
  const auto progress = whole.parse(input);
  RequestParser bytewise;
  auto last = Progress::need_more;
  for (std::size_t i = 0; i < size && last == Progress::need_more; ++i) {
    last = bytewise.parse(std::string_view(input).substr(0, i + 1));
  }
  require(last == progress);
  if (progress == Progress::failed) check_page(whole.failure(), nullptr);
  if (progress != Progress::complete) return 0;
  require(whole.head().size <= size && whole.head().size == bytewise.head().size);
  const auto request = read_request(whole.head());
  if (request) {
    if (request->method != Method::connect) check_forwarded(whole.head(), *request);
  } else {
    check_page(request.error(), &whole.head());
  }
  return 0;
}
