#include "manifests/lint/node.hpp"

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <set>
#include <sstream>

#include "common/escape.hpp"

namespace egress::lint {
namespace {

constexpr std::size_t kMostNodes = 2'000'000;  // of one document, with its aliases expanded

// Why a document is given up; caught where it began.
struct Refused {
  YAML::Mark mark;
  std::string_view id;
  std::string message;
};

// Kubernetes reads YAML 1.1 (sigs.k8s.io/yaml): `on`, `no` and 0x10 are no strings.
bool looks_like_no_string(std::string_view text) {
  static const std::set<std::string_view> kWords{
      "",      "~",     "null", "Null", "NULL", "true", "True", "TRUE", "false",
      "False", "FALSE", "y",    "Y",    "yes",  "Yes",  "YES",  "n",    "N",
      "no",    "No",    "NO",   "on",   "On",   "ON",   "off",  "Off",  "OFF"};
  if (kWords.contains(text)) return true;
  if (text.find_first_not_of("+-0123456789") == text.npos)
    return text.find_first_of("0123456789") != text.npos && text.find_last_of("+-") + 1 <= 1;
  std::istringstream stream{std::string(text)};
  double number = 0;
  return text.find_first_not_of("+-.0123456789eE") == text.npos && stream >> number && stream.eof();
}

class Builder : public YAML::EventHandler {
 public:
  Builder(const SourceText& text, std::size_t first_line, std::deque<Node>& nodes)
      : text_(text), first_line_(first_line), nodes_(nodes) {}

  const Node* root() const { return root_; }
  Place place(const YAML::Mark& mark) const {
    return text_.place(first_line_ + static_cast<std::size_t>(std::max(mark.line, 0)),
                       static_cast<std::size_t>(std::max(mark.column, 0)) + 1);
  }

  // One: the text is cut where documents begin. yaml-cpp finds documents without end in some that
  // are none.
  void OnDocumentStart(const YAML::Mark& mark) override {
    if (has_begun_) throw Refused{mark, "yaml-syntax", "found this after the end of the document"};
    has_begun_ = true;
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    put(make(Node::Kind::null, mark), anchor);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    const auto found = anchors_.find(anchor);
    if (found == anchors_.end())
      throw Refused{mark, "yaml-syntax", "an alias within what it stands for"};
    put(found->second, YAML::NullAnchor);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    Node* const node = make(Node::Kind::scalar, mark);
    node->scalar = value;
    node->quoted = tag != "?";  // yaml-cpp: "?" for a plain scalar without a tag
    node->place.length =
        std::max(value.find('\n') == value.npos ? value.size() : 1, std::size_t{1});
    put(node, anchor);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open_.push_back({make(Node::Kind::sequence, mark), anchor, nullptr});
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open_.push_back({make(Node::Kind::map, mark), anchor, nullptr});
  }
  void OnMapEnd() override { close(); }

 private:
  struct Open {
    Node* node;
    YAML::anchor_t anchor;
    const Node* key;
  };

  Node* make(Node::Kind kind, const YAML::Mark& mark) {
    nodes_.emplace_back();
    nodes_.back().kind = kind;
    nodes_.back().place = place(mark);
    return &nodes_.back();
  }

  void close() {
    const Open closed = open_.back();
    open_.pop_back();
    put(closed.node, closed.anchor);
  }

  void put(const Node* node, YAML::anchor_t anchor) {
    if (anchor != YAML::NullAnchor) anchors_[anchor] = node;
    if (open_.empty()) {
      root_ = node;
      return;
    }
    Open& parent = open_.back();
    parent.node->size += node->size;
    if (parent.node->size > kMostNodes) {
      throw Refused{{}, "too-large", "more than " + std::to_string(kMostNodes) + " values"};
    }
    if (parent.node->kind == Node::Kind::sequence) {
      parent.node->items.push_back(node);
    } else if (parent.key == nullptr) {
      parent.key = node;
    } else {
      parent.node->members.emplace_back(parent.key, node);
      parent.key = nullptr;
    }
  }

