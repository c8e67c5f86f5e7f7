#include "common/command_line.hpp"

#include <iostream>
#include <memory>
#include <string>

#include "common/exit_code.hpp"
#include "common/variable.hpp"
#include "common/version.hpp"

namespace egress {
namespace {

class HelpFormatter : public CLI::Formatter {
 public:
  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    const auto arguments = is_positional ? std::string() : option->get_type_name();
    return "  " + make_option_name(option, is_positional) +
           (arguments.empty() ? "" : " " + arguments) + "\n" + wrap(option->get_description(), 6);
  }
  std::string make_description(const CLI::App* app) const override {
    return wrap(app->get_description(), 0);
  }
};

}  // namespace

std::optional<int> parse_command_line(CLI::App& app, std::string_view footer, int argc,
                                      char** argv) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_version_flag("--version", app.get_name() + " " + kVersionAndCommit);
  app.footer(std::string(footer));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error, std::cout, std::cerr);
    return code == 0 ? code : static_cast<int>(ExitCode::usage);
  }
  return std::nullopt;
}

}  // namespace egress
