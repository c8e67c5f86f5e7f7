// Any bytes from an origin are a response's header section, the beginning of one, or a failure.
// What is forwarded is a header section again, to a strict reader too, that frames the body as it
// is sent, in one field at most. What a strict reader takes, a repairing one reads alike.
#include <cstdint>
#include <cstdlib>

#include "http-proxy/headers.hpp"

using namespace egress::http;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_forwarded(const ResponseHead& head, Method method, Version client) {
  const auto response = read_response(head, method, Reading::repair);
  if (!response) {
    require(response.error().status == 502);
    return;
  }
  std::string out;
  append_response_head(head, *response, {"egress-1", client, Persistence::keep_alive}, out);
  ResponseParser parser(HeadLimits{1U << 20U, 1U << 20U, 1000}, Reading::strict);
  require(parser.parse(out) == Progress::complete && parser.head().size == out.size());
  const auto again = response_framing(parser.head(), method, Reading::strict);
  require(again && again->body == client_body(response->body, client));
  require(again->told_length == response->told_length);
  std::size_t framing = 0;
  for (const auto& field : parser.head().fields) {
    framing += field.id == FieldId::content_length || field.id == FieldId::transfer_encoding;
    require(field.value.find_first_of("\r\n") == field.value.npos);
  }
  require(framing <= 1);
}

void check_same(const ResponseHead& repaired, const ResponseHead& strict) {
  require(!repaired.bare_lf && repaired.size == strict.size && repaired.status == strict.status);
  require(repaired.fields.size() == strict.fields.size());
  for (std::size_t i = 0; i < strict.fields.size(); ++i) {
    require(repaired.fields[i].name == strict.fields[i].name);
    require(repaired.fields[i].value == strict.fields[i].value);
  }
  const auto framing = response_framing(strict, Method::get, Reading::strict);
  if (!framing) return;
  const auto same = response_framing(repaired, Method::get, Reading::repair);
  require(same && same->body == framing->body && same->persistence == framing->persistence);
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
  ResponseParser strict(HeadLimits{}, Reading::strict);
  if (strict.parse(input) == Progress::complete) {
    require(progress == Progress::complete);
    check_same(whole.head(), strict.head());
  }
  if (progress != Progress::complete) return 0;
  for (const auto method : {Method::get, Method::head}) {
    check_forwarded(whole.head(), method, Version::http11);
    check_forwarded(whole.head(), method, Version::http10);
  }
  return 0;
}
