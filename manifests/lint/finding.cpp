#include "manifests/lint/finding.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "common/diagnostic.hpp"
#include "common/escape.hpp"
#include "common/version.hpp"

namespace egress::lint {
namespace {

constexpr std::size_t kKept = 1000;  // of a file of a million faults

std::string counted(std::size_t count, std::string_view what) {
  return std::to_string(count) + " " + std::string(what) + (count == 1 ? "" : "s");
}

std::size_t count_of(const std::vector<Finding>& findings, Level level) {
  return static_cast<std::size_t>(std::count_if(
      findings.begin(), findings.end(), [&](const Finding& one) { return one.level == level; }));
}

// The line as one would read it: its no-break spaces are named once, by a finding of their own.
std::string excerpt_at(const Place& place) {
  constexpr std::string_view kNoBreakSpace = "\u00a0";
  std::string line(place.text->line(place.line));
  std::size_t column = place.column;
  for (auto at = line.find(kNoBreakSpace); at != line.npos; at = line.find(kNoBreakSpace, at)) {
    line.replace(at, kNoBreakSpace.size(), " ");
    if (at + 1 < column) --column;
  }
  return excerpt({place.text->name(), place.line, column, line, place.length});
}

std::string to_text(const std::vector<Finding>& findings);
std::string to_json(const std::vector<Finding>& findings);
std::string to_sarif(const std::vector<Finding>& findings);

}  // namespace

std::string_view to_text(Level level) {
  switch (level) {
    case Level::error: return "error";
    case Level::warning: return "warning";
    case Level::note: return "note";
  }
  return "error";
}

void Findings::add(Finding finding) {
  if (findings_.size() >= kKept) return;
  const bool known = std::any_of(findings_.begin(), findings_.end(), [&](const Finding& one) {
    return one.place.text == finding.place.text && one.place.line == finding.place.line &&
           one.place.column == finding.place.column && one.id == finding.id &&
           one.message == finding.message;
  });
  if (!known) findings_.push_back(std::move(finding));
}

std::size_t Findings::count(Level level) const { return count_of(findings_, level); }

std::vector<Finding> Findings::sorted() const {
  std::vector<const SourceText*> files;
  for (const auto& one : findings_) {
    if (std::find(files.begin(), files.end(), one.place.text) == files.end())
      files.push_back(one.place.text);
  }
  const auto key = [&](const Finding& one) {
    return std::tuple(std::find(files.begin(), files.end(), one.place.text), one.place.line,
                      one.place.column);
  };
  auto all = findings_;
  std::stable_sort(all.begin(), all.end(),
                   [&](const Finding& a, const Finding& b) { return key(a) < key(b); });
  return all;
}

std::string format_findings(const std::vector<Finding>& findings, Format format) {
  switch (format) {
    case Format::text: return to_text(findings);
    case Format::json: return to_json(findings);
    case Format::sarif: return to_sarif(findings);
  }
  return {};
}

namespace {

std::string to_text(const std::vector<Finding>& findings) {
  std::string text;
  for (const auto& one : findings) {
    text += escape(one.place.text->name());
    const bool has_line = one.place.line > 0;
    if (has_line)
      text += ":" + std::to_string(one.place.line) + ":" + std::to_string(one.place.column);
    text += ": " + std::string(to_text(one.level)) + ": " + one.message + " [" +
            std::string(one.id) + "]\n";
    if (has_line) text += excerpt_at(one.place) + "\n";
  }
  return text + counted(count_of(findings, Level::error), "error") + ", " +
         counted(count_of(findings, Level::warning), "warning") + ", " +
         counted(count_of(findings, Level::note), "note") + "\n";
}

std::string to_json(const std::vector<Finding>& findings) {
  auto list = nlohmann::ordered_json::array();
  for (const auto& one : findings) {
    list.push_back({{"file", escape(one.place.text->name())},
                    {"line", one.place.line},
                    {"column", one.place.column},
                    {"level", to_text(one.level)},
                    {"id", one.id},
                    {"object", one.object},
                    {"message", one.message}});
  }
  const nlohmann::ordered_json whole{{"findings", list},
                                     {"errors", count_of(findings, Level::error)},
                                     {"warnings", count_of(findings, Level::warning)},
                                     {"notes", count_of(findings, Level::note)}};
  return whole.dump(2) + "\n";
}

// A relative reference, so that a code host finds the file.
std::string uri_of(const std::string& name) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/";
  constexpr std::string_view kDigits = "0123456789ABCDEF";
  std::string uri;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != kPlain.npos) {
      uri += c;
    } else {
      uri += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
  }
  return uri;
}

std::size_t characters_before(const Place& place) {
  const auto before = place.text->line(place.line).substr(0, place.column - 1);
  return static_cast<std::size_t>(std::count_if(before.begin(), before.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;
  }));
}

std::string to_sarif(const std::vector<Finding>& findings) {
  using Json = nlohmann::ordered_json;
  auto results = Json::array();
  std::set<std::string_view> ids;
  for (const auto& one : findings) {
    ids.insert(one.id);
    std::string name = one.place.text->name();
    const bool is_rendered = name.ends_with(kRenderedSuffix);
    if (is_rendered) name.resize(name.size() - kRenderedSuffix.size());
    Json location{{"artifactLocation", {{"uri", uri_of(name)}}}};
    if (one.place.line > 0 && !is_rendered) {
      location["region"] = {{"startLine", one.place.line},
                            {"startColumn", characters_before(one.place) + 1}};
    }
    Json where{{"physicalLocation", location}};
    if (!one.object.empty()) where["logicalLocations"] = Json::array({{{"name", one.object}}});
    results.push_back({{"ruleId", one.id},
                       {"level", to_text(one.level)},
                       {"message", {{"text", one.message}}},
                       {"locations", Json::array({where})}});
  }
  auto rules = Json::array();
  for (const auto id : ids) rules.push_back({{"id", id}});
  const Json driver{{"name", "egress-lint"}, {"version", kVersion}, {"rules", rules}};
  const Json run{
      {"tool", {{"driver", driver}}}, {"columnKind", "unicodeCodePoints"}, {"results", results}};
  const Json whole{{"$schema", "https://json.schemastore.org/sarif-2.1.0.json"},
                   {"version", "2.1.0"},
                   {"runs", Json::array({run})}};
  return whole.dump(2) + "\n";
}

}  // namespace

}  // namespace egress::lint