  const SourceText& text_;
  const std::size_t first_line_;
  std::deque<Node>& nodes_;
  std::map<YAML::anchor_t, const Node*> anchors_;  // of what has ended: no tree holds itself
  std::vector<Open> open_;
  const Node* root_ = nullptr;
  bool has_begun_ = false;
};

void find_duplicates(const Node& node, Findings& findings, std::size_t depth = 0) {
  if (depth > 64) return;
  std::set<std::string_view> seen;
  for (const auto& [key, value] : node.members) {
    if (key->text() != "<<" && !seen.insert(key->text()).second) {
      findings.add({Level::error, "duplicate-key",
                    "\"" + escape(key->text()) + "\" stands twice here, and only the last counts",
                    key->place, ""});
    }
    find_duplicates(*value, findings, depth + 1);
  }
  for (const Node* item : node.items) find_duplicates(*item, findings, depth + 1);
}

bool separates_documents(std::string_view line) {
  return line.starts_with("---") && (line.size() == 3 || line[3] == ' ');
}

}  // namespace

const Node& Node::none() {
  static const Node kNone;
  return kNone;
}

const Node& Node::operator[](std::string_view key) const {
  const Node* merged = nullptr;
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->first->text() == key) return *member->second;
    if (member->first->text() == "<<") merged = member->second;
  }
  if (merged == nullptr) return none();
  if (merged->is_map()) return (*merged)[key];
  for (const Node* one : merged->items) {
    if (const Node& found = (*one)[key]) return found;
  }
  return none();
}

const Node* Node::key(std::string_view key) const {
  for (const auto& member : members) {
    if (member.first->text() == key) return member.first;
  }
  return nullptr;
}

bool Node::is_string() const {
  return kind == Kind::scalar && (quoted || !looks_like_no_string(scalar));
}

Place place_in(const Node& scalar, std::size_t line, std::size_t column, std::size_t length) {
  const Place& start = scalar.place;
  const auto whole = start.text->line(start.line).substr(start.column - 1);
  if (whole.starts_with('|')) {
    // The block's indentation is that of its first line that has something.
    std::size_t indent = std::string_view::npos;
    for (std::size_t at = start.line + 1; indent == std::string_view::npos; ++at) {
      if (at > start.text->lines()) return start;
      indent = start.text->line(at).find_first_not_of(' ');
    }
    return {start.text, start.line + line, indent + column, length};
  }
  const auto value = std::string_view(scalar.scalar);
  if (line != 1 || value.find('\n') != value.npos) return start;
  const std::size_t quote = scalar.quoted && !whole.empty() && whole[0] != value[0] ? 1 : 0;
  // A typographic quotation mark has more bytes than one.
  const auto at = whole.find(value.substr(0, std::min(value.size(), column)));
  if (at == whole.npos || at > 3 * quote) return start;
  return {start.text, start.line, start.column + at + column - 1, length};
}

Documents::Documents(const SourceText& text, Findings& findings) {
  for (std::size_t line = 1; line <= text.lines();) {
    const std::size_t first = line;
    std::string yaml = text.mended_line(line) + "\n";
    for (++line; line <= text.lines() && !separates_documents(text.line(line)); ++line)
      yaml += text.mended_line(line) + "\n";
    Builder builder(text, first, nodes_);
    const auto refuse = [&](const YAML::Mark& mark, std::string_view id, std::string message) {
      if (yaml.find("{{") != yaml.npos)
        message += " (a Helm template? give the linter what `helm template` prints)";
      findings.add({Level::error, id, message, builder.place(mark), ""});
    };
    try {
      std::istringstream stream(yaml);
      YAML::Parser parser(stream);
      while (parser.HandleNextDocument(builder)) {
      }
      if (builder.root() == nullptr || !*builder.root()) continue;
      find_duplicates(*builder.root(), findings);
      roots_.push_back(builder.root());
    } catch (const YAML::Exception& error) {
      refuse(error.mark, "yaml-syntax", escape(error.msg));
    } catch (const Refused& refused) {
      refuse(refused.mark, refused.id, refused.message);
    }
  }
}

}  // namespace egress::lint
