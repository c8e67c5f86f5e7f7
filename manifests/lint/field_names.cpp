#include <algorithm>
#include <cctype>
#include <initializer_list>

#include "common/edit_distance.hpp"
#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// Of Kubernetes 1.34, each name between spaces. A field that resembles none is left alone: it may
// be of a later version.
constexpr std::string_view kPodSpec =
    " activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy "
    "enableServiceLinks ephemeralContainers hostAliases hostIPC hostNetwork hostPID hostUsers "
    "hostname hostnameOverride imagePullSecrets initContainers nodeName nodeSelector os overhead "
    "preemptionPolicy priority priorityClassName readinessGates resourceClaims resources "
    "restartPolicy runtimeClassName schedulerName schedulingGates securityContext serviceAccount "
    "serviceAccountName setHostnameAsFQDN shareProcessNamespace subdomain "
    "terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes ";
constexpr std::string_view kContainer =
    " args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports "
    "readinessProbe resizePolicy resources restartPolicy securityContext startupProbe stdin "
    "stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices volumeMounts "
    "workingDir ";
constexpr std::string_view kSecurityContext =
    " allowPrivilegeEscalation appArmorProfile capabilities fsGroup fsGroupChangePolicy privileged "
    "procMount readOnlyRootFilesystem runAsGroup runAsNonRoot runAsUser seLinuxOptions "
    "seccompProfile supplementalGroups sysctls windowsOptions ";
constexpr std::string_view kProbe =
    " exec failureThreshold grpc httpGet initialDelaySeconds periodSeconds successThreshold "
    "tcpSocket terminationGracePeriodSeconds timeoutSeconds ";
constexpr std::string_view kHttpGet = " host httpHeaders path port scheme ";
constexpr std::string_view kEnv = " name value valueFrom ";
constexpr std::string_view kMount =
    " mountPath mountPropagation name readOnly recursiveReadOnly subPath subPathExpr ";
constexpr std::string_view kPort = " containerPort hostIP hostPort name protocol ";
constexpr std::string_view kWorkload =
    " minReadySeconds ordinals paused podManagementPolicy progressDeadlineSeconds replicas "
    "revisionHistoryLimit selector serviceName strategy template updateStrategy "
    "volumeClaimTemplates ";
constexpr std::string_view kService =
    " clusterIP clusterIPs externalIPs externalName externalTrafficPolicy internalTrafficPolicy "
    "ipFamilies ipFamilyPolicy loadBalancerClass loadBalancerIP ports publishNotReadyAddresses "
    "selector sessionAffinity type ";
constexpr std::string_view kServicePort = " appProtocol name nodePort port protocol targetPort ";

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

// The known name that resembles `name`; empty where it is known, or resembles none.
std::string_view resembling(std::string_view name, std::string_view known) {
  std::string_view nearest;
  for (std::size_t at = 1; at < known.size();) {
    const auto end = known.find(' ', at);
    const auto one = known.substr(at, end - at);
    if (one == name) return {};
    // Two slips make another word of a short one.
    const std::size_t slips = one.size() > 6 ? 2 : 1;
    if (nearest.empty() && (lower(one) == lower(name) || edit_distance(one, name) <= slips))
      nearest = one;
    at = end + 1;
  }
  return nearest;
}

class NameChecker {
 public:
  NameChecker(const Object& object, Findings& findings) : object_(object), findings_(findings) {}

  void check() {
    if (object_.kind == "Service") {
      fields(object_["spec"], kService);
      for (const Node* port : object_["spec"]["ports"].items) fields(*port, kServicePort);
    }
    const Node* const template_of_pod = pod_of(object_);
    if (template_of_pod == nullptr) return;
    if (object_.kind != "Pod" && object_.kind != "CronJob") fields(object_["spec"], kWorkload);
    const Node& spec = (*template_of_pod)["spec"];
    fields(spec, kPodSpec);
    fields(spec["securityContext"], kSecurityContext);
    for (const auto* list : {"initContainers", "containers"}) {
      for (const Node* one : spec[list].items) container(*one);
    }
  }

 private:
  void container(const Node& container) {
    fields(container, kContainer);
    fields(container["securityContext"], kSecurityContext);
    for (const auto& [list, known] :
         {std::pair{"env", kEnv}, {"volumeMounts", kMount}, {"ports", kPort}}) {
      for (const Node* one : container[list].items) fields(*one, known);
    }
    for (const auto* name : {"startupProbe", "livenessProbe", "readinessProbe"}) {
      fields(container[name], kProbe);
      fields(container[name]["httpGet"], kHttpGet);
    }
  }

  void fields(const Node& node, std::string_view known) {
    for (const auto& [key, value] : node.members) {
      const auto meant = resembling(key->text(), known);
      if (meant.empty()) continue;
      findings_.add({Level::error, "unknown-field",
                     "Kubernetes has no field \"" + escape(key->text()) + "\" here; did you mean " +
                         std::string(meant) + "?",
                     key->place, object_.title()});
    }
  }

  const Object& object_;
  Findings& findings_;
};

}  // namespace

void check_field_names(const Object& object, Findings& findings) {
  NameChecker(object, findings).check();
}

}  // namespace egress::lint
