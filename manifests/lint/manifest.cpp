#include "manifests/lint/manifest.hpp"

#include <algorithm>
#include <set>

#include "common/escape.hpp"

namespace egress::lint {
namespace {

constexpr std::size_t kMostBytes = 16U << 20U;  // of one file

void report_look_alikes(const SourceText& text, Findings& findings) {
  const auto say = [&](const SourceText::LookAlike& one, const std::string& message) {
    findings.add({one.mended ? Level::error : Level::warning,
                  "typographic-character",
                  message,
                  {&text, one.line, one.column, one.length},
                  ""});
  };
  const SourceText::LookAlike* first_space = nullptr;
  std::set<std::size_t> lines_with_spaces;
  for (const auto& one : text.look_alikes()) {
    if (one.plain == "space") {
      if (first_space == nullptr) first_space = &one;
      lines_with_spaces.insert(one.line);
    } else if (!one.closes) {
      say(one, "found \"" + escape(text.line(one.line).substr(one.column - 1, one.length)) +
                   "\", a typographic character, as pasted from a page: type a plain " +
                   std::string(one.plain));
    }
  }
  if (first_space == nullptr) return;
  say(*first_space,
      "found no-break spaces, as pasted from a page, where YAML wants plain ones: on " +
          std::to_string(lines_with_spaces.size()) + " lines, of which this is the first");
}

}  // namespace

std::string Object::title() const { return escape(kind) + "/" + escape(name); }

Place Object::place() const {
  const Node& named = (*this)["metadata"]["name"];
  return named ? named.place : root->place;
}

bool Object::ignores(std::string_view id) const {
  auto list = annotation((*this)["metadata"], "egress-router/lint-ignore");
  while (!list.empty()) {
    const auto end = std::min(list.find_first_of(", "), list.size());
    if (list.substr(0, end) == id) return true;
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return false;
}

bool Object::shares_namespace_with(const Object& other) const {
  return name_space.empty() || other.name_space.empty() || name_space == other.name_space;
}

void Manifests::read(std::string name, std::string text, Findings& findings) {
  const bool too_large = text.size() > kMostBytes;
  if (too_large) text.clear();
  texts_.push_back(std::make_unique<SourceText>(std::move(name), std::move(text)));
  const SourceText& source = *texts_.back();
  if (too_large) {
    findings.add({Level::error,
                  "too-large",
                  "larger than " + std::to_string(kMostBytes >> 20U) + " MiB",
                  {&source},
                  ""});
    return;
  }
  report_look_alikes(source, findings);
  documents_.push_back(std::make_unique<Documents>(source, findings));
  for (const Node* root : documents_.back()->roots()) take(*root, nullptr);
}

void Manifests::take(const Node& node, const Node* template_parameters) {
  if (!node.is_map()) return;
  const auto kind = node["kind"].text();
  const bool is_template = kind == "Template";
  if (is_template || kind == "List" || kind.ends_with("List")) {
    for (const Node* item : node[is_template ? "objects" : "items"].items) {
      if (item->is_map() && !(*item)["items"])
        take(*item, is_template ? &node["parameters"] : template_parameters);
    }
    return;
  }
  const Node& metadata = node["metadata"];
  objects_.push_back({&node, template_parameters, std::string(kind),
                      std::string(metadata["name"].text()),
                      std::string(metadata["namespace"].text())});
}

const Object* Manifests::find(std::string_view kind, std::string_view name,
                              const Object& beside) const {
  const auto found = std::find_if(objects_.begin(), objects_.end(), [&](const Object& one) {
    return one.kind == kind && one.name == name && one.shares_namespace_with(beside);
  });
  return found == objects_.end() ? nullptr : &*found;
}

bool Manifests::has(std::string_view kind) const {
  return std::any_of(objects_.begin(), objects_.end(),
                     [&](const Object& one) { return one.kind == kind; });
}

std::string_view annotation(const Node& metadata, std::string_view key) {
  return metadata["annotations"][key].text();
}

}  // namespace egress::lint
