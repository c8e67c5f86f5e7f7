// EGRESS_SOURCE: one address of each family, or a list, of which this replica takes its own or
// holds all. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "common/environment.hpp"
#include "common/ip.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

inline constexpr std::size_t kMostSources = 64;  // of one family

struct Sources {
  PerFamily<std::vector<IpPrefix>> addresses;  // the first of each family is the primary one
  Spread spread = Spread::client;
};

// Whether `address` is the network address or the broadcast address of this prefix, which no host
// holds. A /31, /127 or a host prefix has neither (RFC 3021); of IPv6 the first is the routers'
// anycast address (RFC 4291 §2.6.1).
bool names_network(const IpPrefix& prefix, const IpAddress& address);

// From EGRESS_SOURCE, EGRESS_SOURCE_ASSIGN and EGRESS_SOURCE_SPREAD; by
// EGRESS_SOURCE_ASSIGN=ordinal one of each family, chosen by EGRESS_POD_ORDINAL, else by the number
// at the end of EGRESS_POD_NAME, else by that of `host_name`.
Sources parse_sources(const Environment& environment, std::string_view host_name,
                      Diagnostics& diagnostics);

// Calls use(Spot, element) with each element of a list whose separators are commas, spaces, tabs
// and line ends. False where there is none.
template <class Use>
bool for_each_element(std::string_view name, std::string_view text, Use use) {
  constexpr std::string_view kSeparators = ", \t\r\n";
  std::size_t at = 0;
  std::size_t line = 1;
  std::size_t line_start = 0;
  bool any = false;
  for (;;) {
    for (; at < text.size() && kSeparators.find(text[at]) != kSeparators.npos; ++at) {
      if (text[at] != '\n') continue;
      ++line;
      line_start = at + 1;
    }
    if (at == text.size()) return any;
    const std::size_t end = std::min(text.find_first_of(kSeparators, at), text.size());
    const auto line_end = std::min(text.find('\n', at), text.size());
    const auto element = text.substr(at, end - at);
    use(Spot{name, line, at - line_start + 1, text.substr(line_start, line_end - line_start),
             element.size()},
        element);
    at = end;
    any = true;
  }
}

}  // namespace egress::router
