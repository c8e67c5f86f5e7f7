// EGRESS_SOURCE: one address of each family, or a list, of which this replica takes its own or
// holds all. Pure.
#pragma once

#include <string_view>
#include <vector>

#include "common/environment.hpp"
#include "common/ip.hpp"

namespace egress::router {

inline constexpr std::size_t kMostSources = 64;  // of one family

// Which of several addresses a connection leaves with.
enum class Spread {
  client,     // always the same for the same client
  connection  // any, for each connection anew
};

struct Sources {
  std::vector<IpPrefix> v4;  // the first of each family is the primary one
  std::vector<IpPrefix> v6;
  Spread spread = Spread::client;

  const std::vector<IpPrefix>& of(Family family) const { return family == Family::v4 ? v4 : v6; }
};

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
