#include <algorithm>
#include <array>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>

#include "common/edit_distance.hpp"
#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"
#include "manifests/lint/schema.hpp"

namespace egress::lint {
namespace {

struct Version {
  std::string_view kind;
  std::string_view version;
};

constexpr std::array kVersions{Version{"Pod", "v1"},
                               Version{"Service", "v1"},
                               Version{"ConfigMap", "v1"},
                               Version{"Secret", "v1"},
                               Version{"ServiceAccount", "v1"},
                               Version{"Namespace", "v1"},
                               Version{"ReplicationController", "v1"},
                               Version{"Deployment", "apps/v1"},
                               Version{"StatefulSet", "apps/v1"},
                               Version{"DaemonSet", "apps/v1"},
                               Version{"ReplicaSet", "apps/v1"},
                               Version{"DeploymentConfig", "apps.openshift.io/v1"},
                               Version{"Job", "batch/v1"},
                               Version{"CronJob", "batch/v1"},
                               Version{"NetworkPolicy", "networking.k8s.io/v1"},
                               Version{"PodDisruptionBudget", "policy/v1"},
                               Version{"PriorityClass", "scheduling.k8s.io/v1"},
                               Version{"Role", "rbac.authorization.k8s.io/v1"},
                               Version{"ClusterRole", "rbac.authorization.k8s.io/v1"},
                               Version{"RoleBinding", "rbac.authorization.k8s.io/v1"},
                               Version{"ClusterRoleBinding", "rbac.authorization.k8s.io/v1"},
                               Version{"NetworkAttachmentDefinition", "k8s.cni.cncf.io/v1"},
                               Version{"SecurityContextConstraints", "security.openshift.io/v1"}};

// Whether two objects are applied alike. Their size is limited where they are read.
bool same(const Node& a, const Node& b) {
  return a.kind == b.kind && a.scalar == b.scalar &&
         std::equal(a.items.begin(), a.items.end(), b.items.begin(), b.items.end(),
                    [](const Node* one, const Node* other) { return same(*one, *other); }) &&
         std::equal(a.members.begin(), a.members.end(), b.members.begin(), b.members.end(),
                    [](const auto& one, const auto& other) {
                      return same(*one.first, *other.first) && same(*one.second, *other.second);
                    });
}

class ObjectChecker {
 public:
  ObjectChecker(const Manifests& manifests, Findings& findings)
      : manifests_(manifests), findings_(findings) {}

  void check() {
    std::map<std::tuple<std::string, std::string, std::string>, const Object*> known;
    for (const auto& object : manifests_.objects()) {
      version(object);
      ignored_checks(object);
      if (object.kind == "NetworkAttachmentDefinition") network(object);
      if (object.kind == "EgressRouter") {
        say(Level::note, "openshift-egress-router", object, object.place(),
            "OpenShift's own egress router, not one of this project: egress-lint "
            "--from-egressrouter prints the equivalent");
      }
      if (object.name.empty()) continue;
      const auto [first, is_new] =
          known.emplace(std::tuple(object.kind, object.name_space, object.name), &object);
      if (is_new) continue;
      const Place there = first->second->place();
      if (same(*first->second->root, *object.root)) {
        if (pod_of(object) == nullptr || there.text == object.place().text) continue;
        say(Level::warning, "duplicate-object", object, object.place(),
            "the same object as at " + escape(there.text->name()) + ":" +
                std::to_string(there.line) +
                ": a copy whose name (namePrefix) was not edited? Both are one router");
        continue;
      }
      say(Level::error, "duplicate-object", object, object.place(),
          "another object of this kind and name is at " + escape(there.text->name()) + ":" +
              std::to_string(there.line) + ": only one of them takes effect");
    }
  }

 private:
  void say(Level level, std::string_view id, const Object& object, const Place& at,
           std::string message) {
    findings_.add({level, id, std::move(message), at, object.title()});
  }

  void version(const Object& object) {
    const Node& given = object["apiVersion"];
    const auto* const expected =
        std::find_if(kVersions.begin(), kVersions.end(),
                     [&](const Version& one) { return one.kind == object.kind; });
    if (expected == kVersions.end()) return misspelled_kind(object);
    if (given.text() == expected->version) return;
    if (given.text() == "v1" && expected->version.find("openshift.io") != std::string_view::npos) {
      return say(Level::warning, "api-version", object, given.place,
                 "v1 for " + std::string(expected->kind) +
                     " is the form of OpenShift 3, which newer clusters reject: write " +
                     std::string(expected->version));
    }
    say(Level::error, "api-version", object, given ? given.place : object.place(),
        "found \"" + escape(given.text()) + "\" for " + std::string(expected->kind) +
            ", expected " + std::string(expected->version));
  }

