#include "common/settings.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace egress {
namespace {

using std::chrono::milliseconds;

struct Number {
  std::uint64_t value;
  std::string_view unit;  // what follows the digits
};

// Digits without sign, up to 12 of them, so that no unit overflows.
std::optional<Number> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const char* const last = text.data() + text.size();
  const auto [end, status] = std::from_chars(text.data(), last, value);
  const auto digits = static_cast<std::size_t>(end - text.data());
  if (status != std::errc{} || digits > 12) return std::nullopt;
  return Number{value, text.substr(digits)};
}

std::optional<milliseconds> parse_duration(std::string_view text) {
  const auto number = parse_number(text);
  if (!number) return std::nullopt;
  const auto value = static_cast<std::int64_t>(number->value);
  if (number->unit == "ms") return milliseconds(value);
  if (number->unit == "s" || (number->unit.empty() && value == 0))
    return milliseconds(value * 1000);
  if (number->unit == "m") return milliseconds(value * 60'000);
  if (number->unit == "h") return milliseconds(value * 3'600'000);
  return std::nullopt;
}

std::optional<std::size_t> parse_bytes(std::string_view text) {
  const auto number = parse_number(text);
  if (!number) return std::nullopt;
  if (number->unit.empty()) return number->value;
  if (number->unit == "k") return number->value << 10U;
  if (number->unit == "m") return number->value << 20U;
  return std::nullopt;
}

std::string to_text(milliseconds duration) {
  const auto count = duration.count();
  if (count % 3'600'000 == 0 && count > 0) return std::to_string(count / 3'600'000) + "h";
  if (count % 60'000 == 0 && count > 0) return std::to_string(count / 60'000) + "m";
  if (count % 1000 == 0) return std::to_string(count / 1000) + "s";
  return std::to_string(count) + "ms";
}

// Calls use(element, spot) for each element of a list.
template <class Use>
void for_each_listed(std::string_view name, std::string_view text, Use use) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  std::size_t at = 0;
  while ((at = text.find_first_not_of(kSeparators, at)) != text.npos) {
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const auto element = text.substr(at, end - at);
    use(element, Spot{name, 1, at + 1, text, element.size()});
    at = end;
  }
}

}  // namespace

void SettingsReader::error(std::string_view name, std::string_view value,
                           std::string_view expected) {
  diagnostics_.error({name, 1, 1, value, value.size()}, found_expected(value, expected));
}

void SettingsReader::duration(std::string_view name, DurationRange range, milliseconds& value,
                              std::string_view or_else) {
  const auto text = environment_.get(name);
  if (!text) return;
  const auto parsed = parse_duration(*text);
  if (!parsed || *parsed < range.least || *parsed > range.most) {
    return error(
        name, *text,
        "a time from " + to_text(range.least) + " to " + to_text(range.most) + ", such as " +
            (range.most < milliseconds(3'600'000) ? "500ms or 30s" : "500ms, 30s, 15m or 1h") +
            std::string(or_else));
  }
  value = *parsed;
}

void SettingsReader::count(std::string_view name, CountRange range, std::size_t& value) {
  const auto text = environment_.get(name);
  if (!text) return;
  const auto parsed = parse_number(*text);
  if (!parsed || !parsed->unit.empty() || parsed->value < range.least ||
      parsed->value > range.most) {
    return error(
        name, *text,
        "a number from " + std::to_string(range.least) + " to " + std::to_string(range.most));
  }
  value = parsed->value;
}

void SettingsReader::bytes(std::string_view name, CountRange range, std::size_t& value) {
  const auto text = environment_.get(name);
  if (!text) return;
  const auto parsed = parse_bytes(*text);
  if (!parsed || *parsed < range.least || *parsed > range.most) {
    return error(name, *text,
                 "bytes from " + std::to_string(range.least) + " to " + std::to_string(range.most) +
                     ", such as 65536, 64k or 1m");
  }
  value = *parsed;
}

void SettingsReader::port_ranges(std::string_view name, std::vector<PortRange>& value) {
  const auto text = environment_.get(name);
  if (!text) return;
  constexpr std::string_view kExpected = "ports from 1 to 65535 or ranges, such as 443,8000-8099";
  std::vector<PortRange> ranges;
  for_each_listed(name, *text, [&](std::string_view element, const Spot& spot) {
    if (const auto range = parse_port_range(element)) {
      ranges.push_back(*range);
    } else {
      diagnostics_.error(spot, found_expected(element, kExpected));
    }
  });
  if (ranges.empty() && text->find_first_not_of(", \t\r\n") == text->npos)
    error(name, *text, kExpected);
  value = std::move(ranges);
}

void SettingsReader::listen_addresses(std::string_view name, std::vector<ListenAddress>& value) {
  const auto text = environment_.get(name);
  if (!text) return;
  constexpr std::string_view kExpected = ":PORT, ADDRESS:PORT or [IPV6]:PORT";
  std::vector<ListenAddress> addresses;
  for_each_listed(name, *text, [&](std::string_view element, const Spot& spot) {
    const auto address = parse_listen_address(element);
    if (!address) return diagnostics_.error(spot, found_expected(element, kExpected));
    if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end()) {
      return diagnostics_.error(spot, found_expected(element, "no address and port twice"));
    }
    addresses.push_back(*address);
  });
  if (addresses.empty() && text->find_first_not_of(", \t\r\n") == text->npos)
    error(name, *text, kExpected);
  value = std::move(addresses);
}

void SettingsReader::text(std::string_view name, std::string& value) {
  if (const auto found = environment_.get(name)) value = *found;
}

}  // namespace egress
