// Any bytes give the same answer in one piece and byte by byte; a name that is read is canonical.
#include <cstdint>
#include <cstdlib>

#include "common/host.hpp"
#include "http-proxy/client_hello.hpp"

using namespace egress::http;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span bytes(data, size);
  ClientHelloReader whole;
  whole.feed(bytes);
  ClientHelloReader bytewise;
  for (const auto& byte : bytes) bytewise.feed({&byte, 1});
  if (whole.status() != bytewise.status() || whole.server_name() != bytewise.server_name())
    std::abort();
  if (whole.status() != ClientHelloReader::Status::complete || whole.server_name().empty())
    return 0;
  const auto name = egress::parse_host_name(whole.server_name());
  if (!name || *name != whole.server_name()) std::abort();
  return 0;
}
