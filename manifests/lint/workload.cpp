#include "manifests/lint/workload.hpp"

#include <algorithm>
#include <charconv>
#include <exception>

#include "common/escape.hpp"
#include "manifests/lint/variables.hpp"

namespace egress::lint {
namespace {

constexpr std::size_t kMostReplicas = 64;  // judged one by one, as many as a source list is long

std::optional<std::size_t> number(std::string_view text) {
  std::size_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || status != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return value;
}

std::optional<Program> program_of(const Container& container) {
  const Node& command = (*container.node)["command"];
  if (!command.items.empty()) return program_called(command.items.front()->text());
  if (const auto program = program_called((*container.node)["image"].text())) return program;
  for (const auto program : {Program::http_proxy, Program::dns_proxy}) {
    const std::string table(table_of(program));
    if (container.variable(table) || container.variable(table + "_FILE")) return program;
  }
  // An application may want to know EGRESS_SOURCE; the gateway is of use to a router alone.
  if (container.variable("EGRESS_ROUTER_MODE") ||
      (container.variable("EGRESS_SOURCE") && container.variable("EGRESS_GATEWAY")))
    return Program::router;
  return std::nullopt;
}

// What a program says of its variables, put where the variable's text stands.
void report(const Diagnostics& diagnostics, const Container& container, const Object& object,
            Findings& findings) {
  for (const auto& one : diagnostics.kept()) {
    std::string name = one.object;
    const auto* variable = container.variable(name);
    if (variable == nullptr) variable = container.variable(name + "_FILE");
    // What is said to be missing may be in a ConfigMap that no file gives.
    if (!container.is_wholly_known && (variable == nullptr || !variable->value || one.line == 0))
      continue;
    Place place = variable != nullptr ? variable->name_node->place : container.place();
    if (variable != nullptr && one.line > 0 && variable->value_node != nullptr)
      place = place_in(*variable->value_node, one.line, one.column, one.length);
    findings.add({one.severity == Severity::error ? Level::error : Level::warning, "configuration",
                  escape(name) + ": " + one.message, place, object.title()});
  }
}

void judge_container(Container& container, const Workload& workload, const Manifests& manifests,
                     Findings& findings) {
  const std::size_t replicas = std::clamp<std::size_t>(workload.replicas, 1, kMostReplicas);
  const bool numbered = workload.object->kind == "StatefulSet";
  for (std::size_t replica = 0; replica < (numbered ? replicas : 1); ++replica) {
    const auto environment =
        resolve_variables(container, workload, workload.pod_name(replica), replica, manifests,
                          replica == 0 ? &findings : nullptr);
    container.program = program_of(container);
    if (!container.program) return;
    Judgement judgement;
    try {
      judgement = judge(*container.program, environment, workload.pod_name(replica));
    } catch (const std::exception& bug) {
      // A bug of the program's parser; the rest of the manifests is still linted.
      findings.add({Level::error, "configuration",
                    std::string(name_of(*container.program)) +
                        " fails on this configuration with an internal error (" +
                        escape(bug.what()) + "): please report it",
                    container.place(), workload.object->title()});
      return;
    }
    container.has_errors = container.has_errors || judgement.diagnostics.has_errors();
    report(judgement.diagnostics, container, *workload.object, findings);
    if (replica == 0) {
      container.judgement = std::move(judgement);
    } else {
      auto& sources = container.judgement.sources;
      sources.insert(sources.end(), judgement.sources.begin(), judgement.sources.end());
    }
  }
}

}  // namespace

const ContainerVariable* Container::variable(std::string_view name) const {
  const auto found = std::find_if(variables.rbegin(), variables.rend(),
                                  [&](const ContainerVariable& one) { return one.name == name; });
  return found == variables.rend() ? nullptr : &*found;
}

std::string_view Container::text_of(std::string_view name) const {
  const auto* const found = variable(name);
  return found != nullptr && found->value ? std::string_view(*found->value) : std::string_view();
}

Place Container::place_of(std::string_view name) const {
  const auto* const found = variable(name);
  if (found == nullptr) return place();
  return found->value_node != nullptr ? found->value_node->place : found->name_node->place;
}

bool Container::adds_capability(std::string_view capability) const {
  const auto& added = security()["capabilities"]["add"].items;
  return std::any_of(added.begin(), added.end(), [&](const Node* one) {
    auto text = one->text();
    if (text.starts_with("CAP_")) text.remove_prefix(4);
    return text == capability || text == "ALL";
  });
}

const Node* Container::mount_of(std::string_view path) const {
  const Node* found = nullptr;
  for (const Node* mount : (*node)["volumeMounts"].items) {
    const auto at = (*mount)["mountPath"].text();
    if (at.empty() || !path.starts_with(at)) continue;
    if (path.size() == at.size() || at.ends_with('/') || path[at.size()] == '/') found = mount;
  }
  return found;
}

Place Container::place() const {
  const Node& name = (*node)["name"];
  return name ? name.place : node->place;
}

const Node* Container::table() const {
  if (!program) return nullptr;
  const std::string name(table_of(*program));
  const auto* found = variable(name);
  if (found == nullptr) found = variable(name + "_FILE");
  return found == nullptr ? nullptr : found->value_node;
}

const Container* Workload::find(Program program) const {
  const auto found = std::find_if(containers.begin(), containers.end(),
                                  [&](const Container& one) { return one.program == program; });
  return found == containers.end() ? nullptr : &*found;
}

const Node* Workload::volume(std::string_view name) const {
  for (const Node* one : (*spec)["volumes"].items) {
    if ((*one)["name"].text() == name) return one;
  }
  for (const Node* claim : (*object)["spec"]["volumeClaimTemplates"].items) {
    if ((*claim)["metadata"]["name"].text() == name) return claim;
  }
  return nullptr;
}

const Node& Workload::security(const Container& container, std::string_view field) const {
  const Node& own = container.security()[field];
  return own ? own : (*spec)["securityContext"][field];
}

bool Workload::is_egress() const {
  return std::any_of(containers.begin(), containers.end(),
                     [](const Container& one) { return one.program.has_value(); });
}

std::string Workload::pod_name(std::size_t replica) const {
  if (object->kind == "Pod") return object->name;
  if (object->kind == "StatefulSet") return object->name + "-" + std::to_string(replica);
  return object->name + "-x7k2q";  // a suffix of Kubernetes' own making
}

std::string_view Workload::service_account() const {
  for (const auto key : {"serviceAccountName", "serviceAccount"}) {
    if (const auto name = (*spec)[key].text(); !name.empty()) return name;
  }
  return "default";
}

const Node* pod_of(const Object& object) {
  const auto is = [&](std::initializer_list<std::string_view> kinds) {
    return std::find(kinds.begin(), kinds.end(), object.kind) != kinds.end();
  };
  if (is({"Pod"})) return object.root;
  if (is({"CronJob"})) return &object["spec"]["jobTemplate"]["spec"]["template"];
  if (is({"ReplicationController", "ReplicaSet", "Deployment", "DeploymentConfig", "StatefulSet",
          "DaemonSet", "Job"}))
    return &object["spec"]["template"];
  return nullptr;
}

std::vector<Workload> find_workloads(const Manifests& manifests, Findings& findings) {
  std::vector<Workload> workloads;
  for (const auto& object : manifests.objects()) {
    const Node* const pod = pod_of(object);
    if (pod == nullptr) continue;
    Workload workload;
    workload.object = &object;
    workload.metadata = &(*pod)["metadata"];
    workload.spec = &(*pod)["spec"];
    if (const Node& replicas = object["spec"]["replicas"])
      workload.replicas = number(replicas.text()).value_or(1);
    for (const auto field : {"initContainers", "containers"}) {
      for (const Node* node : (*workload.spec)[field].items) {
        Container container;
        container.node = node;
        container.is_init = std::string_view(field) == "initContainers";
        container.restarts = !container.is_init || (*node)["restartPolicy"].text() == "Always";
        workload.containers.push_back(std::move(container));
      }
    }
    for (auto& container : workload.containers)
      judge_container(container, workload, manifests, findings);
    workloads.push_back(std::move(workload));
  }
  return workloads;
}

}  // namespace egress::lint
