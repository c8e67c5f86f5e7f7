#include <algorithm>
#include <array>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// As common/net/admin.cpp answers.
constexpr std::array<std::string_view, 3> kHealth{"/livez", "/readyz", "/healthz"};

class ProbeChecker {
 public:
  ProbeChecker(const Workload& workload, const Container& container, Findings& findings)
      : workload_(workload), container_(container), findings_(findings) {}

  void check() {
    for (const auto* name : {"startupProbe", "livenessProbe", "readinessProbe"}) {
      const Node& probe = (*container_.node)[name];
      if (!probe) continue;
      const Node& port = probe["httpGet"] ? probe["httpGet"]["port"] : probe["tcpSocket"]["port"];
      const auto number = number_of(port);
      if (!number) continue;
      if (!container_.program || !container_.is_wholly_known || container_.has_errors) continue;
      if (!serves(*number)) {
        say(Level::error, port,
            "the container does not listen on port " + std::to_string(*number) +
                ": the probe always fails");
      } else if (probe["httpGet"] && is_admin(*number)) {
        http(name, probe["httpGet"]);
      }
    }
  }

 private:
  void say(Level level, const Node& at, std::string message) {
    findings_.add({level, "probe", std::move(message),
                   at.place.text != nullptr ? at.place : container_.place(),
                   workload_.object->title()});
  }

  std::optional<std::uint16_t> number_of(const Node& port) {
    if (!port) return std::nullopt;
    if (const auto number = parse_port(port.text())) return number;
    for (const Node* named : (*container_.node)["ports"].items) {
      if ((*named)["name"].text() == port.text())
        return parse_port((*named)["containerPort"].text());
    }
    say(Level::error, port,
        "the container has no port named \"" + escape(port.text()) + "\": the probe always fails");
    return std::nullopt;
  }

  bool serves(std::uint16_t port) const {
    const auto& served = container_.judgement.served;
    return std::any_of(served.begin(), served.end(), [&](const ServedPorts& one) {
      return one.protocol == Protocol::tcp && one.ports.contains(port);
    });
  }

  bool is_admin(std::uint16_t port) const {
    const auto& served = container_.judgement.served;
    return std::any_of(served.begin(), served.end(), [&](const ServedPorts& one) {
      return !one.for_clients && one.ports.contains(port);
    });
  }

  void http(std::string_view name, const Node& get) {
    const Node& path = get["path"];
    const bool is_health = std::find(kHealth.begin(), kHealth.end(), path.text()) != kHealth.end();
    if (!is_health) {
      say(Level::error, path ? path : get,
          "found path \"" + escape(path.text()) + "\", expected /livez or /readyz");
    } else if (name != "readinessProbe" && path.text() == "/readyz") {
      say(Level::warning, path,
          std::string(name) +
              " on /readyz restarts the container for what is wrong outside of it, "
              "such as its gateway: use /livez");
    } else if (name == "readinessProbe" && path.text() != "/readyz") {
      say(Level::warning, path, "readiness is at /readyz");
    }
    const bool has_tls = container_.variable("EGRESS_ADMIN_TLS_CERT") != nullptr;
    if (has_tls == (get["scheme"].text() == "HTTPS")) return;
    say(Level::error, get["scheme"] ? get["scheme"] : get,
        has_tls ? "EGRESS_ADMIN_TLS_CERT is set: the probe needs scheme: HTTPS"
                : "scheme HTTPS without EGRESS_ADMIN_TLS_CERT: the endpoint speaks plain HTTP");
  }

  const Workload& workload_;
  const Container& container_;
  Findings& findings_;
};

}  // namespace

void check_probes(const Workload& workload, const Container& container, Findings& findings) {
  ProbeChecker(workload, container, findings).check();
}

}  // namespace egress::lint
