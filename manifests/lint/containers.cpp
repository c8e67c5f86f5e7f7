#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
std::optional<double> quantity(std::string_view text) {
  struct Suffix {
    std::string_view text;
    double factor;
  };
  constexpr std::array kSuffixes{Suffix{"Ki", 1024.0},       Suffix{"Mi", 1048576.0},
                                 Suffix{"Gi", 1073741824.0}, Suffix{"Ti", 1099511627776.0},
                                 Suffix{"m", 1e-3},          Suffix{"k", 1e3},
                                 Suffix{"M", 1e6},           Suffix{"G", 1e9},
                                 Suffix{"T", 1e12}};
  double value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{}) return std::nullopt;
  const std::string_view rest(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (rest.empty()) return value;
  const auto* const suffix = std::find_if(kSuffixes.begin(), kSuffixes.end(),
                                          [&](const Suffix& one) { return one.text == rest; });
  return suffix == kSuffixes.end() ? std::nullopt : std::optional(value * suffix->factor);
}

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || status != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

class ContainerChecker {
 public:
  ContainerChecker(const Workload& workload, Findings& findings)
      : workload_(workload), findings_(findings) {}

  void check() {
    for (const auto& container : workload_.containers) misspelled(container);
    if (!workload_.is_egress()) return;
    for (const auto& container : workload_.containers) {
      resources(container);
      users(container);
      if (!container.program) continue;
      image(container);
      mounts(container);
      if (*container.program != Program::router) capabilities(container);
      if (*container.program == Program::wait) live(container);
    }
    restart_policy();
    grace_period();
    for (const Node* volume : (*workload_.spec)["volumes"].items) modes(*volume);
  }

 private:
  void say(Level level, std::string_view id, const Place& at, std::string message) {
    findings_.add({level, id, std::move(message), at, workload_.object->title()});
  }

  void misspelled(const Container& container) {
    const Node& image = (*container.node)["image"];
    const auto meant = program_misspelled(image.text());
    if (meant) {
      say(Level::error, "misspelled-image", image.place,
          "no such image of this project; did you mean " + std::string(name_of(*meant)) + "?");
    }
    const auto& command = (*container.node)["command"].items;
    if (command.empty()) return;
    if (const auto program = program_misspelled(command.front()->text())) {
      say(Level::error, "misspelled-command", command.front()->place,
          "no such program; did you mean /usr/bin/" + std::string(name_of(*program)) + "?");
    }
  }

  void image(const Container& container) {
    const Node& image = (*container.node)["image"];
    auto name = image.text();
    if (!image || name.find('@') != name.npos || name.find("${") != name.npos) return;
    name.remove_prefix(std::min(name.find_last_of('/') + 1, name.size()));
    const auto tag = name.find(':');
    if (tag != name.npos && name.substr(tag + 1) != "latest") return;
    say(Level::warning, "latest-image", image.place,
        "without a fixed tag, pods of one workload may run different versions: add :VERSION");
  }

  void resources(const Container& container) {
    const Node& resources = (*container.node)["resources"];
    for (const auto* list : {"requests", "limits"}) {
      const Node& memory = resources[list]["memory"];
      if (memory.text().ends_with('m')) {
        say(Level::error, "resources", memory.place,
            "found \"" + escape(memory.text()) +
                "\", thousandths of a byte; expected a size such as 16Mi");
      }
    }
    for (const auto& [name, request] : resources["requests"].members) {
      const Node& limit = resources["limits"][name->text()];
      const auto asked = quantity(request->text());
      const auto most = quantity(limit.text());
      if (!limit || !asked || !most || *asked <= *most) continue;
      say(Level::error, "resources", request->place,
          "requests more " + escape(name->text()) + " than the limit of " + escape(limit.text()) +
              " allows: the cluster rejects the pod");
    }
  }

  void users(const Container& container) {
    const Node& user = workload_.security(container, "runAsUser");
    const Node& non_root = workload_.security(container, "runAsNonRoot");
    if (user.text() != "0" || non_root.text() != "true") return;
    say(Level::error, "root-user", user.place,
        "runAsUser: 0 contradicts runAsNonRoot: true: the container does not start");
  }

  void capabilities(const Container& container) {
    const bool is_wait = *container.program == Program::wait;
    for (const Node* one : container.security()["capabilities"]["add"].items) {
      auto name = one->text();
      if (name.starts_with("CAP_")) name.remove_prefix(4);
      const bool is_of_use =
          is_wait ? name == "NET_ADMIN" || name == "NET_RAW" : name == "NET_BIND_SERVICE";
      if (!is_of_use) {
        say(Level::warning, "needless-capability", one->place,
            std::string(name_of(*container.program)) + " has no use for " + escape(name));
      } else if (const Node& user = workload_.security(container, "runAsUser");
                 is_wait && user && user.text() != "0") {
        say(Level::error, "ineffective-capability", user.place,
            "a capability is effective for root alone here: set runAsUser: 0 and runAsNonRoot: "
            "false");
      }
    }
  }

