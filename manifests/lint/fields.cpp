#include <algorithm>
#include <array>

#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

struct Rule {
  std::string_view field;
  std::string_view belongs;  // "the pod's spec"
};

constexpr std::string_view kPodSpec = "the pod's spec";
constexpr std::string_view kContainer = "a container";
constexpr std::string_view kTemplate = "spec.template.spec";
constexpr std::string_view kPodMetadata = "the metadata of the pod (spec.template.metadata)";

constexpr std::array kNotInContainer{Rule{"serviceAccountName", kPodSpec},
                                     Rule{"serviceAccount", kPodSpec},
                                     Rule{"nodeSelector", kPodSpec},
                                     Rule{"nodeName", kPodSpec},
                                     Rule{"hostPID", kPodSpec},
                                     Rule{"hostNetwork", kPodSpec},
                                     Rule{"volumes", kPodSpec},
                                     Rule{"tolerations", kPodSpec},
                                     Rule{"affinity", kPodSpec},
                                     Rule{"priorityClassName", kPodSpec},
                                     Rule{"initContainers", kPodSpec},
                                     Rule{"containers", kPodSpec},
                                     Rule{"imagePullSecrets", kPodSpec},
                                     Rule{"terminationGracePeriodSeconds", kPodSpec},
                                     Rule{"annotations", kPodMetadata},
                                     Rule{"labels", kPodMetadata},
                                     Rule{"privileged", "the container's securityContext"},
                                     Rule{"capabilities", "the container's securityContext"},
                                     Rule{"runAsUser", "the container's securityContext"}};
constexpr std::array kNotInPodSpec{Rule{"env", kContainer},
                                   Rule{"envFrom", kContainer},
                                   Rule{"image", kContainer},
                                   Rule{"ports", kContainer},
                                   Rule{"volumeMounts", kContainer},
                                   Rule{"command", kContainer},
                                   Rule{"args", kContainer},
                                   Rule{"livenessProbe", kContainer},
                                   Rule{"readinessProbe", kContainer},
                                   Rule{"startupProbe", kContainer},
                                   Rule{"imagePullPolicy", kContainer},
                                   Rule{"privileged", "a container's securityContext"},
                                   Rule{"annotations", kPodMetadata},
                                   Rule{"labels", kPodMetadata},
                                   Rule{"replicas", "the workload's spec"}};
constexpr std::array kNotInPodSecurityContext{
    Rule{"privileged", "a container's securityContext"},
    Rule{"capabilities", "a container's securityContext"},
    Rule{"allowPrivilegeEscalation", "a container's securityContext"},
    Rule{"readOnlyRootFilesystem", "a container's securityContext"}};
constexpr std::array kNotInContainerSecurityContext{
    Rule{"fsGroup", "the pod's securityContext"},
    Rule{"sysctls", "the pod's securityContext"},
    Rule{"supplementalGroups", "the pod's securityContext"},
    Rule{"hostPID", kPodSpec},
    Rule{"add", "capabilities, below securityContext"},
    Rule{"drop", "capabilities, below securityContext"}};
constexpr std::array kNotInWorkloadSpec{
    Rule{"containers", kTemplate},         Rule{"initContainers", kTemplate},
    Rule{"serviceAccountName", kTemplate}, Rule{"hostPID", kTemplate},
    Rule{"nodeSelector", kTemplate},       Rule{"volumes", kTemplate},
    Rule{"hostNetwork", kTemplate},        Rule{"annotations", kPodMetadata}};
constexpr std::array kPodAnnotations{std::string_view("pod.network.openshift.io/assign-macvlan"),
                                     std::string_view("k8s.v1.cni.cncf.io/networks"),
                                     std::string_view("openshift.io/required-scc")};

class FieldChecker {
 public:
  FieldChecker(const Object& object, Findings& findings) : object_(object), findings_(findings) {}

  void check() {
    strings(object_["metadata"], {"labels", "annotations"});
    if (object_.kind == "ConfigMap") strings(*object_.root, {"data"});
    if (object_.kind == "Pod") return pod(*object_.root);
    const Node& spec =
        object_.kind == "CronJob" ? object_["spec"]["jobTemplate"]["spec"] : object_["spec"];
    const Node& pod_template = spec["template"];
    if (!pod_template.is_map()) return;
    misplaced(spec, kNotInWorkloadSpec, "the spec of the " + escape(object_.kind));
    for (const auto name : kPodAnnotations) {
      const Node* const key = object_["metadata"]["annotations"].key(name);
      if (key != nullptr && annotation(pod_template["metadata"], name).empty()) {
        say("misplaced-field", *key,
            std::string(name) + " stands on the " + escape(object_.kind) +
                " itself, where nothing reads it: it belongs in " + std::string(kPodMetadata));
      }
    }
    selector(spec, pod_template);
    pod(pod_template);
  }

 private:
  void say(std::string_view id, const Node& at, std::string message) {
    findings_.add({Level::error, id, std::move(message), at.place, object_.title()});
  }

  void pod(const Node& pod) {
    if (&pod != object_.root) strings(pod["metadata"], {"labels", "annotations"});
    const Node& spec = pod["spec"];
    strings(spec, {"nodeSelector"});
    misplaced(spec, kNotInPodSpec, "the pod's spec");
    misplaced(spec["securityContext"], kNotInPodSecurityContext, "the pod's securityContext");
    for (const auto field : {"initContainers", "containers"}) {
      for (const Node* container : spec[field].items) {
        misplaced(*container, kNotInContainer,
                  "container \"" + escape((*container)["name"].text()) + "\"");
        misplaced((*container)["securityContext"], kNotInContainerSecurityContext,
                  "a container's securityContext");
      }
    }
  }

  template <class Rules>
  void misplaced(const Node& node, const Rules& rules, const std::string& where) {
    for (const auto& [field, belongs] : rules) {
      if (const Node* const key = node.key(field)) {
        say("misplaced-field", *key,
            std::string(field) + " is no field of " + where + ": it belongs in " +
                std::string(belongs));
      }
    }
  }

  void strings(const Node& node, std::initializer_list<std::string_view> maps) {
    for (const auto map : maps) {
      for (const auto& [key, value] : node[map].members) {
        if (value->is_string()) continue;
        say("not-a-string", *value,
            "found " + (value->text().empty() ? std::string("no scalar") : escape(value->text())) +
                " for " + escape(key->text()) + ", expected a string: put it in quotes");
      }
    }
  }

  void selector(const Node& spec, const Node& pod_template) {
    const Node& labels = pod_template["metadata"]["labels"];
    const bool is_old =
        object_.kind == "ReplicationController" || object_.kind == "DeploymentConfig";
    for (const auto& [key, value] :
         (is_old ? spec["selector"] : spec["selector"]["matchLabels"]).members) {
      if (labels[key->text()].text() == value->text()) continue;
      say("selector-mismatch", *key,
          "the selector asks for " + escape(key->text()) + "=" + escape(value->text()) +
              ", which is no label of the pod's template");
    }
  }

  const Object& object_;
  Findings& findings_;
};

}  // namespace

void check_fields(const Object& object, Findings& findings) {
  FieldChecker(object, findings).check();
}

}  // namespace egress::lint
