// egress-lint: reads its command line, lints files, prints the report.
#include <CLI/CLI.hpp>
#include <iostream>

#include "generated/version.hpp"
#include "manifests/lint/lint.hpp"

namespace {

constexpr std::string_view kProgram = "egress-lint";
constexpr std::string_view kFooter =
    "\nExit codes: 0 no error, 2 command line or a file that cannot be read, 3 errors found.\n"
    "Each check is described in docs/linter.md.";

}  // namespace

int main(int argc, char** argv) {
  using namespace egress;
  CLI::App app("Finds errors in an egress router's manifests before they reach a cluster.",
               std::string(kProgram));
  app.set_version_flag("--version", std::string(kProgram) + " " + kVersion);
  std::vector<std::string> files;
  std::string format = "text";
  app.add_option("FILE", files, "YAML manifests; - is standard input")->required()->type_name("");
  app.add_option("--format", format, "Format of the report: text or json")
      ->type_name("FORMAT")
      ->capture_default_str()
      ->check(CLI::IsMember({"text", "json"}));
  app.footer(std::string(kFooter));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? code : static_cast<int>(ExitCode::usage);
  }
  return static_cast<int>(
      lint::lint_files(files, format == "json" ? lint::Format::json : lint::Format::text));
}
