#include <algorithm>
#include <array>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

constexpr std::string_view kScc = "SecurityContextConstraints";
constexpr std::string_view kRequired = "openshift.io/required-scc";
constexpr std::array<std::string_view, 9> kBuiltIn{
    "privileged", "anyuid",         "restricted", "restricted-v2",   "nonroot",
    "nonroot-v2", "hostnetwork-v2", "hostaccess", "hostmount-anyuid"};

bool has_privileged_container(const Workload& workload) {
  return std::any_of(workload.containers.begin(), workload.containers.end(),
                     [](const Container& one) {
                       return (*one.node)["securityContext"]["privileged"].text() == "true";
                     });
}

// Whether a Role or ClusterRole of the files lets its subjects use this SCC.
bool may_use_by_role(const Manifests& manifests, std::string_view scc) {
  for (const auto& object : manifests.objects()) {
    if (object.kind != "Role" && object.kind != "ClusterRole") continue;
    for (const Node* rule : object["rules"].items) {
      const auto& names = (*rule)["resourceNames"].items;
      if (std::any_of(names.begin(), names.end(),
                      [&](const Node* name) { return name->text() == scc; }))
        return true;
    }
  }
  return false;
}

// users: system:serviceaccount:NAMESPACE:NAME; groups: all of a namespace.
bool admits(const Object& scc, const Workload& workload) {
  const auto& users = scc["users"].items;
  const std::string end = ":" + std::string(workload.service_account());
  const bool by_user = std::any_of(users.begin(), users.end(), [&](const Node* user) {
    return user->text().starts_with("system:serviceaccount:") && user->text().ends_with(end);
  });
  return by_user || !scc["groups"].items.empty();
}

class PermissionChecker {
 public:
  PermissionChecker(const Workload& workload, const Manifests& manifests, Findings& findings)
      : workload_(workload), manifests_(manifests), findings_(findings) {}

  void check() {
    if (!workload_.is_egress() || !has_privileged_container(workload_)) return;
    service_account();
    const Node& required = (*workload_.metadata)["annotations"][kRequired];
    if (required) return required_scc(required);
    if (manifests_.has(kScc)) return some_scc();
    if (!(*workload_.metadata)["annotations"]["pod.network.openshift.io/assign-macvlan"]) return;
    say(Level::note, "missing-scc", workload_.object->place(),
        "a privileged container on OpenShift needs a SecurityContextConstraints that admits the "
        "ServiceAccount \"" +
            escape(workload_.service_account()) + "\"; no given file has one");
  }

 private:
  void say(Level level, std::string_view id, const Place& at, std::string message) {
    findings_.add({level, id, std::move(message), at, workload_.object->title()});
  }

  void service_account() {
    const auto name = workload_.service_account();
    const Node* const key = workload_.spec->key("serviceAccountName");
    if (name == "default") {
      return say(
          Level::warning, "missing-service-account", workload_.object->place(),
          "a privileged pod without a serviceAccountName of its own: whatever it may do, every "
          "pod of the namespace may");
    }
    if (!manifests_.has("ServiceAccount") ||
        manifests_.find("ServiceAccount", name, *workload_.object) != nullptr)
      return;
    say(Level::warning, "missing-service-account",
        key != nullptr ? (*workload_.spec)["serviceAccountName"].place : workload_.object->place(),
        "no given file has ServiceAccount \"" + escape(name) + "\"");
  }

  void required_scc(const Node& required) {
    const Object* const scc = manifests_.find(kScc, required.text(), *workload_.object);
    if (scc != nullptr) return suffices(*scc);
    if (std::find(kBuiltIn.begin(), kBuiltIn.end(), required.text()) != kBuiltIn.end()) return;
    say(manifests_.has(kScc) ? Level::warning : Level::note, "missing-scc", required.place,
        "no given file has SecurityContextConstraints \"" + escape(required.text()) + "\"");
  }

  void some_scc() {
    for (const auto& object : manifests_.objects()) {
      if (object.kind == kScc &&
          (admits(object, workload_) || may_use_by_role(manifests_, object.name)))
        return suffices(object);
    }
    say(Level::error, "missing-scc", workload_.object->place(),
        "no SecurityContextConstraints of the given files admits the ServiceAccount \"" +
            escape(workload_.service_account()) + "\" of this pod");
  }

  void suffices(const Object& scc) {
    const auto lacks = [&](std::string_view field, std::string_view why) {
      if (scc[field].text() == "true") return;
      const Node* const key = scc.root->key(field);
      findings_.add({Level::error, "missing-scc",
                     std::string(field) + " is not true, but " + workload_.object->title() + " " +
                         std::string(why),
                     key != nullptr ? scc[field].place : scc.place(), scc.title()});
    };
    lacks("allowPrivilegedContainer", "has a privileged container");
    if ((*workload_.spec)["hostPID"].text() == "true") lacks("allowHostPID", "sets hostPID");
  }

  const Workload& workload_;
  const Manifests& manifests_;
  Findings& findings_;
};

}  // namespace

void check_permissions(const Workload& workload, const Manifests& manifests, Findings& findings) {
  PermissionChecker(workload, manifests, findings).check();
}

}  // namespace egress::lint
