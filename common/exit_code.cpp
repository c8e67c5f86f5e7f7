#include "common/exit_code.hpp"

namespace egress {

std::string_view to_text(ExitCode code) {
  switch (code) {
    case ExitCode::ok: return "ok";
    case ExitCode::internal: return "internal";
    case ExitCode::usage: return "usage";
    case ExitCode::configuration: return "configuration";
    case ExitCode::facts: return "facts";
    case ExitCode::link: return "link";
    case ExitCode::sysctl: return "sysctl";
    case ExitCode::conflict: return "conflict";
    case ExitCode::address: return "address";
    case ExitCode::route: return "route";
    case ExitCode::gateway: return "gateway";
    case ExitCode::ruleset: return "ruleset";
    case ExitCode::runtime: return "runtime";
  }
  return "unknown";
}

}  // namespace egress
