#include "redirect-proxy/wait_config.hpp"

#include <array>

namespace egress::wait {
namespace {

constexpr std::array kVariables{
    Variable{"EGRESS_INTERFACE", "macvlan0",
             "interface towards the outside, whose addresses are announced a second time"},
    Variable{"EGRESS_ADMIN_LISTEN", "off",
             "this version has no admin endpoint: anything but off is ignored, with a warning"},
    Variable{"EGRESS_LOG_LEVEL", "info", "debug, info, warn or error"},
    Variable{"EGRESS_LOG_FORMAT", "text", "text or json"},
    Variable{"EGRESS_TERMINATION_LOG", kTerminationLog,
             "file that takes the last error, where it exists"},
};

}  // namespace

WaitConfig parse_config(const Environment& environment, Diagnostics& diagnostics) {
  WaitConfig config;
  config.log = parse_log_options(environment, diagnostics);
  if (const auto name = environment.get("EGRESS_INTERFACE")) config.interface = *name;
  if (const auto path = environment.get("EGRESS_TERMINATION_LOG")) config.termination_log = *path;
  const auto listen = environment.get("EGRESS_ADMIN_LISTEN");
  if (listen && *listen != "off") {
    diagnostics.warning({"EGRESS_ADMIN_LISTEN", 1, 1, *listen, listen->size()},
                        "ignored: egress-wait has no admin endpoint in this version");
  }
  // Variables of the other containers are no slips of this one's: a pod may share one ConfigMap.
  return config;
}

std::span<const Variable> variables() { return kVariables; }

}  // namespace egress::wait
