// egress-lint: reads its command line, lints files, prints the report.
#include <algorithm>
#include <iostream>
#include <optional>

#include "common/command_line.hpp"
#include "common/escape.hpp"
#include "common/exit_code.hpp"
#include "common/termination_log.hpp"
#include "common/variable.hpp"
#include "manifests/lint/fix.hpp"
#include "manifests/lint/from_egressrouter.hpp"
#include "manifests/lint/lint.hpp"

namespace egress::lint {
namespace {

constexpr std::string_view kProgram = "egress-lint";
constexpr std::string_view kFooter =
    "Exit codes: 0 no error, 2 command line, a file that cannot be read or nothing to lint, 3 "
    "errors "
    "found. Each check is described in docs/linter.md.";

struct Arguments {
  std::vector<std::string> files;
  bool fixes = false;
  bool converts = false;
  Options options;
};

void complain(const std::string& problem) { std::cerr << kProgram << ": " << problem << "\n"; }

std::optional<int> parse_command_line(int argc, char** argv, Arguments& arguments) {
  CLI::App app("Finds errors in an egress router's manifests before they reach a cluster.",
               std::string(kProgram));
  app.add_option("FILE", arguments.files,
                 "File, directory, glob or kustomization; - is standard input")
      ->required()
      ->type_name("");
  std::string format = "text";
  app.add_option("--format", format, "text, json or sarif; default text")
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json", "sarif"}).description(""));
  app.add_flag("--strict", arguments.options.is_strict, "Treat warnings as errors");
  app.add_flag("--fix", arguments.fixes,
               "Replace typographic quotes, dashes and spaces in the files");
  app.add_flag("--from-egressrouter", arguments.converts,
               "Print the equivalent of OpenShift's EgressRouter objects in the files");
  if (const auto code = egress::parse_command_line(app, wrap(kFooter, 0), argc, argv)) return code;
  const auto& files = arguments.files;
  if (arguments.fixes && std::find(files.begin(), files.end(), "-") != files.end()) {
    complain("--fix writes files: standard input (-) cannot be fixed");
    return static_cast<int>(ExitCode::usage);
  }
  arguments.options.format = format == "json"    ? Format::json
                             : format == "sarif" ? Format::sarif
                                                 : Format::text;
  return std::nullopt;
}

// False where a file cannot be written.
bool fix(std::vector<Deployment>& deployments) {
  bool is_done = true;
  for (auto& deployment : deployments) {
    for (auto& file : deployment) {
      if (file.path.empty()) continue;
      auto fixed = fix_typographic_characters(file.text);
      if (fixed.replaced == 0) continue;
      if (const auto cause = replace_file(file.path, fixed.text); !cause.empty()) {
        complain(escape(file.name) + ": " + cause);
        is_done = false;
        continue;
      }
      complain(escape(file.name) +
               ": typographic characters replaced: " + std::to_string(fixed.replaced));
      file.text = std::move(fixed.text);
    }
  }
  return is_done;
}

ExitCode convert(std::vector<Deployment> deployments, bool is_complete) {
  const auto conversion = from_egressrouter(std::move(deployments));
  std::cout << conversion.text;
  std::cerr << conversion.errors;
  if (!is_complete) return ExitCode::usage;
  return conversion.errors.empty() ? ExitCode::ok : ExitCode::configuration;
}

ExitCode run(const Arguments& arguments) {
  auto inputs = read_inputs(arguments.files);
  for (const auto& problem : inputs.problems) complain(problem);
  bool is_complete = inputs.problems.empty();
  if (arguments.converts) return convert(std::move(inputs.deployments), is_complete);
  if (arguments.fixes && !fix(inputs.deployments)) is_complete = false;
  const auto report = lint(std::move(inputs.deployments), arguments.options);
  if (!report.has_objects && !report.has_errors && is_complete)
    complain("nothing to lint: no object of a cluster in the given files");
  std::cout << report.text;
  if (!is_complete) return ExitCode::usage;
  if (!report.has_objects && !report.has_errors) return ExitCode::usage;
  return report.has_errors ? ExitCode::configuration : ExitCode::ok;
}

}  // namespace
}  // namespace egress::lint

int main(int argc, char** argv) {
  egress::lint::Arguments arguments;
  if (const auto code = egress::lint::parse_command_line(argc, argv, arguments)) return *code;
  return egress::run_to_exit(egress::lint::kProgram, [&] { return egress::lint::run(arguments); });
}
