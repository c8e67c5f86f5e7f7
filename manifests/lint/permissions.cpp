#include <algorithm>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

constexpr std::string_view kScc = "SecurityContextConstraints";
constexpr std::string_view kRequired = "openshift.io/required-scc";

bool holds(const Node& list, std::string_view what) {
  return std::any_of(list.items.begin(), list.items.end(),
                     [&](const Node* one) { return one->text() == what; });
}

bool has_privileged_container(const Workload& workload) {
  return std::any_of(workload.containers.begin(), workload.containers.end(),
                     [](const Container& one) { return one.is_privileged(); });
}

// users: system:serviceaccount:NAMESPACE:NAME; groups: all of a namespace.
bool admits(const Object& scc, const Workload& workload) {
  const auto& users = scc["users"].items;
  const std::string end = ":" + std::string(workload.service_account());
  const std::string start = "system:serviceaccount:" + workload.object->name_space;
  const bool by_user = std::any_of(users.begin(), users.end(), [&](const Node* user) {
    return user->text().starts_with(start) && user->text().ends_with(end);
  });
  return by_user || !scc["groups"].items.empty();
}

bool is_use_of(const Node& rule, std::string_view scc) {
  const bool is_resource = !rule["resources"] ||
                           holds(rule["resources"], "securitycontextconstraints") ||
                           holds(rule["resources"], "*");
  const bool is_use = !rule["verbs"] || holds(rule["verbs"], "use") || holds(rule["verbs"], "*");
  return is_resource && is_use && (!rule["resourceNames"] || holds(rule["resourceNames"], scc));
}

class PermissionChecker {
 public:
  PermissionChecker(const Workload& workload, const Manifests& manifests, Findings& findings)
      : workload_(workload), manifests_(manifests), findings_(findings) {}

  void check() {
    if (!workload_.is_egress() || !has_privileged_container(workload_)) return;
    service_account();
    const Node& required = (*workload_.metadata)["annotations"][kRequired];
    if (required) {
      if (const Object* const scc = manifests_.find(kScc, required.text(), *workload_.object)) {
        if (!admits(*scc, workload_)) role_for(*scc);
        suffices(*scc);
      }
      return;
    }
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
    if (workload_.service_account() != "default") return;
    say(Level::warning, "missing-service-account", workload_.object->place(),
        "a privileged pod without a serviceAccountName of its own: whatever it may do, every pod "
        "of "
        "the namespace may");
  }

  // Of kind Role or ClusterRole, for the binding's roleRef; null where no given file has it.
  const Object* role_of(const Object& binding) const {
    const Node& role = binding["roleRef"];
    return manifests_.find(role["kind"].text(), role["name"].text(), binding);
  }

  bool binds_account(const Object& binding) const {
    const auto& subjects = binding["subjects"].items;
    return std::any_of(subjects.begin(), subjects.end(), [&](const Node* one) {
      const auto space = (*one)["namespace"].text();
      const auto& own = workload_.object->name_space;
      const bool is_here = space.empty() || own.empty() || space == own;
      if ((*one)["kind"].text() == "Group")
        return (*one)["name"].text().starts_with("system:serviceaccounts");
      return is_here && (*one)["name"].text() == workload_.service_account();
    });
  }

  // Of a binding in reach of the pod's namespace.
  bool is_in_reach(const Object& binding) const {
    return binding.kind == "ClusterRoleBinding" ||
           (binding.kind == "RoleBinding" && binding.shares_namespace_with(*workload_.object));
  }

  bool may_use(const Object& scc) const {
    const auto& objects = manifests_.objects();
    return std::any_of(objects.begin(), objects.end(), [&](const Object& binding) {
      if (!is_in_reach(binding) || !binds_account(binding)) return false;
      const Object* const role = role_of(binding);
      if (role == nullptr) return false;
      const auto& rules = (*role)["rules"].items;
      return std::any_of(rules.begin(), rules.end(),
                         [&](const Node* rule) { return is_use_of(*rule, scc.name); });
    });
  }

  // A binding for a ServiceAccount that the files have.
  bool is_of_another(const Object& binding) const {
    const auto& subjects = binding["subjects"].items;
    return std::any_of(subjects.begin(), subjects.end(), [&](const Node* one) {
      return manifests_.find("ServiceAccount", (*one)["name"].text(), binding) != nullptr &&
             (*one)["name"].text() != workload_.service_account();
    });
  }

  std::string missing_role(const Object& binding) const {
    const auto kind = binding["roleRef"]["kind"].text();
    const auto name = binding["roleRef"]["name"].text();
    for (const auto& role : manifests_.objects()) {
      if (role.kind == kind && role.name == name)
        return role.title() + " is in namespace \"" + escape(role.name_space) +
               "\", and the RoleBinding in \"" + escape(binding.name_space) +
               "\": a Role applies in its own namespace only";
    }
    return "no given file has " + escape(kind) + " \"" + escape(name) + "\"";
  }

