#include "manifests/lint/lint.hpp"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iostream>
#include <iterator>
#include <optional>

#include "common/escape.hpp"
#include "common/result.hpp"
#include "manifests/lint/checks.hpp"

namespace egress::lint {
namespace {

// What the annotation egress-router/lint-ignore of an object names is left out.
std::vector<Finding> without_ignored(const Findings& findings, const Manifests& manifests) {
  auto all = findings.sorted();
  std::erase_if(all, [&](const Finding& finding) {
    return std::any_of(manifests.objects().begin(), manifests.objects().end(),
                       [&](const Object& object) {
                         return object.title() == finding.object && object.ignores(finding.id);
                       });
  });
  return all;
}

std::optional<std::string> read(const std::string& path, std::string& cause) {
  std::string text;
  const auto take = [&](std::istream& stream) {
    text.assign(std::istreambuf_iterator<char>(stream), {});
    return !stream.bad();
  };
  if (path == "-") return take(std::cin) ? std::optional(text) : std::nullopt;
  std::ifstream file(path, std::ios::binary);
  if (file && take(file)) return text;
  cause = errno_to_text(errno);
  return std::nullopt;
}

}  // namespace

Report lint(std::vector<File> files, Format format) {
  Findings findings;
  Manifests manifests;
  for (auto& file : files) manifests.read(std::move(file.name), std::move(file.text), findings);
  for (const auto& object : manifests.objects()) check_fields(object, findings);
  const auto workloads = find_workloads(manifests, findings);
  for (const auto& workload : workloads) {
    check_pod_shape(workload, manifests, findings);
    check_permissions(workload, manifests, findings);
  }
  check_addresses(workloads, manifests, findings);
  check_services(workloads, manifests, findings);
  if (const auto& texts = manifests.texts();
      !texts.empty() && findings.count(Level::error) == 0 &&
      std::none_of(workloads.begin(), workloads.end(),
                   [](const Workload& one) { return one.is_egress(); })) {
    findings.add({Level::note,
                  "nothing-to-judge",
                  "no egress router in the given files",
                  {texts.front().get()},
                  ""});
  }
  const auto kept = without_ignored(findings, manifests);
  const bool has_errors = std::any_of(kept.begin(), kept.end(),
                                      [](const Finding& one) { return one.level == Level::error; });
  return {format == Format::json ? to_json(kept) : to_text(kept), has_errors};
}

ExitCode lint_files(const std::vector<std::string>& paths, Format format) {
  std::vector<File> files;
  bool all_read = true;
  for (const auto& path : paths) {
    std::string cause;
    auto text = read(path, cause);
    if (text) {
      files.push_back({path == "-" ? "standard input" : path, std::move(*text)});
    } else {
      std::cerr << "egress-lint: " << escape(path) << ": " << cause << "\n";
      all_read = false;
    }
  }
  const auto report = lint(std::move(files), format);
  std::cout << report.text;
  if (!all_read) return ExitCode::usage;
  return report.has_errors ? ExitCode::configuration : ExitCode::ok;
}

}  // namespace egress::lint
