// Short spellings for tests: what does not parse is a failure of the test itself.
#pragma once

#include <initializer_list>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "common/environment.hpp"
#include "common/ip.hpp"

namespace egress::test {

inline IpAddress ip(const std::string& text) {
  const auto address = parse_ip_address(text);
  if (!address) throw std::invalid_argument("not an address: " + text);
  return *address;
}

inline IpPrefix prefix(const std::string& text) {
  const auto parsed = parse_ip_prefix(text);
  if (!parsed) throw std::invalid_argument("not a prefix: " + text);
  return *parsed;
}

inline Environment environment(
    std::initializer_list<std::pair<const std::string, std::string>> variables) {
  return Environment(std::map<std::string, std::string, std::less<>>(variables));
}

}  // namespace egress::test
