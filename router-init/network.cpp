// The names of macvlan modes, as ip(8) spells them.
#include "router-init/network.hpp"

#include <array>
#include <utility>

namespace egress::router {
namespace {

constexpr std::array<std::pair<MacvlanMode, std::string_view>, 4> kMacvlanModes{{
    {MacvlanMode::private_, "private"},
    {MacvlanMode::vepa, "vepa"},
    {MacvlanMode::bridge, "bridge"},
    {MacvlanMode::passthru, "passthru"},
}};

}  // namespace

std::optional<MacvlanMode> parse_macvlan_mode(std::string_view text) {
  for (const auto& [mode, name] : kMacvlanModes) {
    if (name == text) return mode;
  }
  return std::nullopt;
}

std::string_view to_text(MacvlanMode mode) {
  for (const auto& [one, name] : kMacvlanModes) {
    if (one == mode) return name;
  }
  return "unknown";
}

}  // namespace egress::router
