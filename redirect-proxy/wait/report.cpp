#include "redirect-proxy/wait/report.hpp"

#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "common/net/metrics.hpp"
#include "common/version.hpp"

namespace egress::wait {
namespace {

using net::MetricsText;
using Type = net::MetricsText::Type;

// Of the whole pod (net/netfilter/nf_conntrack_standalone.c). None where conntrack is not loaded.
std::optional<std::uint64_t> read_conntrack(const char* name) {
  std::ifstream file(std::string("/proc/sys/net/netfilter/nf_conntrack_") + name);
  std::uint64_t value = 0;
  return file >> value ? std::optional(value) : std::nullopt;
}

std::uint64_t flag(bool value) { return value ? 1 : 0; }

}  // namespace

std::string not_ready_because(const LinkGuard& guard) {
  std::string why;
  const auto add = [&](const std::string& reason) { why += (why.empty() ? "" : "; ") + reason; };
  const auto addresses = guard.addresses();
  if (addresses.empty()) add(guard.link() + " has no address");
  for (const auto& address : addresses) {
    if (guard.is_contested(address)) add("another host claims " + to_text(address));
  }
  for (const auto& gateway : guard.gateways()) {
    if (gateway.is_up == false) add("the gateway " + to_text(gateway.address) + " does not answer");
  }
  return why;
}

std::string to_metrics(const LinkGuard& guard, const TableRunner& table) {
  MetricsText out;
  const auto one = [&](std::string_view name, Type type, std::string_view help,
                       std::uint64_t value) {
    out.family("egress_router_" + std::string(name), type, help).sample({}, value);
  };
  out.family("egress_router_build_info", Type::gauge, "Always 1.")
      .sample({{"version", kVersion}}, std::uint64_t{1});
  one("ready", Type::gauge, "As /readyz tells.", flag(not_ready_because(guard).empty()));
  out.family("egress_router_address_info", Type::gauge, "Addresses that the outside sees.");
  const auto addresses = guard.addresses();
  for (const auto& address : addresses)
    out.sample({{"address", to_text(address)}}, std::uint64_t{1});
  one("address_defence", Type::gauge, "1 where other holders of an address are heard of.",
      flag(guard.hears_claims()));
  one("address_conflicts_total", Type::counter, "Claims of other hosts to an address of ours.",
      guard.claims());
  out.family("egress_router_address_contested", Type::gauge,
             "1 where another host went on claiming it within the last minute.");
  for (const auto& address : addresses)
    out.sample({{"address", to_text(address)}}, flag(guard.is_contested(address)));
  out.family("egress_router_gateway_up", Type::gauge, "0 where the gateway does not answer.");
  for (const auto& gateway : guard.gateways()) {
    if (gateway.is_up) out.sample({{"gateway", to_text(gateway.address)}}, flag(*gateway.is_up));
  }
  if (table.watches()) {
    one("reloads_total", Type::counter, "Tables put in force.", table.taken());
    one("reload_failures_total", Type::counter,
        "Tables refused, or that could not be put in force.", table.failures());
    one("reload_refused", Type::gauge, "1 where the file holds another table than is in force.",
        flag(table.is_refused()));
  }
  if (const auto entries = read_conntrack("count"))
    one("conntrack_entries", Type::gauge, "Flows that the kernel tracks.", *entries);
  if (const auto limit = read_conntrack("max"))
    one("conntrack_limit", Type::gauge, "The most it tracks; then new ones are dropped.", *limit);
  return out.take();
}

std::string to_status(const LinkGuard& guard, const TableRunner& table) {
  using Json = nlohmann::ordered_json;
  const auto why = not_ready_because(guard);
  Json status{{"program", "egress-wait"},
              {"version", kVersion},
              {"stage", why.empty() ? "ready" : why},
              {"interface", guard.link()},
              {"addresses", Json::array()},
              {"gateways", Json::array()},
              {"address_defence", guard.hears_claims()},
              {"address_conflicts", guard.claims()}};
  for (const auto& address : guard.addresses()) {
    status["addresses"].push_back(
        {{"address", to_text(address)}, {"contested", guard.is_contested(address)}});
  }
  for (const auto& gateway : guard.gateways()) {
    status["gateways"].push_back({{"address", to_text(gateway.address)},
                                  {"up", gateway.is_up ? Json(*gateway.is_up) : Json(nullptr)}});
  }
  if (table.watches()) {
    status["table"] = {
        {"refused", table.is_refused()}, {"taken", table.taken()}, {"failures", table.failures()}};
  }
  return status.dump(2) + "\n";
}

}  // namespace egress::wait