  // Says which link of ServiceAccount, RoleBinding, Role and SCC is missing.
  void role_for(const Object& scc) {
    if (may_use(scc)) return;
    const std::string account = "ServiceAccount \"" + escape(workload_.service_account()) + "\"";
    for (const auto& binding : manifests_.objects()) {
      if (binding.kind != "RoleBinding" && binding.kind != "ClusterRoleBinding") continue;
      const Node& name = binding["roleRef"]["name"];
      const bool is_bound = binds_account(binding);
      const Object* const role = role_of(binding);
      std::string fault;
      if (!is_bound) {
        fault = "its subjects do not contain the " + account + " of " + workload_.object->title();
      } else if (!is_in_reach(binding)) {
        fault = "a RoleBinding of another namespace than " + workload_.object->title();
      } else if (role == nullptr) {
        fault = missing_role(binding);
      } else {
        fault = role->title() + " does not allow to use SecurityContextConstraints \"" +
                escape(scc.name) + "\"";
      }
      if (!is_bound && is_of_another(binding)) continue;
      findings_.add({Level::error, "missing-role", fault, !is_bound ? binding.place() : name.place,
                     binding.title()});
      return;
    }
    say(Level::error, "missing-role", workload_.object->place(),
        "no RoleBinding of the given files lets the " + account + " use " + scc.title());
  }

  void some_scc() {
    for (const auto& object : manifests_.objects()) {
      if (object.kind == kScc && (admits(object, workload_) || may_use(object)))
        return suffices(object);
    }
    say(Level::error, "missing-scc", workload_.object->place(),
        "no SecurityContextConstraints of the given files admits the ServiceAccount \"" +
            escape(workload_.service_account()) + "\" of this pod");
  }

  void suffices(const Object& scc) {
    const auto lacks = [&](std::string_view field, std::string message) {
      const Node* const key = scc.root->key(field);
      findings_.add({Level::error, "missing-scc", std::move(message),
                     key != nullptr ? scc[field].place : scc.place(), scc.title()});
    };
    const auto must_be_true = [&](std::string_view field, std::string_view why) {
      if (scc[field].text() == "true") return;
      lacks(field, std::string(field) + " is not true, but " + workload_.object->title() + " " +
                       std::string(why));
    };
    must_be_true("allowPrivilegedContainer", "has a privileged container");
    if ((*workload_.spec)["hostPID"].text() == "true") must_be_true("allowHostPID", "sets hostPID");
    volumes(scc, lacks);
    const auto user = scc["runAsUser"]["type"].text();
    if (!user.empty() && user != "RunAsAny") {
      lacks("runAsUser",
            "found " + escape(user) + ", expected RunAsAny: egress-router runs as root");
    }
    for (const auto& container : workload_.containers) container_needs(container, scc, lacks);
  }

  template <class Lacks>
  void volumes(const Object& scc, const Lacks& lacks) {
    for (const Node* volume : (*workload_.spec)["volumes"].items) {
      for (const auto* kind : {"configMap", "secret", "hostPath", "projected", "emptyDir"}) {
        if (!(*volume)[kind]) continue;
        const bool is_listed = holds(scc["volumes"], kind) || holds(scc["volumes"], "*");
        const bool is_host = std::string_view(kind) == "hostPath";
        if (is_host && scc["allowHostDirVolumePlugin"].text() != "true") {
          lacks("allowHostDirVolumePlugin", "allowHostDirVolumePlugin is not true, but " +
                                                workload_.object->title() +
                                                " has a hostPath volume");
        } else if (scc["volumes"] && !is_listed) {
          lacks("volumes", "volumes does not list " + std::string(kind) + ", which " +
                               workload_.object->title() + " has");
        }
      }
    }
  }

  template <class Lacks>
  void container_needs(const Container& container, const Object& scc, const Lacks& lacks) {
    const std::string who =
        "container " + escape(container.name()) + " of " + workload_.object->title();
    const auto profile = workload_.security(container, "seccompProfile")["type"].text();
    const Node& profiles = scc["seccompProfiles"];
    if (profile == "RuntimeDefault" && !holds(profiles, "runtime/default") &&
        !holds(profiles, "*")) {
      lacks("seccompProfiles",
            "seccompProfiles does not list runtime/default, which " + who + " sets");
    }
    if (scc["readOnlyRootFilesystem"].text() == "true" &&
        container.security()["readOnlyRootFilesystem"].text() == "false") {
      lacks("readOnlyRootFilesystem", "readOnlyRootFilesystem is true, but " + who + " sets false");
    }
    if (container.is_privileged()) return;
    for (const Node* added : container.security()["capabilities"]["add"].items) {
      if (holds(scc["allowedCapabilities"], added->text()) ||
          holds(scc["allowedCapabilities"], "*"))
        continue;
      lacks("allowedCapabilities", "allowedCapabilities does not list " + escape(added->text()) +
                                       ", which " + who + " adds");
    }
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
