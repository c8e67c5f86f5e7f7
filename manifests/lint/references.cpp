#include <algorithm>
#include <array>

#include "common/edit_distance.hpp"
#include "common/escape.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// An object that a pod names.
struct Reference {
  std::string_view kind;
  std::string_view name;
  Place place;
  const Workload* workload = nullptr;
};

struct Rule {
  std::string_view kind;
  std::string_view id;
  Level absent;  // where no given object of the kind looks like the one that is meant
  std::string_view consequence;
};

constexpr std::array kRules{
    Rule{"ConfigMap", "missing-config-map", Level::note, "so its content is not checked"},
    Rule{"Secret", "missing-secret", Level::note, "so its content is not checked"},
    Rule{"ServiceAccount", "missing-service-account", Level::note, "without it no pod is created"},
    Rule{"PriorityClass", "missing-priority-class", Level::note, "without it no pod is created"},
    Rule{"SecurityContextConstraints", "missing-scc", Level::note,
         "on OpenShift no pod is created without it; other clusters ignore the annotation"},
    Rule{"NetworkAttachmentDefinition", "unknown-network", Level::note,
         "without it the pod does not start"},
    Rule{"Service", "missing-service", Level::note, "so the replicas have no names of their own"}};

constexpr std::array<std::string_view, 9> kSccOfOpenShift{
    "privileged", "anyuid",         "restricted", "restricted-v2",   "nonroot",
    "nonroot-v2", "hostnetwork-v2", "hostaccess", "hostmount-anyuid"};

class Collector {
 public:
  explicit Collector(const Workload& workload) : workload_(workload) {}

  std::vector<Reference> collect() {
    const Node& spec = *workload_.spec;
    if (const auto name = workload_.service_account(); name != "default")
      add("ServiceAccount",
          spec["serviceAccountName"] ? spec["serviceAccountName"] : spec["serviceAccount"]);
    if (!spec["priorityClassName"].text().starts_with("system-"))
      add("PriorityClass", spec["priorityClassName"]);
    const Node& required = (*workload_.metadata)["annotations"]["openshift.io/required-scc"];
    if (std::find(kSccOfOpenShift.begin(), kSccOfOpenShift.end(), required.text()) ==
        kSccOfOpenShift.end())
      add("SecurityContextConstraints", required);
    networks((*workload_.metadata)["annotations"]["k8s.v1.cni.cncf.io/networks"]);
    if (workload_.object->kind == "StatefulSet")
      add("Service", (*workload_.object)["spec"]["serviceName"]);
    for (const Node* volume : spec["volumes"].items) {
      source((*volume)["configMap"], (*volume)["secret"], "secretName");
      for (const Node* one : (*volume)["projected"]["sources"].items)
        source((*one)["configMap"], (*one)["secret"], "name");
    }
    for (const auto& container : workload_.containers) {
      for (const Node* one : (*container.node)["envFrom"].items)
        source((*one)["configMapRef"], (*one)["secretRef"], "name");
      for (const Node* one : (*container.node)["env"].items)
        source((*one)["valueFrom"]["configMapKeyRef"], (*one)["valueFrom"]["secretKeyRef"], "name");
    }
    return std::move(found_);
  }

 private:
  void add(std::string_view kind, const Node& name) { add(kind, name.text(), name.place); }
  void add(std::string_view kind, std::string_view name, const Place& place) {
    if (!name.empty()) found_.push_back({kind, name, place, &workload_});
  }

  void source(const Node& config_map, const Node& secret, std::string_view secret_name) {
    if (config_map["optional"].text() != "true") add("ConfigMap", config_map["name"]);
    if (secret["optional"].text() != "true") add("Secret", secret[secret_name]);
  }

  // NETWORK[@INTERFACE] or NAMESPACE/NETWORK, the first of a list; the list in JSON is not read.
  void networks(const Node& node) {
    auto name = node.text();
    if (name.find('[') != name.npos) return;
    name = name.substr(0, name.find_first_of("@,"));
    name.remove_prefix(std::min(name.find('/') + 1, name.size()));
    add("NetworkAttachmentDefinition", name, node.place);
  }

  const Workload& workload_;
  std::vector<Reference> found_;
};

class ReferenceChecker {
 public:
  ReferenceChecker(const std::vector<Workload>& workloads, const Manifests& manifests,
                   Findings& findings)
      : manifests_(manifests), findings_(findings) {
    for (const auto& workload : workloads) {
      const auto found = Collector(workload).collect();
      references_.insert(references_.end(), found.begin(), found.end());
    }
  }

  void check() {
    for (const auto& reference : references_) {
      if (!reference.workload->is_egress() || find(reference) != nullptr) continue;
      const auto& rule = *std::find_if(kRules.begin(), kRules.end(),
                                       [&](const Rule& one) { return one.kind == reference.kind; });
      const std::string what =
          "no given file has " + std::string(rule.kind) + " \"" + escape(reference.name) + "\"";
      // With an object of that kind that nothing names, the files are complete and this is a typo.
      const Object* const meant = unused(reference);
      const bool is_secret = rule.kind == "Secret" && meant == nullptr;
      if (is_secret) continue;  // Secrets are seldom kept with manifests
      findings_.add({meant != nullptr ? Level::error : rule.absent, rule.id,
                     meant != nullptr ? what + "; did you mean \"" + escape(meant->name) + "\"?"
                                      : what + ": " + std::string(rule.consequence),
                     reference.place, reference.workload->object->title()});
    }
  }

 private:
  const Object* find(const Reference& reference) const {
    return manifests_.find(reference.kind, reference.name, *reference.workload->object);
  }

  bool is_used(const Object& object) const {
    return std::any_of(references_.begin(), references_.end(), [&](const Reference& one) {
      return one.kind == object.kind && find(one) == &object;
    });
  }

  const Object* unused(const Reference& reference) const {
    for (const auto& object : manifests_.objects()) {
      const bool is_candidate = object.kind == reference.kind &&
                                object.shares_namespace_with(*reference.workload->object);
      // A Service is used by clients, an SCC by its users too: those need a similar name.
      const bool is_for_others = object.kind == "Service" || !object["users"].items.empty();
      if (is_candidate && !is_used(object) &&
          (!is_for_others || edit_distance(object.name, reference.name) <= 2))
        return &object;
    }
    return nullptr;
  }

  const Manifests& manifests_;
  Findings& findings_;
  std::vector<Reference> references_;
};

}  // namespace

void check_references(const std::vector<Workload>& workloads, const Manifests& manifests,
                      Findings& findings) {
  ReferenceChecker(workloads, manifests, findings).check();
}

}  // namespace egress::lint
