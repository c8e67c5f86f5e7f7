// The pods that a manifest makes, and what the variables of their containers come to.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/lint/manifest.hpp"
#include "manifests/lint/programs.hpp"

namespace egress::lint {

// A variable of a container, wherever its value comes from.
struct ContainerVariable {
  std::string name;
  std::optional<std::string> value;  // nothing: no given file tells it
  const Node* name_node = nullptr;
  const Node* value_node = nullptr;  // the scalar with the text, of a ConfigMap too; may be null
};

struct Container {
  const Node* node = nullptr;
  bool is_init = false;
  bool restarts = true;  // false: an init container that must end
  std::optional<Program> program;
  std::vector<ContainerVariable> variables;  // the last of a name counts
  bool is_wholly_known = true;               // no ConfigMap or Secret of it is missing
  Judgement judgement;  // of the first replica, with all replicas' sources; where `program` is set
  bool has_errors = false;

  const ContainerVariable* variable(std::string_view name) const;
  Place place() const;  // of its name
  // The scalar that holds its table, or null.
  const Node* table() const;
};

struct Workload {
  const Object* object = nullptr;
  const Node* metadata = nullptr;  // of the pod
  const Node* spec = nullptr;      // of the pod
  std::size_t replicas = 1;
  std::vector<Container> containers;  // those of init first

  const Container* find(Program program) const;
  bool is_egress() const;  // has a container of ours
  std::string pod_name(std::size_t replica) const;
  std::string_view service_account() const;  // "default" where none is named
};

// Every pod and every template of one. What is wrong with the variables' sources goes to
// `findings`, and what the programs themselves say.
std::vector<Workload> find_workloads(const Manifests& manifests, Findings& findings);

}  // namespace egress::lint
