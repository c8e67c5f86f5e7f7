// Any text is a host with a port or an error; what is accepted is canonical: printed and read
// again, it is the same.
#include <cstdint>
#include <cstdlib>

#include "common/host.hpp"

using namespace egress;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto host_port = parse_host_port(text, 80);
  if (host_port) {
    const auto again = parse_host_port(to_text(*host_port));
    if (!again || *again != *host_port) std::abort();
  } else {
    for (const char c : host_port.error().text) {
      if (c < ' ' || c > '~') std::abort();
    }
  }
  if (const auto pattern = parse_name_pattern(text)) {
    const auto again = parse_name_pattern(to_text(*pattern));
    if (!again || *again != *pattern || !pattern->matches(pattern->name)) std::abort();
  }
  parse_listen_address(text);
  return 0;
}
