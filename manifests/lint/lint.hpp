// Judges manifests before they reach a cluster: with the programs' own checks, and what only shows
// across objects. Used by main.cpp and the fuzz target.
#pragma once

#include <string>
#include <vector>

#include "common/exit_code.hpp"
#include "manifests/lint/finding.hpp"

namespace egress::lint {

struct File {
  std::string name;
  std::string text;
};

struct Report {
  std::string text;  // as asked for
  bool has_errors = false;
};

enum class Format { text, json };

Report lint(std::vector<File> files, Format format);

// Reads the files ("-": standard input), prints the report to standard output, and returns the exit
// code: ok, configuration where there are errors, usage where a file cannot be read.
ExitCode lint_files(const std::vector<std::string>& paths, Format format);

}  // namespace egress::lint
