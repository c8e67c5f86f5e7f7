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

// The bytes of one character of UTF-8 (RFC 3629) at the start of `text`; 0: there is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const std::size_t length = byte(0) < 0x80U   ? 1
                             : byte(0) < 0xc2U ? 0
                             : byte(0) < 0xe0U ? 2
                             : byte(0) < 0xf0U ? 3
                             : byte(0) < 0xf5U ? 4
                                               : 0;
  if (length > text.size()) return 0;
  for (std::size_t at = 1; at < length; ++at) {
    if ((byte(at) & 0xc0U) != 0x80U) return 0;
  }
  return length;
}

// Of the first byte that is no UTF-8; npos: there is none.
std::size_t invalid_utf8(std::string_view text) {
  for (std::size_t at = 0; at < text.size();) {
    const auto length = utf8_length(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::string_view::npos;
}

// "Latin-1 (...): iconv -f ..." of a text that is no UTF-8; else empty. By its zero bytes UTF-16
// is recognized without a byte order mark too.
std::string foreign_encoding(std::string_view text) {
  const bool is_little = text.starts_with("\xff\xfe") || (text.size() > 1 && text[1] == '\0');
  const bool is_big = text.starts_with("\xfe\xff") || (text.size() > 1 && text[0] == '\0');
  if (is_little || is_big)
    return std::string("UTF-16 (") + (is_little ? "little" : "big") + " endian): iconv -f UTF-16" +
           (is_little ? "LE" : "BE");
  if (invalid_utf8(text) == text.npos) return {};
  return "probably Latin-1 (ISO 8859-1) or Windows-1252: iconv -f WINDOWS-1252";
}

Place first_invalid(const SourceText& source) {
  for (std::size_t line = 1; line <= source.lines(); ++line) {
    const auto at = invalid_utf8(source.line(line));
    if (at != std::string_view::npos) return {&source, line, at + 1};
  }
  return {&source};
}

}  // namespace

std::string Object::title() const { return escape(kind) + "/" + escape(name); }

Place Object::place() const {
  const Node& named = (*this)["metadata"]["name"];
  return named ? named.place : root->place;
}

std::vector<std::string_view> Object::ignored() const {
  auto list = annotation((*this)["metadata"], kIgnore);
  std::vector<std::string_view> ids;
  while (!list.empty()) {
    const auto end = std::min(list.find_first_of(", \n"), list.size());
    if (end > 0) ids.push_back(list.substr(0, end));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
  return ids;
}

bool Object::ignores(std::string_view id) const {
  const auto ids = ignored();
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool Object::shares_namespace_with(const Object& other) const {
  return name_space.empty() || other.name_space.empty() || name_space == other.name_space;
}

void Manifests::read(std::string name, std::string text, Findings& findings) {
  const bool too_large = text.size() > kMostBytes;
  const auto encoding = too_large ? std::string() : foreign_encoding(text);
  if (too_large || encoding.starts_with("UTF-16")) text.clear();
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
  if (!encoding.empty()) {
    findings.add({Level::error, "encoding", "not UTF-8 but " + encoding + " -t UTF-8 FILE",
                  first_invalid(source), ""});
    if (source.lines() == 0) return;
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
