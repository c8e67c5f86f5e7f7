#include <algorithm>

#include "router-init/ruleset_parts.hpp"

namespace egress::router {
namespace {

std::string family_digit(Family family) { return family == Family::v4 ? "4" : "6"; }

}  // namespace

std::vector<DestinationMap> destination_maps(const Translation& translation) {
  std::vector<DestinationMap> maps;
  for (const Family family : {Family::v4, Family::v6}) {
    DestinationMap map{"destinations" + family_digit(family), family, {}};
    std::copy_if(translation.ports.begin(), translation.ports.end(),
                 std::back_inserter(map.mappings),
                 [&](const PortMapping& one) { return one.address.family() == family; });
    if (!map.mappings.empty()) maps.push_back(std::move(map));
  }
  return maps;
}

std::vector<RangeMap> range_maps(const Translation& translation) {
  std::vector<RangeMap> maps;
  for (const Family family : {Family::v4, Family::v6}) {
    for (const Protocol protocol : {Protocol::tcp, Protocol::udp, Protocol::sctp}) {
      RangeMap map{
          std::string(to_text(protocol)) + "_ranges" + family_digit(family), family, protocol, {}};
      std::copy_if(translation.ranges.begin(), translation.ranges.end(),
                   std::back_inserter(map.mappings), [&](const RangeMapping& one) {
                     return one.protocol == protocol && one.address.family() == family;
                   });
      std::sort(map.mappings.begin(), map.mappings.end(),
                [](const auto& a, const auto& b) { return a.ports < b.ports; });
      if (!map.mappings.empty()) maps.push_back(std::move(map));
    }
  }
  return maps;
}

std::vector<SpreadRule> spread_rules(const Ruleset& ruleset, Family family) {
  using Hash = SpreadRule::Hash;
  const auto& addresses = ruleset.sources[family];
  const auto count = static_cast<std::uint32_t>(addresses.size());
  std::vector<SpreadRule> rules;
  for (std::uint32_t i = 0; i < count; ++i) {
    SpreadRule rule{Hash::none, 0, 0, addresses[i]};
    if (i + 1 < count && ruleset.spread == Spread::connection) {
      // A random number is drawn anew in each rule: one of those that are left.
      rule = {Hash::random, count - i, 0, addresses[i]};
    } else if (i + 1 < count) {
      rule = {ruleset.translation ? Hash::source : Hash::destination, count, i, addresses[i]};
    }
    rules.push_back(rule);
  }
  return rules;
}

std::vector<std::string> counter_names(const Ruleset& ruleset) {
  std::vector<std::string> names{"forwarded_out",   "forwarded_in",    "dropped_invalid",
                                 "dropped_outside", "dropped_forward", "dropped_leak"};
  if (ruleset.translation && ruleset.translation->fallback.v4) names.emplace_back("fallback4");
  if (ruleset.translation && ruleset.translation->fallback.v6) names.emplace_back("fallback6");
  return names;
}

}  // namespace egress::router
