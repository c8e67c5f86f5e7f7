// Runs another program and reads what it prints.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace egress::lint {

struct CommandOutput {
  int status = 0;      // as a shell has it; 124: over the time limit of 60 s, or the size limit
  std::string text;    // standard output, at most 16 MiB
  std::string errors;  // the first 4 KiB of standard error
};

// Nothing where no such program is found by PATH.
std::optional<CommandOutput> run_command(std::vector<std::string> arguments);

}  // namespace egress::lint
