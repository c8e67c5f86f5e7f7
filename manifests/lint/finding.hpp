// Findings: collected, sorted in the order of the text, printed as a compiler prints, as JSON or as
// SARIF.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "manifests/lint/source_text.hpp"

namespace egress::lint {

enum class Level { error, warning, note };
std::string_view to_text(Level level);

struct Finding {
  Level level = Level::error;
  std::string_view id;  // of the check, as docs/linter.md lists it
  std::string message;  // safe to print
  Place place;
  std::string object;  // "Deployment/egress-router"; empty where it is the file's
};

class Findings {
 public:
  // The same finding twice, as of a ConfigMap that two pods use, is kept once.
  void add(Finding finding);

  std::size_t count(Level level) const;
  std::vector<Finding> sorted() const;  // by file, in the order first seen, then by line

 private:
  std::vector<Finding> findings_;
};

// Follows the name of a kustomization's directory: lines are those of the rendered text, which no
// file has.
inline constexpr std::string_view kRenderedSuffix = " (rendered)";

// text:  "FILE:LINE:COLUMN: error: MESSAGE [ID]", the line and a caret, for each.
// json:  {"findings": [{"file", "line", "column", "level", "id", "object", "message"}], "errors",
//        "warnings", "notes"}
// sarif: SARIF 2.1.0, https://docs.oasis-open.org/sarif/sarif/v2.1.0/
enum class Format { text, json, sarif };
std::string format_findings(const std::vector<Finding>& findings, Format format);

}  // namespace egress::lint
