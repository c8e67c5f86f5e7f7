// The values of all variables, one a line of `NAME=VALUE`: any bytes give a configuration or
// diagnostics, never a crash, and what is printed is printable.
#include <cstdint>
#include <cstdlib>

#include "router-init/config.hpp"
#include "router-init/explain.hpp"

using namespace egress;
using namespace egress::router;

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
    for (char& c : value) {
      if (c == '|') c = '\n';
    }
    variables[std::string(line.substr(0, equals))] = value;
  }
  Diagnostics diagnostics;
  const auto config = parse_config(Environment(variables), diagnostics);
  if (!diagnostics.has_errors()) {
    if (config.all_sources().empty()) std::abort();
    for (const Family family : kFamilies) {
      if (config.sources[family].empty() == config.gateway[family].has_value()) std::abort();
    }
    const auto question = variables.find("QUESTION");
    if (question != variables.end()) explain(config, question->second, diagnostics);
  }
  for (const char c :
       diagnostics.to_text(Severity::error) + diagnostics.to_text(Severity::warning)) {
    if (c != '\n' && (c < ' ' || c > '~')) std::abort();
  }
  return 0;
}
