// The command line of a program with CLI11: --help in 80 columns, --version, errors. docs/generate
// reads this form of --help: an option on a line of its own, its meaning, indented, on the next.
#pragma once

#include <CLI/CLI.hpp>
#include <optional>
#include <string_view>

namespace egress {

// `app` has its options and its name. `footer` follows them: variables and exit codes. Returns the
// exit code where the program ends here: 0 after --help and --version, 2 for an error, which is
// printed.
std::optional<int> parse_command_line(CLI::App& app, std::string_view footer, int argc,
                                      char** argv);

}  // namespace egress
