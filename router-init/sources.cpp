#include "router-init/sources.hpp"

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>

#include "common/escape.hpp"
#include "common/settings.hpp"

namespace egress::router {
namespace {

std::string quoted(std::string_view text) { return '"' + escape(text) + '"'; }

constexpr std::string_view kName = "EGRESS_SOURCE";

std::string unusable_source(const IpPrefix& source) {
  const IpAddress& address = source.address;
  if (address.is_unspecified()) return "the unspecified address";
  if (address.is_loopback()) return "a loopback address";
  if (address.is_multicast()) return "a multicast address";
  if (address.is_link_local()) return "a link-local address";
  if (address.is_broadcast() || source.broadcast() == address) return "a broadcast address";
  if (names_network(source, address)) return "the address of the network itself";
  return {};
}

void take(const Spot& spot, std::string_view element, Sources& sources, Diagnostics& diagnostics) {
  const auto refuse = [&](const std::string& expected) {
    diagnostics.error(spot, found_expected(element, expected));
  };
  const auto source = parse_ip_prefix(element);
  if (!source) return refuse("an IPv4 or IPv6 address, with or without /PREFIX_LENGTH");
  if (const auto why = unusable_source(*source); !why.empty())
    return refuse("the address of one host; this is " + why);
  auto& list = sources.addresses[source->family()];
  const bool stands_already = std::any_of(list.begin(), list.end(), [&](const IpPrefix& one) {
    return one.address == source->address;
  });
  if (stands_already) return refuse("each address once");
  if (list.size() == kMostSources) {
    return refuse("at most " + std::to_string(kMostSources) + " addresses of one family");
  }
  list.push_back(*source);
}

std::optional<std::size_t> parse_number(std::string_view text) {
  std::size_t number = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || status != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return number;
}

// Of "egress-router-2" the 2.
std::optional<std::size_t> number_at_end(std::string_view name) {
  const auto dash = name.rfind('-');
  return dash == name.npos ? std::nullopt : parse_number(name.substr(dash + 1));
}

struct Ordinal {
  std::size_t number = 0;
  std::string from;
};

std::optional<Ordinal> find_ordinal(const Environment& environment, std::string_view host_name,
                                    Diagnostics& diagnostics) {
  constexpr std::string_view kOrdinal = "EGRESS_POD_ORDINAL";
  constexpr std::string_view kPodName = "EGRESS_POD_NAME";
  if (const auto text = environment.get(kOrdinal)) {
    if (const auto number = parse_number(*text)) return Ordinal{*number, std::string(kOrdinal)};
    diagnostics.error({kOrdinal, 1, 1, *text, text->size()},
                      found_expected(*text, "the number of this replica, 0 for the first"));
    return std::nullopt;
  }
  const auto name = environment.get(kPodName);
  if (name) {
    if (const auto number = number_at_end(*name))
      return Ordinal{*number, std::string(kPodName) + " " + std::string(*name)};
  }
  if (const auto number = number_at_end(host_name))
    return Ordinal{*number, "the host name " + std::string(host_name)};
  diagnostics.error(
      "EGRESS_SOURCE_ASSIGN",
      "is ordinal, expected the number of this replica in EGRESS_POD_ORDINAL, at the end of "
      "EGRESS_POD_NAME or at the end of the host name: the first " +
          std::string(name ? "is not set, the others are " + quoted(*name) + " and "
                           : "two are not set, the last is ") +
          quoted(host_name));
  return std::nullopt;
}

void keep_own(const Ordinal& ordinal, Family family, std::vector<IpPrefix>& list,
              Diagnostics& diagnostics) {
  if (list.empty()) return;
  if (ordinal.number >= list.size()) {
    const auto size = std::to_string(list.size());
    diagnostics.error(kName, "has " + size + " " + std::string(to_text(family)) +
                                 (list.size() == 1 ? " address" : " addresses") +
                                 ", expected one for replica " + std::to_string(ordinal.number) +
                                 " (by " + ordinal.from + "; the first is 0)");
    return;
  }
  list = {list[ordinal.number]};
}

}  // namespace

bool names_network(const IpPrefix& prefix, const IpAddress& address) {
  const bool has_network_address = prefix.length + 2 <= address_bits(prefix.family());
  return has_network_address &&
         (prefix.network().address == address || prefix.broadcast() == address);
}

Sources parse_sources(const Environment& environment, std::string_view host_name,
                      Diagnostics& diagnostics) {
  Sources sources;
  bool by_ordinal = false;
  SettingsReader reader(environment, diagnostics);
  reader.choice<bool>("EGRESS_SOURCE_ASSIGN", {{"all", false}, {"ordinal", true}}, by_ordinal);
  reader.choice<Spread>("EGRESS_SOURCE_SPREAD",
                        {{"client", Spread::client}, {"connection", Spread::connection}},
                        sources.spread);
  const auto text = environment.get(kName);
  if (!text) {
    diagnostics.error(kName, "not set, expected the address that the outside is to see");
    return sources;
  }
  const auto errors_before = diagnostics.errors();
  const bool any = for_each_element(kName, *text, [&](const Spot& spot, std::string_view element) {
    take(spot, element, sources, diagnostics);
  });
  if (!any)
    diagnostics.error({kName, 1, 1, *text, text->size()}, found_expected(*text, "an address"));
  if (!by_ordinal || diagnostics.errors() > errors_before) return sources;
  if (const auto ordinal = find_ordinal(environment, host_name, diagnostics)) {
    for (const Family family : kFamilies)
      keep_own(*ordinal, family, sources.addresses[family], diagnostics);
  }
  return sources;
}

}  // namespace egress::router
