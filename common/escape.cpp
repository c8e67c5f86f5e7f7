#include "common/escape.hpp"

#include <cstdint>
#include <cstdio>

namespace egress {
namespace {

bool is_continuation(char byte) { return (static_cast<unsigned char>(byte) & 0xc0U) == 0x80U; }

std::uint32_t decode(std::string_view sequence) {
  const auto lead = static_cast<unsigned char>(sequence.front());
  std::uint32_t point = sequence.size() == 2   ? lead & 0x1fU
                        : sequence.size() == 3 ? lead & 0x0fU
                                               : lead & 0x07U;
  for (const char byte : sequence.substr(1)) {
    point = (point << 6U) | (static_cast<unsigned char>(byte) & 0x3fU);
  }
  return point;
}

template <class... Args>
void append_formatted(std::string& to, const char* format, Args... args) {
  char buffer[16] = {};
  std::snprintf(buffer, sizeof buffer, format, args...);
  to += buffer;
}

}  // namespace

std::size_t utf8_length(std::string_view text) {
  if (text.empty()) return 0;
  const auto lead = static_cast<unsigned char>(text.front());
  const std::size_t length = lead < 0x80   ? 1
                             : lead < 0xc2 ? 0
                             : lead < 0xe0 ? 2
                             : lead < 0xf0 ? 3
                             : lead < 0xf5 ? 4
                                           : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if (!is_continuation(text[i])) return 0;
  }
  // RFC 3629 §4: no overlong forms, no surrogates, nothing past U+10FFFF.
  const auto second = length > 2 ? static_cast<unsigned char>(text[1]) : 0;
  if ((lead == 0xe0 && second < 0xa0) || (lead == 0xed && second > 0x9f) ||
      (lead == 0xf0 && second < 0x90) || (lead == 0xf4 && second > 0x8f)) {
    return 0;
  }
  return length;
}

std::string escape(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const auto byte = static_cast<unsigned char>(text.front());
    const std::size_t length = utf8_length(text);
    if (length > 1) {
      append_formatted(out, "<U+%04X>", decode(text.substr(0, length)));
    } else if (byte == '\t') {
      out += "\\t";
    } else if (byte == '\n') {
      out += "\\n";
    } else if (byte == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte >= 0x7f) {
      append_formatted(out, "\\x%02x", unsigned{byte});
    } else {
      out += text.front();
    }
    text.remove_prefix(length > 1 ? length : 1);
  }
  return out;
}

}  // namespace egress
