// Any lines give rules that the rule parser takes, or none.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "http-proxy/rules.hpp"
#include "http-proxy/suggest.hpp"

using namespace egress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  http::Suggestion suggestion;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    suggestion.add_line(line);
  }
  Diagnostics diagnostics;
  const auto table = http::parse_rules({"S", suggestion.to_text() + "*\n"}, diagnostics);
  if (diagnostics.has_errors()) std::abort();
  return 0;
}
