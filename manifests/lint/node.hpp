// YAML as a tree that knows where everything stands. Made from yaml-cpp's events: its own tree
// drops where a document ends that has an error, and expands no budget.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "manifests/lint/finding.hpp"
#include "manifests/lint/source_text.hpp"

namespace egress::lint {

struct Node {
  enum class Kind { null, scalar, sequence, map };
  struct Member;

  Kind kind = Kind::null;
  std::string scalar;
  bool quoted = false;  // or a block: a string whatever it looks like
  Place place;
  std::vector<const Node*> items;
  std::vector<std::pair<const Node*, const Node*>> members;  // key and value, as they came
  std::size_t size = 1;  // of the whole tree, aliases counted as often as they stand

  explicit operator bool() const { return kind != Kind::null; }
  bool is_map() const { return kind == Kind::map; }
  // The value of a key, or a null node. Of a key that stands twice the last counts, as it does for
  // the cluster; `<<` is followed.
  const Node& operator[](std::string_view key) const;
  const Node* key(std::string_view key) const;  // the key's own node, or null
  // The scalar, or nothing where it is none.
  std::string_view text() const { return kind == Kind::scalar ? scalar : std::string_view(); }
  // What Kubernetes takes for a string: quoted, or like no number, truth value or null.
  bool is_string() const;

  static const Node& none();
};

// Where a spot of a scalar's text stands: `line` and `column` count from 1 within the scalar. The
// scalar's own place where that cannot be told, as in a folded block.
Place place_in(const Node& scalar, std::size_t line, std::size_t column, std::size_t length);

// The trees of one file, which live as long as this does.
class Documents {
 public:
  // Syntax errors go to `findings`; what the other documents hold is still read.
  Documents(const SourceText& text, Findings& findings);

  const std::vector<const Node*>& roots() const { return roots_; }

 private:
  std::deque<Node> nodes_;
  std::vector<const Node*> roots_;
};

}  // namespace egress::lint
