// --help of every program that has CLI11: within kHelpColumns, an option on a line of its own and
// its meaning, indented, on the next ones. docs/generate reads this form.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "common/variable.hpp"

namespace egress {

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

}  // namespace egress
