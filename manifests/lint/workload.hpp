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
  // Its known value, or nothing.
  std::string_view text_of(std::string_view variable) const;
  // Of the variable's value, else of its name, else of the container.
  Place place_of(std::string_view variable) const;
  std::string_view image() const { return (*node)["image"].text(); }
  std::string_view name() const { return (*node)["name"].text(); }
  const Node& security() const { return (*node)["securityContext"]; }
  bool is_privileged() const { return security()["privileged"].text() == "true"; }
  bool adds_capability(std::string_view name) const;  // without "CAP_"
  // The volumeMount that holds a path, or null.
  const Node* mount_of(std::string_view path) const;
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
  bool is_egress() const;                           // has a container of ours
  const Node* volume(std::string_view name) const;  // or null
  // What a container's securityContext sets, else the pod's.
  const Node& security(const Container& container, std::string_view field) const;
  std::string pod_name(std::size_t replica) const;
  std::string_view service_account() const;  // "default" where none is named
};

// The pod, or the template of one, of a kind that creates pods; null of other kinds.
const Node* pod_of(const Object& object);

// Every pod and every template of one. What is wrong with the variables' sources goes to
// `findings`, and what the programs themselves say.
std::vector<Workload> find_workloads(const Manifests& manifests, Findings& findings);

}  // namespace egress::lint