  // egress-wait that applies an edited table.
  void live(const Container& container) {
    if (container.variable("EGRESS_DESTINATION_FILE") == nullptr) return;
    const Place at = container.place_of("EGRESS_DESTINATION_FILE");
    for (const auto* name : {"NET_ADMIN", "NET_RAW"}) {
      if (container.is_privileged() || container.adds_capability(name)) continue;
      say(Level::error, "live-table", at,
          "to apply an edited table, egress-wait needs the capability " + std::string(name));
    }
    if (const auto program = program_called(container.image()); program == Program::wait) {
      say(Level::error, "live-table", (*container.node)["image"].place,
          "to apply an edited table, egress-wait runs egress-router, which this image lacks: use "
          "image egress-router with command: [/usr/bin/egress-wait]");
    }
    for (const auto* name : {"EGRESS_SOURCE", "EGRESS_GATEWAY"}) {
      if (container.variable(name) != nullptr || !container.is_wholly_known) continue;
      say(Level::error, "live-table", at,
          "to apply an edited table, egress-wait needs the variables of the init container: " +
              std::string(name) + " is missing");
    }
  }

  void mounts(const Container& container) {
    for (const auto& variable : container.variables) {
      const bool is_certificate =
          variable.name == "EGRESS_ADMIN_TLS_CERT" || variable.name == "EGRESS_ADMIN_TLS_KEY";
      if (is_certificate && variable.value && container.mount_of(*variable.value) == nullptr) {
        say(Level::error, "file-not-mounted", container.place_of(variable.name),
            "nothing is mounted in this container at " + escape(*variable.value));
      }
    }
    if (container.is_init) return;
    for (const Node* mount : (*container.node)["volumeMounts"].items) {
      const Node* const volume = workload_.volume((*mount)["name"].text());
      const bool is_updated = volume != nullptr && ((*volume)["configMap"] || (*volume)["secret"]);
      if (!is_updated || !(*mount)["subPath"]) continue;
      say(Level::warning, "sub-path", (*mount)["subPath"].place,
          "a file that is mounted by subPath is never updated: mount the volume as a directory");
    }
  }

  // Kubernetes reads 440 as decimal, which is 0670 in octal.
  void modes(const Node& volume) {
    for (const auto* kind : {"configMap", "secret", "projected"}) {
      const Node& mode = volume[kind]["defaultMode"];
      const auto value = number(mode.text());
      if (!mode || !value || mode.text().starts_with('0') || mode.quoted) continue;
      constexpr std::array kOctalLike{400, 440, 444, 600, 640, 644, 660,
                                      666, 700, 750, 755, 770, 775, 777};
      const bool looks_octal =
          std::find(kOctalLike.begin(), kOctalLike.end(), *value) != kOctalLike.end();
      if (!looks_octal && *value <= 0777) continue;
      say(Level::error, "file-mode", mode.place,
          "found " + std::to_string(*value) + ", a decimal number: write 0" +
              std::to_string(*value) + ", or its decimal value");
    }
  }

  void restart_policy() {
    const Node& policy = (*workload_.spec)["restartPolicy"];
    if (!policy || policy.text() == "Always") return;
    const auto& kind = workload_.object->kind;
    if (kind == "Job" || kind == "CronJob") return;
    say(Level::error, "restart-policy", policy.place,
        "found \"" + escape(policy.text()) +
            "\", expected Always: a router that ends must start again");
  }

  void grace_period() {
    const Node& period = (*workload_.spec)["terminationGracePeriodSeconds"];
    const int seconds = period ? number(period.text()).value_or(30) : 30;
    for (const auto& container : workload_.containers) {
      const auto drain = std::chrono::ceil<std::chrono::seconds>(container.judgement.drain).count();
      if (container.has_errors || seconds >= drain) continue;
      say(Level::warning, "grace-period", period ? period.place : container.place(),
          "connections have " + std::to_string(drain) + " s to end, and the pod is killed after " +
              std::to_string(seconds) + " s: set terminationGracePeriodSeconds above " +
              std::to_string(drain));
    }
  }

  const Workload& workload_;
  Findings& findings_;
};

}  // namespace

void check_containers(const Workload& workload, Findings& findings) {
  ContainerChecker(workload, findings).check();
  if (!workload.is_egress()) return;
  for (const auto& container : workload.containers) check_probes(workload, container, findings);
}

}  // namespace egress::lint
