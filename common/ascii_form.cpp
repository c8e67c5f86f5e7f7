#include "common/ascii_form.hpp"

#include <algorithm>
#include <cstdint>

#include "common/escape.hpp"

namespace egress {
namespace {

constexpr char32_t kLastCodePoint = 0x10ffff;  // of Unicode
constexpr std::size_t kMostCodePoints = 253;   // RFC 1035 §2.3.4: no name is longer

std::optional<std::u32string> decode_utf8(std::string_view text) {
  std::u32string points;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    if (length == 0 || points.size() == kMostCodePoints) return std::nullopt;
    const auto first = static_cast<unsigned char>(text.front());
    char32_t point = length == 1 ? first : first & (0xffU >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
      point = point << 6U | (static_cast<unsigned char>(text[i]) & 0x3fU);
    }
    if (point > kLastCodePoint) return std::nullopt;
    points.push_back(point);
    text.remove_prefix(length);
  }
  return points;
}

bool is_ignored(char32_t point) {
  return point == 0xad || (point >= 0x200b && point <= 0x200d) || point == 0x2060 ||
         point == 0xfeff;
}

char32_t mapped(char32_t point) {
  if (point == 0x3002 || point == 0xff0e || point == 0xff61) return '.';  // UTS #46 §2.3
  if (point >= 0xff01 && point <= 0xff5e) point -= 0xfee0;
  if (point >= 'A' && point <= 'Z') return point + 32;
  if (point >= 0xc0 && point <= 0xde && point != 0xd7) return point + 32;
  if (point >= 0x391 && point <= 0x3a9) return point + 32;
  if (point >= 0x410 && point <= 0x42f) return point + 32;
  if (point >= 0x400 && point <= 0x40f) return point + 80;
  return point;
}

bool is_combining(char32_t point) { return point >= 0x300 && point <= 0x36f; }

// RFC 3492 §5: the parameters for Punycode.
constexpr std::uint32_t kBase = 36, kMin = 1, kMax = 26, kSkew = 38, kDamp = 700;
constexpr std::uint32_t kFirstBias = 72, kFirstPoint = 128;

std::uint32_t adapt(std::uint32_t delta, std::uint32_t points, bool first) {
  delta = first ? delta / kDamp : delta / 2;
  delta += delta / points;
  std::uint32_t k = 0;
  for (; delta > (kBase - kMin) * kMax / 2; k += kBase) delta /= kBase - kMin;
  return k + (kBase - kMin + 1) * delta / (delta + kSkew);
}

char digit(std::uint32_t value) {
  return static_cast<char>(value < 26 ? 'a' + value : '0' + (value - 26));
}

void append_number(std::uint32_t number, std::uint32_t bias, std::string& out) {
  for (std::uint32_t k = kBase;; k += kBase) {
    const std::uint32_t threshold = k <= bias ? kMin : std::min(k - bias, kMax);
    if (number < threshold) break;
    out += digit(threshold + (number - threshold) % (kBase - threshold));
    number = (number - threshold) / (kBase - threshold);
  }
  // What is left is below the last threshold, hence one digit.
  out += digit(number);
}

// RFC 3492 §6.3. With at most kMostCodePoints, no sum comes near 2^32.
std::string punycode(std::u32string_view label) {
  std::string out;
  for (const char32_t point : label) {
    if (point < kFirstPoint) out += static_cast<char>(point);
  }
  const auto basic = static_cast<std::uint32_t>(out.size());
  if (basic > 0) out += '-';
  std::uint32_t next = kFirstPoint, delta = 0, bias = kFirstBias, handled = basic;
  while (handled < label.size()) {
    std::uint32_t least = kLastCodePoint;
    for (const char32_t point : label) {
      if (point >= next) least = std::min(least, static_cast<std::uint32_t>(point));
    }
    delta += (least - next) * (handled + 1);
    next = least;
    for (const char32_t point : label) {
      if (point < next) ++delta;
      if (point != next) continue;
      append_number(delta, bias, out);
      bias = adapt(delta, handled + 1, handled == basic);
      delta = 0;
      ++handled;
    }
    ++delta;
    ++next;
  }
  return out;
}

}  // namespace

std::optional<std::string> ascii_form(std::string_view name) {
  const auto points = decode_utf8(name);
  if (!points || std::all_of(points->begin(), points->end(), [](char32_t c) { return c < 0x80; })) {
    return std::nullopt;
  }
  std::string out;
  std::u32string label;
  const auto end_label = [&] {
    const bool ascii =
        std::all_of(label.begin(), label.end(), [](char32_t point) { return point < 0x80; });
    if (ascii) {
      out.append(label.begin(), label.end());
    } else {
      out += "xn--" + punycode(label);
    }
    label.clear();
  };
  for (char32_t point : *points) {
    if (is_ignored(point)) continue;
    if (is_combining(point)) return std::nullopt;
    point = mapped(point);
    if (point != '.') {
      label += point;
      continue;
    }
    end_label();
    out += '.';
  }
  end_label();
  return out;
}

}  // namespace egress