  void ignored_checks(const Object& object) {
    for (const auto id : object.ignored()) {
      if (is_check(id)) continue;
      say(Level::warning, "lint-ignore", object, object["metadata"]["annotations"][kIgnore].place,
          "no check is named \"" + escape(id) + "\": docs/linter.md lists them");
    }
  }

  void misspelled_kind(const Object& object) {
    for (const auto& known : kVersions) {
      const std::size_t slips = known.kind.size() > 6 ? 2 : 1;
      if (edit_distance(known.kind, object.kind) > slips) continue;
      return say(Level::error, "unknown-kind", object, object["kind"].place,
                 "found kind \"" + escape(object.kind) + "\"; did you mean " +
                     std::string(known.kind) + "?");
    }
  }

  // https://www.cni.dev/plugins/current/main/macvlan/
  void network(const Object& object) {
    const Node& text = object["spec"]["config"];
    const auto fault = [&](Level level, std::string message) {
      say(level, "network-config", object, text ? text.place : object.place(), std::move(message));
    };
    if (!text) return fault(Level::error, "spec.config is missing: the network has no plugin");
    auto config = nlohmann::json::parse(text.text(), nullptr, false);
    if (!config.is_object()) return fault(Level::error, "spec.config is not valid JSON");
    if (config.contains("plugins") && config["plugins"].is_array() && !config["plugins"].empty() &&
        config["plugins"][0].is_object())
      config = nlohmann::json(config["plugins"][0]);
    const auto field = [&](const char* name) {
      return config.contains(name) && config[name].is_string() ? config[name].get<std::string>()
                                                               : std::string();
    };
    const auto type = field("type");
    if (type == "ipvlan") {
      fault(Level::error,
            "ipvlan shares the node's MAC address, so that the router cannot probe or defend its "
            "address: use macvlan");
    } else if (type.empty()) {
      fault(Level::error, "spec.config names no plugin: \"type\": \"macvlan\"");
    }
    if (type != "macvlan") return;
    for (const auto& member : config.items()) {
      const auto meant = resembling_field("MacvlanPlugin", member.key());
      if (meant.empty()) continue;
      fault(Level::error, "macvlan has no field \"" + escape(member.key()) + "\"; did you mean \"" +
                              std::string(meant) + "\"?");
    }
    const auto mode = field("mode");
    constexpr std::array<std::string_view, 5> kModes{"", "bridge", "private", "vepa", "passthru"};
    if (std::find(kModes.begin(), kModes.end(), mode) == kModes.end()) {
      fault(Level::error,
            "found mode \"" + escape(mode) + "\", expected bridge, private, vepa or passthru");
    }
    if (config.contains("ipam") && config["ipam"].is_object() && config["ipam"].contains("type")) {
      fault(Level::error,
            "IPAM assigns the interface another address than EGRESS_SOURCE: \"ipam\": {}");
    }
  }

  const Manifests& manifests_;
  Findings& findings_;
};

// A namespace that enforces less than the pod needs rejects it.
void check_pod_security(const Manifests& manifests, const std::vector<Workload>& workloads,
                        Findings& findings) {
  constexpr std::string_view kEnforce = "pod-security.kubernetes.io/enforce";
  for (const auto& object : manifests.objects()) {
    if (object.kind != "Namespace") continue;
    const Node& level = object["metadata"]["labels"][kEnforce];
    if (!level || level.text() == "privileged") continue;
    for (const auto& workload : workloads) {
      const auto& name = workload.object->name_space;
      const bool is_here = name.empty() || name == object.name;
      const bool needs = std::any_of(workload.containers.begin(), workload.containers.end(),
                                     [](const Container& one) { return one.is_privileged(); });
      if (!is_here || !needs || !workload.is_egress()) continue;
      findings.add({Level::error, "pod-security",
                    "this namespace rejects the privileged container of " +
                        workload.object->title() + ": found \"" + escape(level.text()) +
                        "\", expected privileged",
                    level.place, object.title()});
    }
  }
}

}  // namespace

void check_objects(const Manifests& manifests, const std::vector<Workload>& workloads,
                   Findings& findings) {
  ObjectChecker(manifests, findings).check();
  for (const auto& object : manifests.objects()) {
    check_fields(object, findings);
    check_schema(object, findings);
  }
  check_pod_security(manifests, workloads, findings);
}

}  // namespace egress::lint
