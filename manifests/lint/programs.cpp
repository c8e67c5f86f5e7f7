#include "manifests/lint/programs.hpp"

#include <algorithm>
#include <array>

#include "common/edit_distance.hpp"
#include "http-proxy/config.hpp"
#include "redirect-proxy/dns/config.hpp"
#include "redirect-proxy/wait/config.hpp"
#include "router-init/config.hpp"

namespace egress::lint {
namespace {

constexpr std::array kPrograms{Program::router, Program::wait, Program::http_proxy,
                               Program::dns_proxy};

void add_listeners(const std::vector<ListenAddress>& listen, bool for_clients,
                   Judgement& judgement) {
  for (const auto& one : listen)
    judgement.served.push_back({Protocol::tcp, {one.port, one.port}, 0, for_clients});
}

void judge_router(const Environment& environment, std::string_view host_name,
                  Judgement& judgement) {
  const auto config = router::parse_config(environment, judgement.diagnostics, host_name);
  judgement.mode = router::to_text(config.mode);
  for (const auto& source : config.all_sources()) judgement.sources.push_back(source.address);
  const auto& table = config.destinations;
  judgement.serves_all_ports = table.fallback.v4 || table.fallback.v6;
  judgement.kept_ports = config.kept_ports;
  for (const auto& entry : table.entries)
    judgement.served.push_back({entry.protocol, entry.local, entry.line});
}

}  // namespace

std::string_view name_of(Program program) {
  switch (program) {
    case Program::router: return "egress-router";
    case Program::wait: return "egress-wait";
    case Program::http_proxy: return "egress-http-proxy";
    case Program::dns_proxy: return "egress-dns-proxy";
  }
  return {};
}

std::string_view table_of(Program program) {
  switch (program) {
    case Program::router: return "EGRESS_DESTINATION";
    case Program::wait: return {};
    case Program::http_proxy: return "EGRESS_HTTP_PROXY_DESTINATION";
    case Program::dns_proxy: return "EGRESS_DNS_PROXY_DESTINATION";
  }
  return {};
}

std::string_view last_part(std::string_view name) {
  name = name.substr(0, name.find('@'));
  name.remove_prefix(std::min(name.find_last_of('/') + 1, name.size()));
  return name.substr(0, name.find(':'));
}

std::optional<Program> program_misspelled(std::string_view name) {
  if (program_called(name)) return std::nullopt;
  name = last_part(name);
  const auto found = std::find_if(kPrograms.begin(), kPrograms.end(), [&](Program one) {
    return edit_distance(name, name_of(one)) <= 2;
  });
  return found == kPrograms.end() ? std::nullopt : std::optional(*found);
}

std::optional<Program> program_called(std::string_view name) {
  name = last_part(name);
  const auto found = std::find_if(kPrograms.begin(), kPrograms.end(),
                                  [&](Program one) { return name.ends_with(name_of(one)); });
  return found == kPrograms.end() ? std::nullopt : std::optional(*found);
}

Judgement judge(Program program, const Environment& environment, std::string_view host_name) {
  Judgement judgement;
  switch (program) {
    case Program::router: judge_router(environment, host_name, judgement); break;
    case Program::wait: {
      const auto config = wait::parse_config(environment, judgement.diagnostics);
      add_listeners(config.admin.listen, false, judgement);
      break;
    }
    case Program::http_proxy: {
      const auto config = http::parse_config(environment, judgement.diagnostics);
      judgement.drain = config.deadlines.drain;
      add_listeners(config.listen, true, judgement);
      add_listeners(config.admin.listen, false, judgement);
      break;
    }
    case Program::dns_proxy: {
      const auto config = dns::parse_config(environment, judgement.diagnostics);
      judgement.drain = config.drain;
      for (const auto& target : config.table.targets)
        judgement.served.push_back({target.protocol, target.local, target.line});
      add_listeners(config.admin.listen, false, judgement);
      break;
    }
  }
  return judgement;
}

}  // namespace egress::lint
