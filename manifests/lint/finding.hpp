// What the linter has to say: collected, put in the order of the text, printed as a compiler prints
// or as JSON.
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

// "FILE:LINE:COLUMN: error: MESSAGE [ID]", the line and a caret, for each.
std::string to_text(const std::vector<Finding>& findings);
// {"findings": [{"file", "line", "column", "level", "id", "object", "message"}], "errors",
// "warnings", "notes"}
std::string to_json(const std::vector<Finding>& findings);

}  // namespace egress::lint
