// Turns the arguments of the command line into texts to lint: files, standard input, directories,
// globs, and kustomizations, which kustomize, kubectl or oc renders.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace egress::lint {

struct File {
  std::string name;  // for messages
  std::string text;
  std::filesystem::path path = {};  // empty: standard input, or rendered
};

// Files that are applied together: names, selectors and addresses are compared among them.
using Deployment = std::vector<File>;

struct Inputs {
  // What the command line names comes first, as one deployment; then each kustomization that was
  // found below a directory, as a deployment of its own.
  std::vector<Deployment> deployments;
  std::vector<std::string> problems;  // what could not be read and why, one line each
};

Inputs read_inputs(const std::vector<std::string>& arguments);

}  // namespace egress::lint
