// The bytes that were read from a peer and not used yet.
#pragma once

#include <algorithm>
#include <boost/beast/core/flat_buffer.hpp>
#include <cstddef>
#include <string_view>

namespace egress::http {

using ReadBuffer = boost::beast::flat_buffer;

inline std::string_view view(const ReadBuffer& buffer) {
  return {static_cast<const char*>(buffer.cdata().data()), buffer.size()};
}

// How many bytes to read next into a buffer that starts at `minimum` bytes and doubles up to
// `maximum`: 0 where that many are kept.
inline std::size_t room_in(const ReadBuffer& buffer, std::size_t minimum, std::size_t maximum) {
  const std::size_t size = buffer.size();
  return std::min(size < minimum ? minimum - size : size, maximum - std::min(size, maximum));
}

}  // namespace egress::http
