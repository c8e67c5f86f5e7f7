// The checks that the programs make at their start, asked of all four of them. The one place where
// this project's programs meet: a manifest has containers of all of them.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/environment.hpp"
#include "common/ip.hpp"
#include "common/port.hpp"

namespace egress::lint {

enum class Program { router, wait, http_proxy, dns_proxy };

std::string_view name_of(Program program);  // "egress-router"
// The variable of its table; empty: it has none.
std::string_view table_of(Program program);

// By the name of an executable or an image: registry, tag and digest do not matter, nor what stands
// before the program's name ("ose-egress-router").
std::optional<Program> program_called(std::string_view name);
// The program whose name is one or two slips away from this one's; nothing where it is right.
std::optional<Program> program_misspelled(std::string_view name);

struct ServedPorts {
  Protocol protocol = Protocol::tcp;
  PortRange ports;
  std::size_t line = 0;     // of the table; 0: not of a table
  bool for_clients = true;  // false: the administrators' endpoint
};

// What a program makes of its variables.
struct Judgement {
  Diagnostics diagnostics;
  std::vector<IpAddress> sources;  // of the router
  std::string mode;                // of the router: "init", "http-proxy"
  bool serves_all_ports = false;   // an address alone in the router's table
  std::vector<ServedPorts> served;
  std::vector<std::uint16_t> kept_ports;  // that the router's default destination leaves alone
  std::chrono::milliseconds drain{0};     // from SIGTERM to the end
};

// `host_name` as the pod has it.
Judgement judge(Program program, const Environment& environment, std::string_view host_name);

}  // namespace egress::lint
