// Evaluates manifests before they reach a cluster: with the programs' own checks, and with what
// shows only across objects. Used by main.cpp and the fuzz target.
#pragma once

#include <string>
#include <vector>

#include "manifests/lint/finding.hpp"
#include "manifests/lint/inputs.hpp"

namespace egress::lint {

struct Options {
  Format format = Format::text;
  bool is_strict = false;  // a warning is an error
};

struct Report {
  std::string text;  // in the format of the options
  bool has_errors = false;
  bool has_objects = false;  // any object of a cluster, an egress router or not
};

Report lint(std::vector<Deployment> deployments, const Options& options);

}  // namespace egress::lint
