#include "common/host.hpp"

#include <algorithm>
#include <array>

#include "common/ascii_form.hpp"
#include "common/escape.hpp"
#include "common/look_alike.hpp"
#include "common/port.hpp"

namespace egress {
namespace {

constexpr std::size_t kMostNameBytes = 253;  // RFC 1035 §2.3.4, without length bytes and root
constexpr std::size_t kMostLabelBytes = 63;
constexpr std::size_t kShownBytes = 80;

// For each byte its canonical form, 0 where no name may hold it.
constexpr std::array<char, 256> kNameBytes = [] {
  std::array<char, 256> table{};
  for (char c = 'a'; c <= 'z'; ++c) {
    table[static_cast<unsigned char>(c)] = c;
    table[static_cast<unsigned char>(c - 'a' + 'A')] = c;
  }
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = c;
  for (const char c : {'-', '_', '.'}) table[static_cast<unsigned char>(c)] = c;
  return table;
}();

std::string quoted(std::string_view text) {
  std::string out = "\"";
  out += escape(text.substr(0, kShownBytes));
  return out += text.size() > kShownBytes ? "...\"" : "\"";
}

HostError refused(std::string_view text, std::string_view why) {
  return {quoted(text) + " " + std::string(why)};
}

HostError refused_byte(std::string_view text, std::size_t at) {
  if (const auto plain = first_plain_for(text.substr(at))) {
    return refused(text, "holds a typographic character: type a plain " +
                             (*plain == " " ? "space" : std::string(*plain)));
  }
  if (static_cast<unsigned char>(text[at]) >= 0x80) {
    const auto ascii = ascii_form(text);
    const auto name = ascii ? parse_host_name(*ascii) : HostError{};
    return refused(text, name ? "is not plain ASCII: write it as " + quoted(*name)
                              : "is not plain ASCII: write the name in its A-label form (xn--...)");
  }
  return refused(text, "holds " + quoted(text.substr(at, 1)) + ", which no host name may");
}

// A last label of digits, or of 0x and hexadecimal digits (URL standard, "ends in a number").
bool ends_in_number(std::string_view name) {
  auto label = name.substr(name.rfind('.') + 1);
  constexpr std::string_view kDigits = "0123456789", kHexDigits = "0123456789abcdef";
  if (label.find_first_not_of(kDigits) == label.npos) return true;
  return label.starts_with("0x") && label.find_first_not_of(kHexDigits, 2) == label.npos;
}

std::string_view fault_of_labels(std::string_view name) {
  if (name.size() > kMostNameBytes) return "is over 253 bytes long";
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(name.find('.', begin), name.size());
    if (end == begin) return "has an empty label";
    if (end - begin > kMostLabelBytes) return "has a label of over 63 bytes";
    if (end == name.size()) break;
    begin = end + 1;
  }
  if (ends_in_number(name)) {
    return "ends in a number, but is no address: write IPv4 as four decimal numbers without "
           "leading zeros";
  }
  return {};
}

}  // namespace

HostResult<std::string> parse_host_name(std::string_view text) {
  if (text.empty()) return HostError{"an empty text is no host"};
  std::string name;
  name.reserve(std::min(text.size(), kMostNameBytes + 1));
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = kNameBytes[static_cast<unsigned char>(text[i])];
    if (c == 0) return refused_byte(text, i);
    if (name.size() <= kMostNameBytes + 1) name += c;
  }
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  if (const auto fault = fault_of_labels(name); !fault.empty()) return refused(text, fault);
  return HostResult<std::string>(boost::system::in_place_value, std::move(name));
}

HostResult<Host> parse_host(std::string_view text) {
  if (text.starts_with('[')) {
    const auto inside = text.substr(1, text.size() - (text.ends_with(']') ? 2 : 1));
    if (!text.ends_with(']')) return refused(text, "lacks the closing bracket");
    if (inside.find('%') != inside.npos)
      return refused(text, "names a zone, which cannot be reached from here");
    const auto address = parse_ip_address(inside);
    if (!address || !address->is_v6())
      return refused(text, "holds no IPv6 address within its brackets");
    return Host(*address);
  }
  if (const auto address = parse_ip_address(text)) {
    if (address->is_v6()) return refused(text, "is an IPv6 address: write it in brackets");
    return Host(*address);
  }
  auto name = parse_host_name(text);
  if (!name) return name.error();
  return Host::of_name(std::move(*name));
}

HostResult<Host> parse_bare_host(std::string_view text) {
  if (const auto address = parse_ip_address(text)) return Host(*address);
  return parse_host(text);
}

std::string to_text(const Host& host) {
  if (host.is_name()) return host.name();
  if (host.address().is_v4()) return to_text(host.address());
  return std::string("[").append(to_text(host.address())).append("]");
}

HostResult<HostPort> parse_host_port(std::string_view text,
                                     std::optional<std::uint16_t> default_port) {
  const auto bracket = text.starts_with('[') ? text.find(']') : 0;
  const auto colon = bracket == text.npos ? text.npos : text.find(':', bracket);
  auto host = parse_host(text.substr(0, colon));
  if (!host) {
    const bool bare_v6 = parse_ip_address(text) || text.find(':') != text.rfind(':');
    if (bare_v6 && !text.starts_with('['))
      return refused(text, "has more than one colon: write an IPv6 address in brackets");
    return host.error();
  }
  const auto digits = colon == text.npos ? std::string_view{} : text.substr(colon + 1);
  if (digits.empty()) {
    if (!default_port) return refused(text, "lacks a port");
    return HostPort{std::move(host.value()), *default_port};
  }
  const auto port = parse_port(digits);
  if (!port) return refused(text, "has no port from 1 to 65535 after its colon");
  return HostPort{std::move(host.value()), *port};
}

std::string to_text(const HostPort& host_port) {
  return to_text(host_port.host) + ":" + std::to_string(host_port.port);
}

bool NamePattern::matches(std::string_view canonical_name) const {
  if (!canonical_name.ends_with(name)) return false;
  if (canonical_name.size() == name.size()) return true;
  return scope == Scope::subtree && canonical_name[canonical_name.size() - name.size() - 1] == '.';
}

HostResult<NamePattern> parse_name_pattern(std::string_view text) {
  const bool subtree = text.starts_with("*.");
  const auto rest = text.substr(subtree ? 2 : 0);
  if (rest.find('*') != rest.npos) {
    return refused(text, "has a star elsewhere than in \"*.\" at its beginning");
  }
  auto name =
      rest.empty() ? HostResult<std::string>(refused(text, "lacks a name")) : parse_host_name(rest);
  if (!name) return name.error();
  return NamePattern{std::move(*name),
                     subtree ? NamePattern::Scope::subtree : NamePattern::Scope::exact};
}

std::string to_text(const NamePattern& pattern) {
  return (pattern.scope == NamePattern::Scope::subtree ? "*." : "") + pattern.name;
}

std::optional<ListenAddress> parse_listen_address(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  const auto port = parse_port(text.substr(colon + 1));
  if (!port) return std::nullopt;
  if (colon == 0) return ListenAddress{std::nullopt, *port};
  const auto host = parse_host(text.substr(0, colon));
  if (!host || !host->is_address()) return std::nullopt;
  return ListenAddress{host->address(), *port};
}

std::string to_text(const ListenAddress& listen) {
  return (listen.address ? to_text(Host(*listen.address)) : "") + ":" + std::to_string(listen.port);
}

}  // namespace egress
