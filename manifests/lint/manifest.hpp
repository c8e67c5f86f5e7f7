// Objects of a cluster, out of files.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/lint/node.hpp"

namespace egress::lint {

inline constexpr std::string_view kIgnore = "egress-router/lint-ignore";

struct Object {
  const Node* root = nullptr;
  const Node* template_parameters = nullptr;  // of OpenShift's Template that holds it
  std::string kind;
  std::string name;
  std::string name_space;  // empty: whichever it is applied to

  const Node& operator[](std::string_view key) const { return (*root)[key]; }
  std::string title() const;  // "Deployment/egress-router", safe to print
  // Of the object's name, or of the object.
  Place place() const;
  // The checks that the annotation egress-router/lint-ignore names.
  std::vector<std::string_view> ignored() const;
  bool ignores(std::string_view id) const;
  bool shares_namespace_with(const Object& other) const;
};

// The objects of all files, which are kept here.
class Manifests {
 public:
  // Faults of the text itself go to `findings`.
  void read(std::string name, std::string text, Findings& findings);

  const std::vector<Object>& objects() const { return objects_; }
  const std::vector<std::unique_ptr<SourceText>>& texts() const { return texts_; }
  // The first of that kind and name that an object of `beside`'s namespace could mean, or null.
  const Object* find(std::string_view kind, std::string_view name, const Object& beside) const;
  bool has(std::string_view kind) const;

 private:
  void take(const Node& node, const Node* template_parameters);

  std::vector<std::unique_ptr<SourceText>> texts_;
  std::vector<std::unique_ptr<Documents>> documents_;
  std::vector<Object> objects_;
};

// "key" of labels and annotations: a map of strings.
std::string_view annotation(const Node& metadata, std::string_view key);

}  // namespace egress::lint
