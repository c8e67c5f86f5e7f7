// The values of all variables, one a line of `NAME=VALUE`, `|` for a line end inside a value: any
// bytes give a configuration or diagnostics, never a crash, and what is printed is printable.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "http-proxy/config.hpp"

using namespace egress;
using namespace egress::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest(reinterpret_cast<const char*>(data), size);
  std::map<std::string, std::string, std::less<>> variables;
  while (!rest.empty()) {
    const auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    const auto equals = line.find('=');
    // No file is read: what a path names is not the parser's.
    if (equals == line.npos || line.substr(0, equals).ends_with("_FILE")) continue;
    std::string value(line.substr(equals + 1));
    std::replace(value.begin(), value.end(), '|', '\n');
    variables[std::string(line.substr(0, equals))] = value;
  }
  Diagnostics diagnostics;
  const auto config = parse_config(Environment(variables), diagnostics);
  if (!diagnostics.has_errors()) {
    if (config.rules.rules.empty() || config.listen.empty()) std::abort();
    if (config.deadlines.header.count() <= 0 || config.limits.head.fields == 0) std::abort();
  }
  for (const char c :
       diagnostics.to_text(Severity::error) + diagnostics.to_text(Severity::warning)) {
    if (c != '\n' && (c < ' ' || c > '~')) std::abort();
  }
  return 0;
}
