// egress-wait: PID 1 of the main container in redirect mode. It holds the pod open and sees to what
// comes up while the pod lives. Small on purpose: no spdlog, no CLI11, no threads.
#include <unistd.h>

#include <csignal>
#include <string>
#include <string_view>

#include "common/hold.hpp"
#include "common/version.hpp"
#include "redirect-proxy/wait/config.hpp"
#include "redirect-proxy/wait/keeper.hpp"

namespace egress::wait {
namespace {

constexpr std::string_view kProgram = "egress-wait";

class Program {
 public:
  ExitCode run(std::string_view argument) {
    config_ = parse_config(Environment::of_process(), diagnostics_);
    const auto warnings = diagnostics_.to_text(Severity::warning);
    if (!warnings.empty()) log(LogLevel::warn, without_end(warnings));
    if (diagnostics_.has_errors()) return refuse();
    if (argument == "--check") {
      log(LogLevel::info, "the configuration is valid");
      return ExitCode::ok;
    }
    const auto kept =
        keep(config_, [this](LogLevel level, std::string_view message) { log(level, message); });
    if (kept) return ExitCode::ok;
    log(LogLevel::error, to_text(kept.error()));
    write_termination_log(to_text(kept.error()) + "\n", config_.termination_log);
    return kept.error().stage;
  }

 private:
  static std::string_view without_end(std::string_view text) {
    return text.substr(0, text.find_last_not_of('\n') + 1);
  }

  void log(LogLevel level, std::string_view message) const {
    if (level < config_.log.level) return;
    write_or_drop(STDERR_FILENO,
                  format_log_line({std::chrono::system_clock::now(), level, kProgram, message},
                                  config_.log.format));
  }

  ExitCode refuse() const {
    const auto errors = diagnostics_.to_text(Severity::error);
    log(LogLevel::error, without_end(errors));
    write_termination_log(errors, config_.termination_log);
    return ExitCode::configuration;
  }

  Diagnostics diagnostics_;
  WaitConfig config_;
};

std::string help() {
  return "Holds an egress router pod open until SIGTERM: announces and defends its\n"
         "address, and applies a changed destination table.\n"
         "Usage: egress-wait [OPTION]\n\n"
         "Options:\n"
         "  -h,--help\n"
         "      Print this help message and exit\n"
         "  --version\n"
         "      Display program version information and exit\n"
         "  --check\n"
         "      Validate the configuration, and do nothing\n\n" +
         to_help_text(variables());
}

}  // namespace
}  // namespace egress::wait

int main(int argc, char** argv) {
  using namespace egress;
  std::signal(SIGPIPE, SIG_IGN);
  block_awaited_signals();
  const std::string_view argument = argc > 1 ? argv[1] : "";
  if (argc == 2 && (argument == "--help" || argument == "-h")) {
    write_or_drop(STDOUT_FILENO, wait::help());
    return 0;
  }
  if (argc == 2 && argument == "--version") {
    write_or_drop(STDOUT_FILENO, "egress-wait " + std::string(kVersionAndCommit) + "\n");
    return 0;
  }
  if (argc > 2 || (argc == 2 && argument != "--check")) {
    const bool is_known = argument == "--check" || argument == "--help" || argument == "--version";
    const std::string_view surplus = argv[argc > 2 && is_known ? 2 : 1];
    write_or_drop(STDERR_FILENO,
                  "egress-wait: " +
                      found_expected(surplus, "one of --check, --help and --version, or nothing") +
                      "\n");
    return static_cast<int>(ExitCode::usage);
  }
  return run_to_exit(wait::kProgram, [&] { return wait::Program().run(argument); });
}
