#include "redirect-proxy/wait/config.hpp"

#include <array>

#include "common/settings.hpp"

namespace egress::wait {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

constexpr std::array kVariables{
    Variable{"EGRESS_INTERFACE", "macvlan0",
             "interface towards the outside, whose addresses are announced and defended"},
    Variable{
        "EGRESS_DESTINATION_FILE", "",
        "path of the table's file: a changed table is put in force by egress-router, which runs "
        "with this container's variables and CAP_NET_ADMIN"},
    Variable{"EGRESS_GATEWAY_CHECK_INTERVAL", "10s",
             "time between two probes of the gateway, from 1s to 1h; it is down after three probes "
             "without an answer; 0 disables probes"},
    Variable{"EGRESS_ADMIN_LISTEN", "off",
             "ADDRESS:PORT of /healthz, /livez, /readyz, /metrics and /status; off: none"},
    Variable{"EGRESS_ADMIN_TLS_CERT", "",
             "path of a certificate (PEM, chain): EGRESS_ADMIN_LISTEN then speaks TLS; read again "
             "when it changes"},
    Variable{"EGRESS_ADMIN_TLS_KEY", "", "path of its private key (PEM)"},
    Variable{"EGRESS_LOG_LEVEL", "info", "debug, info, warn or error"},
    Variable{"EGRESS_LOG_FORMAT", "text", "text or json"},
    Variable{"EGRESS_TERMINATION_LOG", kTerminationLog,
             "file that takes the last error, where it exists"},
};

}  // namespace

WaitConfig parse_config(const Environment& environment, Diagnostics& diagnostics) {
  WaitConfig config;
  SettingsReader reader(environment, diagnostics);
  reader.text("EGRESS_INTERFACE", config.interface);
  reader.text("EGRESS_DESTINATION_FILE", config.table_path);
  if (environment.get("EGRESS_GATEWAY_CHECK_INTERVAL") == "0") {
    config.gateway_interval = {};
  } else {
    reader.duration("EGRESS_GATEWAY_CHECK_INTERVAL", {seconds(1), hours(1)},
                    config.gateway_interval, ", or 0");
  }
  config.admin = parse_admin_settings(environment, diagnostics, {});
  config.log = parse_log_options(environment, diagnostics);
  reader.text("EGRESS_TERMINATION_LOG", config.termination_log);
  // Variables of the other containers are no slips of this one's: a pod may share one ConfigMap.
  return config;
}

std::span<const Variable> variables() { return kVariables; }

}  // namespace egress::wait
