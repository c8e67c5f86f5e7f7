#include "redirect-proxy/dns/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/net/metrics.hpp"
#include "generated/version.hpp"

namespace egress::dns {

using net::MetricsText;
using Type = net::MetricsText::Type;

namespace {

template <class Counts>
std::uint64_t sum(const std::vector<std::shared_ptr<Counts>>& workers, net::Count Counts::*count) {
  std::uint64_t total = 0;
  for (const auto& worker : workers) total += ((*worker).*count).read();
  return total;
}

std::uint64_t open_connections(const Backend& backend) {
  const auto closed = sum(backend.counts, &AddressCounts::closed);
  const auto made = sum(backend.counts, &AddressCounts::connections);
  return made > closed ? made - closed : 0;
}

void append_entries(MetricsText& out, const Report& report) {
  const auto& pools = report.pools;
  const auto family = [&](std::string_view name, std::string_view help, auto value_of,
                          Type type = Type::counter) {
    out.family("egress_dns_proxy_" + std::string(name), type, help);
    for (const auto& pool : pools) out.sample({{"entry", to_text(pool.local)}}, value_of(pool));
  };
  const auto counted = [](net::Count EntryCounts::*count) {
    return [count](const Pool& pool) { return sum(pool.counts, count); };
  };
  family(
      "entry_up", "1 where the entry has an address that is up.",
      [&](const Pool& pool) {
        const bool any =
            std::any_of(pool.backends.begin(), pool.backends.end(),
                        [&](const Backend& backend) { return report.is_up(backend.endpoint); });
        return std::uint64_t{any ? 1U : 0U};
      },
      Type::gauge);
  family("connections_total", "Connections and flows of clients.",
         counted(&EntryCounts::connections));
  family("failures_total", "Those for which no address could be reached.",
         counted(&EntryCounts::failures));
  family("refused_total", "Those that came from the outside interface.",
         counted(&EntryCounts::refused));
}

void append_addresses(MetricsText& out, const Report& report) {
  const auto& pools = report.pools;
  const auto family = [&](std::string_view name, Type type, std::string_view help, auto value_of) {
    out.family("egress_dns_proxy_address_" + std::string(name), type, help);
    for (const auto& pool : pools) {
      for (const auto& backend : pool.backends) {
        out.sample({{"entry", to_text(pool.local)},
                    {"host", backend.host},
                    {"address", to_text(backend.endpoint)}},
                   value_of(backend));
      }
    }
  };
  const auto counted = [](net::Count AddressCounts::*count) {
    return [count](const Backend& backend) { return sum(backend.counts, count); };
  };
  family("up", Type::gauge, "By the last check.", [&](const Backend& backend) {
    return std::uint64_t{report.is_up(backend.endpoint) ? 1U : 0U};
  });
  family("connections", Type::gauge, "Connections and flows, open now.", open_connections);
  family("connections_total", Type::counter, "Connections and flows made.",
         counted(&AddressCounts::connections));
  family("failures_total", Type::counter, "Attempts that failed.",
         counted(&AddressCounts::failures));
  family("sent_bytes_total", Type::counter, "To this address.",
         counted(&AddressCounts::to_upstream));
  family("received_bytes_total", Type::counter, "From this address.",
         counted(&AddressCounts::to_client));
}

double seconds_since(NameState::Clock::time_point time) {
  return std::chrono::duration<double>(NameState::Clock::now() - time).count();
}

void append_names(MetricsText& out, const Report& report) {
  const auto& names = report.directory.names();
  out.family("egress_dns_proxy_resolve_age_seconds", Type::gauge,
             "Since DNS said what is in use; only for names that have an answer.");
  for (const auto& target : report.table.targets) {
    for (const auto& host : target.hosts) {
      const auto state = host.is_name() ? names.find(host.name()) : names.end();
      if (state == names.end() || !state->second.has_answered) continue;
      out.sample({{"entry", std::string(to_text(target.protocol)) + "/" + to_text(target.local)},
                  {"host", host.name()}},
                 seconds_since(state->second.answered));
    }
  }
  const auto family = [&](std::string_view name, Type type, std::string_view help, auto value_of) {
    out.family("egress_dns_proxy_" + std::string(name), type, help);
    for (const auto& [host, state] : names)
      out.sample({{"host", host}}, std::uint64_t{value_of(state)});
  };
  family("name_stale", Type::gauge, "1 while the last question failed.",
         [](const NameState& state) { return state.is_stale ? 1U : 0U; });
  family("resolve_failures_total", Type::counter, "Questions that failed.",
         [](const NameState& state) { return state.failures; });
  family("answer_changes_total", Type::counter, "Answers that were another than before.",
         [](const NameState& state) { return state.changes; });
}

}  // namespace

std::string to_metrics(const Report& report) {
  MetricsText out;
  append_entries(out, report);
  append_addresses(out, report);
  append_names(out, report);
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    out.family("egress_dns_proxy_" + std::string(name), Type::gauge, help).sample({}, value);
  };
  gauge("connections", "TCP clients, connected now.", report.connections);
  gauge("connections_limit", "TCP clients at once, at most.", report.connections_limit);
  gauge("udp_flows", "UDP flows now.", report.udp_flows);
  gauge("table_refused", "1 while the table's file has errors and an older table is in force.",
        report.table_refused ? 1 : 0);
  out.family("egress_dns_proxy_access_log_dropped_total", Type::counter, "Lines that nobody took.")
      .sample({}, report.log_dropped);
  return out.take();
}

std::string to_status(const Report& report) {
  auto entries = nlohmann::json::array();
  for (const auto& pool : report.pools) {
    const auto* target = find_target(report.table, pool.local);
    if (target == nullptr) continue;
    auto hosts = nlohmann::json::array();
    for (const auto& host : target->hosts) {
      const std::string name = host.is_name() ? host.name() : to_text(host.address());
      auto addresses = nlohmann::json::array();
      for (const auto& backend : pool.backends) {
        if (backend.host != name) continue;
        addresses.push_back({{"address", to_text(backend.endpoint.address)},
                             {"up", report.is_up(backend.endpoint)},
                             {"connections", open_connections(backend)}});
      }
      hosts.push_back({{"host", name},
                       {"port", target->remote_port(pool.local.port)},
                       {"resolved", !report.directory.addresses_of(host).empty()},
                       {"addresses", std::move(addresses)}});
    }
    entries.push_back({{"entry", to_text(pool.local)}, {"line", target->line}, {"hosts", hosts}});
  }
  return nlohmann::json{
             {"version", kVersion},
             {"stage", report.stage},
             {"threads", report.threads},
             {"connections", {{"open", report.connections}, {"limit", report.connections_limit}}},
             {"udp_flows", report.udp_flows},
             {"table",
              {{"source", report.table.source}, {"newer_table_refused", report.table_refused}}},
             {"entries", std::move(entries)}}
             .dump(2) +
         "\n";
}

std::string unresolved_names(const Directory& directory) {
  std::string names;
  for (const auto& [name, state] : directory.names()) {
    if (state.addresses.empty()) names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? names : "not resolved: " + names;
}

}  // namespace egress::dns
