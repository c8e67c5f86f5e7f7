#include "manifests/lint/schema.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <string>

#include "common/edit_distance.hpp"

namespace egress::lint {
namespace {

struct Type {
  std::string_view name;
  std::string_view fields;
};

// Of Kubernetes 1.34 and OpenShift 4.19.
// https://kubernetes.io/docs/reference/generated/kubernetes-api/v1.34/
constexpr std::array kTypes{
    Type{"Metadata",
         "annotations creationTimestamp deletionGracePeriodSeconds deletionTimestamp finalizers "
         "generateName generation labels managedFields name:string namespace:string "
         "ownerReferences resourceVersion selfLink uid"},
    Type{"Pod", "apiVersion kind metadata:Metadata spec:PodSpec status"},
    Type{"PodTemplate", "metadata:Metadata spec:PodSpec"},
    Type{"PodSpec",
         "activeDeadlineSeconds:integer affinity automountServiceAccountToken:bool "
         "containers:[Container] dnsConfig dnsPolicy:ClusterFirst|ClusterFirstWithHostNet|Default|"
         "None enableServiceLinks:bool ephemeralContainers hostAliases hostIPC:bool "
         "hostNetwork:bool hostPID:bool hostUsers:bool hostname:string hostnameOverride:string "
         "imagePullSecrets initContainers:[Container] nodeName:string nodeSelector os overhead "
         "preemptionPolicy:Never|PreemptLowerPriority priority:integer priorityClassName:string "
         "readinessGates resourceClaims resources restartPolicy:Always|OnFailure|Never "
         "runtimeClassName:string schedulerName:string schedulingGates "
         "securityContext:SecurityContext serviceAccount:string serviceAccountName:string "
         "setHostnameAsFQDN:bool shareProcessNamespace:bool subdomain:string "
         "terminationGracePeriodSeconds:integer tolerations:[Toleration] "
         "topologySpreadConstraints volumes:[Volume]"},
    Type{"Toleration",
         "effect:NoSchedule|PreferNoSchedule|NoExecute key:string operator:Exists|Equal "
         "tolerationSeconds:integer value:string"},
    Type{"Container",
         "args:[string] command:[string] env:[Env] envFrom:[EnvFrom] image:text "
         "imagePullPolicy:Always|IfNotPresent|Never lifecycle livenessProbe:Probe name:string "
         "ports:[ContainerPort] readinessProbe:Probe resizePolicy resources:Resources "
         "restartPolicy restartPolicyRules securityContext:SecurityContext startupProbe:Probe "
         "stdin:bool stdinOnce:bool terminationMessagePath:string "
         "terminationMessagePolicy:File|FallbackToLogsOnError tty:bool volumeDevices "
         "volumeMounts:[Mount] workingDir:string"},
    Type{"Resources", "claims limits:quantities requests:quantities"},
    Type{"SecurityContext",
         "allowPrivilegeEscalation:bool appArmorProfile capabilities:Capabilities fsGroup:integer "
         "fsGroupChangePolicy:Always|OnRootMismatch privileged:bool procMount "
         "readOnlyRootFilesystem:bool runAsGroup:integer runAsNonRoot:bool runAsUser:integer "
         "seLinuxChangePolicy seLinuxOptions seccompProfile:SeccompProfile "
         "supplementalGroups:[integer] supplementalGroupsPolicy sysctls windowsOptions"},
    Type{"Capabilities", "add:[string] drop:[string]"},
    Type{"SeccompProfile", "localhostProfile:string type:RuntimeDefault|Localhost|Unconfined"},
    Type{"Probe",
         "exec failureThreshold:integer grpc httpGet:HttpGet initialDelaySeconds:integer "
         "periodSeconds:integer successThreshold:integer tcpSocket "
         "terminationGracePeriodSeconds:integer timeoutSeconds:integer"},
    Type{"HttpGet", "host:string httpHeaders path:string port:port-or-name scheme:HTTP|HTTPS"},
    Type{"Env", "name:text value valueFrom"},
    Type{"EnvFrom", "configMapRef:Reference prefix:string secretRef:Reference"},
    Type{"Reference", "name:string optional:bool"},
    Type{"Mount",
         "mountPath:text mountPropagation:None|HostToContainer|Bidirectional name:text "
         "readOnly:bool recursiveReadOnly subPath:string subPathExpr:string"},
    Type{"ContainerPort",
         "containerPort:port hostIP:string hostPort:integer name:port-name "
         "protocol:TCP|UDP|SCTP"},
    Type{"Volume",
         "awsElasticBlockStore azureDisk azureFile cephfs cinder configMap:ConfigMapVolume csi "
         "downwardAPI emptyDir ephemeral fc flexVolume flocker gcePersistentDisk gitRepo glusterfs "
         "hostPath:HostPath image iscsi name:text nfs persistentVolumeClaim photonPersistentDisk "
         "portworxVolume projected quobyte rbd scaleIO secret:SecretVolume storageos "
         "vsphereVolume"},
    Type{"ConfigMapVolume", "defaultMode:integer items:[KeyToPath] name:string optional:bool"},
    Type{"SecretVolume", "defaultMode:integer items:[KeyToPath] optional:bool secretName:string"},
    Type{"KeyToPath", "key:string mode:integer path:string"}, Type{"HostPath", "path:text type"},
    Type{"Workload", "apiVersion kind metadata:Metadata spec:WorkloadSpec status"},
    Type{"WorkloadSpec",
         "activeDeadlineSeconds:integer backoffLimit:integer backoffLimitPerIndex completionMode "
         "completions:integer managedBy manualSelector maxFailedIndexes minReadySeconds:integer "
         "ordinals parallelism:integer paused:bool persistentVolumeClaimRetentionPolicy "
         "podFailurePolicy podManagementPolicy:OrderedReady|Parallel podReplacementPolicy "
         "progressDeadlineSeconds:integer replicas:integer revisionHistoryLimit:integer selector "
         "serviceName:string strategy:Strategy successPolicy suspend:bool template:PodTemplate "
         "test:bool triggers ttlSecondsAfterFinished:integer updateStrategy volumeClaimTemplates"},
    Type{"Strategy",
         "activeDeadlineSeconds:integer annotations customParams labels recreateParams resources "
         "rollingParams rollingUpdate type:Recreate|RollingUpdate|Rolling|Custom"},
    Type{"CronJob", "apiVersion kind metadata:Metadata spec:CronJobSpec status"},
    Type{"CronJobSpec",
         "concurrencyPolicy:Allow|Forbid|Replace failedJobsHistoryLimit:integer jobTemplate:Job "
         "schedule:string startingDeadlineSeconds:integer successfulJobsHistoryLimit:integer "
         "suspend:bool timeZone:string"},
    Type{"Job", "metadata:Metadata spec:WorkloadSpec"},
    Type{"Service", "apiVersion kind metadata:Metadata spec:ServiceSpec status"},
    Type{"ServiceSpec",
         "allocateLoadBalancerNodePorts:bool clusterIP:string clusterIPs externalIPs "
         "externalName:string externalTrafficPolicy:Cluster|Local healthCheckNodePort:integer "
         "internalTrafficPolicy:Cluster|Local ipFamilies:[IPv4|IPv6] "
         "ipFamilyPolicy:SingleStack|PreferDualStack|RequireDualStack loadBalancerClass:string "
         "loadBalancerIP:string loadBalancerSourceRanges ports:[ServicePort] "
         "publishNotReadyAddresses:bool selector sessionAffinity:ClientIP|None "
         "sessionAffinityConfig trafficDistribution:string "
         "type:ClusterIP|NodePort|LoadBalancer|ExternalName"},
    Type{"ServicePort",
         "appProtocol:string name:service-name nodePort:integer port:port protocol:TCP|UDP|SCTP "
         "targetPort:port-or-name"},
    Type{"NetworkPolicy", "apiVersion kind metadata:Metadata spec:NetworkPolicySpec status"},
    Type{"NetworkPolicySpec",
         "egress:[PolicyEgress] ingress:[PolicyIngress] podSelector:Selector "
         "policyTypes:[Ingress|Egress]"},
    Type{"PolicyIngress", "from:[PolicyPeer] ports:[PolicyPort]"},
    Type{"PolicyEgress", "ports:[PolicyPort] to:[PolicyPeer]"},
    Type{"PolicyPeer", "ipBlock:IpBlock namespaceSelector:Selector podSelector:Selector"},
    Type{"IpBlock", "cidr:text except:[string]"},
    Type{"PolicyPort", "endPort:port port:port-or-name protocol:TCP|UDP|SCTP"},
    Type{"Selector", "matchExpressions:[Expression] matchLabels"},
    Type{"Expression", "key:string operator:In|NotIn|Exists|DoesNotExist values:[string]"},
    Type{"PodDisruptionBudget", "apiVersion kind metadata:Metadata spec:BudgetSpec status"},
    Type{"BudgetSpec",
         "maxUnavailable minAvailable selector:Selector "
         "unhealthyPodEvictionPolicy:IfHealthyBudget|AlwaysAllow"},
    Type{"NetworkAttachmentDefinition", "apiVersion kind metadata:Metadata spec:NetworkSpec"},
    Type{"NetworkSpec", "config:string"},
    Type{"ConfigMap", "apiVersion binaryData data immutable:bool kind metadata:Metadata"},
    Type{"Secret", "apiVersion data immutable:bool kind metadata:Metadata stringData type:string"},
    Type{"ServiceAccount",
         "apiVersion automountServiceAccountToken:bool imagePullSecrets kind metadata:Metadata "
         "secrets"},
    Type{"Role", "aggregationRule apiVersion kind metadata:Metadata rules:[PolicyRule]"},
    Type{"PolicyRule",
         "apiGroups:[string] nonResourceURLs:[string] resourceNames:[string] resources:[string] "
         "verbs:[string]"},
    Type{"RoleBinding", "apiVersion kind metadata:Metadata roleRef:RoleRef subjects:[Subject]"},
    Type{"RoleRef", "apiGroup:string kind:Role|ClusterRole name:string"},
    Type{"Subject",
         "apiGroup:string kind:ServiceAccount|User|Group|SystemUser|SystemGroup name:string "
         "namespace:string"},
    Type{"PriorityClass",
         "apiVersion description:string globalDefault:bool kind metadata:Metadata "
         "preemptionPolicy:Never|PreemptLowerPriority value:integer"},
    Type{"SecurityContextConstraints",
         "allowHostDirVolumePlugin:bool allowHostIPC:bool allowHostNetwork:bool allowHostPID:bool "
         "allowHostPorts:bool allowPrivilegeEscalation:bool allowPrivilegedContainer:bool "
         "allowedCapabilities:[string] allowedFlexVolumes allowedUnsafeSysctls:[string] apiVersion "
         "defaultAddCapabilities:[string] defaultAllowPrivilegeEscalation:bool "
         "forbiddenSysctls:[string] fsGroup groups:[string] kind metadata:Metadata "
         "priority:integer readOnlyRootFilesystem:bool requiredDropCapabilities:[string] "
         "runAsUser seLinuxContext seccompProfiles:[string] supplementalGroups userNamespaceLevel "
         "users:[string] volumes:[string]"},
    // The configuration of the CNI plugin macvlan, JSON in a NetworkAttachmentDefinition.
    // https://www.cni.dev/plugins/current/main/macvlan/
    Type{"MacvlanPlugin",
         "args bcqueuelen capabilities cniVersion dataDir dns ipMasq ipam linkInContainer mac "
         "master mode mtu name plugins prevResult runtimeConfig type"}};

struct KindType {
  std::string_view kind;
  std::string_view type;
};

// Kinds whose type has another name.
constexpr std::array kKinds{KindType{"Deployment", "Workload"},
                            KindType{"StatefulSet", "Workload"},
                            KindType{"DaemonSet", "Workload"},
                            KindType{"ReplicaSet", "Workload"},
                            KindType{"DeploymentConfig", "Workload"},
                            KindType{"ReplicationController", "Workload"},
                            KindType{"Job", "Workload"},
                            KindType{"ClusterRole", "Role"},
                            KindType{"ClusterRoleBinding", "RoleBinding"}};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

}  // namespace

std::string_view fields_of(std::string_view type) {
  const auto* const found =
      std::find_if(kTypes.begin(), kTypes.end(), [&](const Type& one) { return one.name == type; });
  return found == kTypes.end() ? std::string_view() : found->fields;
}

std::string_view type_of_kind(std::string_view kind) {
  const auto* const found = std::find_if(kKinds.begin(), kKinds.end(),
                                         [&](const KindType& one) { return one.kind == kind; });
  if (found != kKinds.end()) return found->type;
  return find_field(fields_of(kind), "apiVersion") ? kind : std::string_view();
}

std::optional<Field> next_field(std::string_view& fields) {
  if (fields.empty()) return std::nullopt;
  const auto field = fields.substr(0, fields.find(' '));
  fields.remove_prefix(std::min(field.size() + 1, fields.size()));
  const auto colon = std::min(field.find(':'), field.size());
  return Field{field.substr(0, colon), field.substr(std::min(colon + 1, field.size()))};
}

std::string_view resembling_field(std::string_view type, std::string_view name) {
  auto fields = fields_of(type);
  if (find_field(fields, name)) return {};
  while (const auto known = next_field(fields)) {
    // Two slips make another word of a short one.
    const std::size_t slips = known->name.size() > 6 ? 2 : 1;
    if (lower(known->name) == lower(name) || edit_distance(known->name, name) <= slips)
      return known->name;
  }
  return {};
}

std::optional<Field> find_field(std::string_view fields, std::string_view name) {
  while (const auto field = next_field(fields)) {
    if (field->name == name) return field;
  }
  return std::nullopt;
}

}  // namespace egress::lint
