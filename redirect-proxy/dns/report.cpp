#include "redirect-proxy/dns/report.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/net/metrics.hpp"
#include "common/version.hpp"

namespace egress::dns {

using net::MetricsText;
using Type = net::MetricsText::Type;

namespace {

// Addresses that are listed, of all entries together; of each entry at least kMinListed.
constexpr std::size_t kMaxListed = 4096;
constexpr std::size_t kMinListed = 4;

struct EntryRow {
  LocalPort local;
  std::size_t target = 0;  // place in the table
  Pool pool;
  const EntryUses& uses;
};

struct AddressRow {
  std::string entry;
  std::size_t host = 0;  // place in Target::hosts
  Endpoint endpoint;
  bool is_up = false;
  AddressTotals totals;
};

std::vector<EntryRow> entry_rows(const Report& report) {
  std::vector<EntryRow> rows;
  const auto& snapshot = report.upstreams.snapshot();
  const auto& targets = snapshot.table->text.targets;
  for (std::size_t target = 0; target < targets.size(); ++target) {
    const auto& ports = targets[target].local;
    for (std::uint32_t port = ports.first; port <= ports.last; ++port) {
      const LocalPort local{targets[target].protocol, static_cast<std::uint16_t>(port)};
      rows.push_back({local, target, Pool(snapshot, target), report.uses.at(local)});
    }
  }
  return rows;
}

std::vector<AddressRow> address_rows(const Report& report, const EntryRow& entry, std::size_t max) {
  std::vector<AddressRow> rows;
  const auto& snapshot = report.upstreams.snapshot();
  const auto& target = snapshot.table->text.targets[entry.target];
  for (std::size_t host = 0; host < target.hosts.size(); ++host) {
    for (const auto& address : report.upstreams.directory().listed(target.hosts[host])) {
      if (rows.size() == max) return rows;
      if (entry.pool.host_of(address) != host) continue;  // another host has it, or it just left
      const Endpoint endpoint{address, target.remote_port(entry.local.port)};
      rows.push_back({.entry = to_text(entry.local),
                      .host = host,
                      .endpoint = endpoint,
                      .is_up = report.upstreams.is_up(entry.local.protocol, endpoint),
                      .totals = sum(entry.uses, address)});
    }
  }
  return rows;
}

std::size_t max_listed(std::size_t entries) {
  return std::max(kMinListed, kMaxListed / std::max<std::size_t>(1, entries));
}

void append_entries(MetricsText& out, const Report& report, const std::vector<EntryRow>& entries) {
  const auto family = [&](std::string_view name, Type type, std::string_view help, auto value_of) {
    out.family("egress_dns_proxy_" + std::string(name), type, help);
    for (const auto& entry : entries)
      out.sample({{"entry", to_text(entry.local)}}, std::uint64_t{value_of(entry)});
  };
  const auto counted = [](net::Count EntryUse::*count) {
    return [count](const EntryRow& entry) { return sum(entry.uses, count); };
  };
  family("entry_up", Type::gauge, "1 where the entry has an address that is up.",
         [&](const EntryRow& entry) {
           return report.upstreams.has_address_up(entry.target, entry.local) ? 1U : 0U;
         });
  family("entry_addresses", Type::gauge,
         "Addresses of the entry's hosts now. Other metrics list a bounded number of them.",
         [](const EntryRow& entry) { return entry.pool.size(); });
  family("connections_total", Type::counter, "Connections and flows of clients.",
         counted(&EntryUse::connections));
  family("failures_total", Type::counter, "Those for which no address could be reached.",
         counted(&EntryUse::failures));
  family("refused_total", Type::counter, "Datagrams from the external network, dropped.",
         counted(&EntryUse::refused));
}

void append_addresses(MetricsText& out, const Report& report,
                      const std::vector<EntryRow>& entries) {
  std::vector<std::pair<AddressRow, std::string>> rows;
  for (const auto& entry : entries) {
    const auto& hosts = report.upstreams.snapshot().table->text.targets[entry.target].hosts;
    for (auto& row : address_rows(report, entry, max_listed(entries.size()))) {
      auto host = to_name(hosts[row.host]);
      rows.emplace_back(std::move(row), std::move(host));
    }
  }
  const auto family = [&](std::string_view name, Type type, std::string_view help, auto value_of) {
    out.family("egress_dns_proxy_address_" + std::string(name), type, help);
    for (const auto& [row, host] : rows) {
      out.sample({{"entry", row.entry}, {"host", host}, {"address", to_text(row.endpoint)}},
                 std::uint64_t{value_of(row)});
    }
  };
  const auto counted = [](std::uint64_t AddressTotals::*count) {
    return [count](const AddressRow& row) { return row.totals.*count; };
  };
  family("up", Type::gauge, "By the last check.",
         [](const AddressRow& row) { return row.is_up ? 1U : 0U; });
  family("connections", Type::gauge, "Connections and flows, open now.",
         [](const AddressRow& row) { return row.totals.open(); });
  family("connections_total", Type::counter, "Connections and flows established.",
         counted(&AddressTotals::connections));
  family("failures_total", Type::counter, "Attempts that failed.",
         counted(&AddressTotals::failures));
  family("sent_bytes_total", Type::counter, "To this address.",
         counted(&AddressTotals::to_upstream));
  family("received_bytes_total", Type::counter, "From this address.",
         counted(&AddressTotals::to_client));
}

double seconds_since(NameState::Clock::time_point time) {
  return std::chrono::duration<double>(NameState::Clock::now() - time).count();
}

void append_names(MetricsText& out, const Report& report) {
  const auto& names = report.upstreams.directory().names();
  out.family("egress_dns_proxy_resolve_age_seconds", Type::gauge,
             "Since the last good answer; only for names that have one.");
  for (const auto& target : report.upstreams.snapshot().table->text.targets) {
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
  family("name_resolved", Type::gauge, "1 while the name has an address.",
         [](const NameState& state) { return state.addresses->empty() ? 0U : 1U; });
  family("name_restricted_addresses", Type::gauge,
         "Addresses of the last answer that are not used, as the destination policy forbids them.",
         [](const NameState& state) { return state.restricted.size(); });
  family("name_stale", Type::gauge, "1 while the last query failed.",
         [](const NameState& state) { return state.is_stale ? 1U : 0U; });
  family("resolve_failures_total", Type::counter, "Queries that failed.",
         [](const NameState& state) { return state.failures; });
  family("answer_changes_total", Type::counter, "Answers that differ from the one before.",
         [](const NameState& state) { return state.changes; });
}

// The same for all entries of a name, and few of them.
nlohmann::json restricted_of(const Report& report, const Host& host) {
  constexpr std::size_t kMax = 16;
  auto list = nlohmann::json::array();
  if (host.is_address()) return list;
  const auto& restricted = report.upstreams.directory().names().at(host.name()).restricted;
  for (std::size_t i = 0; i < std::min(restricted.size(), kMax); ++i) {
    list.push_back({{"address", to_text(restricted[i].address)},
                    {"restriction", to_text(restricted[i].restriction)}});
  }
  return list;
}

}  // namespace

std::string to_metrics(const Report& report) {
  MetricsText out;
  const auto entries = entry_rows(report);
  append_entries(out, report, entries);
  append_addresses(out, report, entries);
  append_names(out, report);
  const auto gauge = [&](std::string_view name, std::string_view help, std::uint64_t value) {
    out.family("egress_dns_proxy_" + std::string(name), Type::gauge, help).sample({}, value);
  };
  gauge("udp_flows", "UDP flows now.", report.udp_flows);
  gauge("udp_flows_limit", "Maximum number of UDP flows at once.", report.udp_flows_limit);
  gauge("table_refused", "1 while the file's table is rejected and an older one is applied.",
        report.table_refused ? 1 : 0);
  out.family("egress_dns_proxy_access_log_dropped_total", Type::counter, "Lines that nobody read.")
      .sample({}, report.log_dropped);
  return out.take();
}

std::string to_status(const Report& report) {
  auto entries = nlohmann::json::array();
  const auto& snapshot = report.upstreams.snapshot();
  const auto rows = entry_rows(report);
  for (const auto& entry : rows) {
    const auto& target = snapshot.table->text.targets[entry.target];
    std::vector<nlohmann::json> addresses(target.hosts.size(), nlohmann::json::array());
    for (const auto& row : address_rows(report, entry, max_listed(rows.size()))) {
      addresses[row.host].push_back({{"address", to_text(row.endpoint.address)},
                                     {"up", row.is_up},
                                     {"connections", row.totals.open()}});
    }
    auto hosts = nlohmann::json::array();
    for (std::size_t i = 0; i < target.hosts.size(); ++i) {
      const auto& list = *snapshot.addresses[snapshot.table->hosts_of[entry.target][i]];
      hosts.push_back({{"host", to_name(target.hosts[i])},
                       {"port", target.remote_port(entry.local.port)},
                       {"resolved", !list.empty()},
                       {"addresses", std::move(addresses[i])},
                       {"restricted", restricted_of(report, target.hosts[i])}});
    }
    entries.push_back({{"entry", to_text(entry.local)},
                       {"line", target.line},
                       {"addresses", entry.pool.size()},
                       {"hosts", std::move(hosts)}});
  }
  return nlohmann::json{
             {"version", kVersion},
             {"stage", report.stage},
             {"threads", report.threads},
             {"connections", {{"open", report.connections}, {"limit", report.connections_limit}}},
             {"udp_flows", {{"open", report.udp_flows}, {"limit", report.udp_flows_limit}}},
             {"table",
              {{"source", snapshot.table->text.source},
               {"newer_table_refused", report.table_refused}}},
             {"entries", std::move(entries)}}
             .dump(2) +
         "\n";
}

}  // namespace egress::dns
