// Any bytes decode to the same data, rest and failure in pieces of any size; the first byte of the
// input gives the size. What was decoded survives being encoded again.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "http-proxy/framing.hpp"

using namespace egress::http;

namespace {

struct Decoded {
  std::string data;
  std::size_t consumed = 0;
  std::string trailers;
  bool done = false;
  bool failed = false;

  bool operator==(const Decoded&) const = default;
};

Decoded decode(std::string_view input, std::size_t piece) {
  ChunkDecoder decoder;
  Decoded decoded;
  while (decoded.consumed < input.size() && !decoder.done() && !decoder.failed()) {
    std::string buffer(input.substr(decoded.consumed, piece));
    const auto step = decoder.decode(buffer.data(), buffer.size());
    if (step.data > step.consumed || step.consumed > buffer.size() || step.consumed == 0)
      std::abort();
    decoded.data.append(buffer, 0, step.data);
    decoded.consumed += step.consumed;
  }
  decoded.done = decoder.done();
  decoded.failed = decoder.failed();
  if (decoder.done()) decoded.trailers = decoder.trailers();
  return decoded;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  const auto whole = decode(input, std::max<std::size_t>(input.size(), 1));
  if (decode(input, std::size_t{data[0]} + 1) != whole) std::abort();
  if (!whole.done) return 0;
  std::string again;
  if (!whole.data.empty()) {
    again = std::string(make_chunk_head(whole.data.size()).view()) + whole.data +
            std::string(kChunkEnd);
  }
  again += std::string(kLastChunk) + whole.trailers + std::string(kChunkEnd);
  const auto reread = decode(again, again.size());
  if (!reread.done || reread.data != whole.data || reread.trailers != whole.trailers) std::abort();
  return 0;
}
