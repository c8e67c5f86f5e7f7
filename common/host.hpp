// Host names, hosts and host:port pairs as values: parsed strictly, kept in one canonical spelling,
// printed. Resolves nothing, decodes nothing (no percent, no IDNA): what is not plain is refused.
#pragma once

#include <boost/system/result.hpp>
#include <compare>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "common/ip.hpp"

namespace egress {

// Why a text is not a host, as the end of a sentence that is safe to print:
// `"b%61d.test" holds "%", which no host name may`.
struct HostError {
  std::string text;

  bool operator==(const HostError&) const = default;
};

[[noreturn]] inline void throw_exception_from_error(const HostError& error,
                                                    const boost::source_location&) {
  throw std::logic_error("unchecked error: " + error.text);
}

template <class T>
using HostResult = boost::system::result<T, HostError>;

// The canonical spelling of a host name: lower case, no trailing dot, 1 to 253 bytes, labels of 1
// to 63 bytes out of letters, digits, '-' and '_' (RFC 1123 §2.1, and the underscore that DNS has
// in use). A name whose last label is a number (10.1, 0x7f.1, 10.0.0.300) is refused: resolvers
// read such names as addresses, each in its own way. U-labels are refused, with the A-label form in
// the error where there is one.
HostResult<std::string> parse_host_name(std::string_view text);

// Whether a canonical name has no dot: one that only a search list could complete.
constexpr bool is_single_label(std::string_view name) { return name.find('.') == name.npos; }

// An address, or a name in canonical spelling. Default: 0.0.0.0.
class Host {
 public:
  Host() = default;
  explicit Host(const IpAddress& address) : value_(address) {}
  // `name` as parse_host_name returns it.
  static Host of_name(std::string name) {
    Host host;
    host.value_ = std::move(name);
    return host;
  }

  bool is_address() const { return std::holds_alternative<IpAddress>(value_); }
  bool is_name() const { return !is_address(); }
  const IpAddress& address() const { return std::get<IpAddress>(value_); }   // if is_address()
  const std::string& name() const { return std::get<std::string>(value_); }  // if is_name()

  auto operator<=>(const Host&) const = default;

 private:
  std::variant<IpAddress, std::string> value_;
};

// RFC 3986 §3.2.2: a name, a dotted quad, or an IPv6 address in brackets; no zone, no user.
HostResult<Host> parse_host(std::string_view text);
// The same, with IPv6 addresses without brackets: as tables spell them.
HostResult<Host> parse_bare_host(std::string_view text);
std::string to_text(const Host& host);  // IPv6 in brackets

// Unresolved: where something is, by name or address. (An Endpoint is resolved.)
struct HostPort {
  Host host;
  std::uint16_t port = 0;  // 1 to 65535

  auto operator<=>(const HostPort&) const = default;
};

// HOST:PORT. Where `default_port` is given, HOST and "HOST:" stand for that port (RFC 3986 §3.2.3).
HostResult<HostPort> parse_host_port(std::string_view text,
                                     std::optional<std::uint16_t> default_port = std::nullopt);
std::string to_text(const HostPort& host_port);  // "example.com:443", "[2001:db8::1]:443"

// What a rule says about names.
struct NamePattern {
  enum class Scope : std::uint8_t { exact, subtree };  // subtree: the name itself and all below it

  std::string name;  // canonical
  Scope scope = Scope::exact;

  bool matches(std::string_view canonical_name) const;
  auto operator<=>(const NamePattern&) const = default;
};

// NAME, or *.NAME for the subtree. A star anywhere else is refused.
HostResult<NamePattern> parse_name_pattern(std::string_view text);
std::string to_text(const NamePattern& pattern);

// Where a program listens: one address, or every address of both families.
struct ListenAddress {
  std::optional<IpAddress> address;
  std::uint16_t port = 0;

  auto operator<=>(const ListenAddress&) const = default;
};

// ":8080", "10.0.0.1:8080" or "[::1]:8080".
std::optional<ListenAddress> parse_listen_address(std::string_view text);
std::string to_text(const ListenAddress& listen);

}  // namespace egress
