// egress-dns-proxy: reads the environment and serves, or answers a question about its table. Every
// error of the DNS proxy that ends it is logged here and nowhere else.
#include <spdlog/spdlog.h>

#include <iostream>
#include <optional>

#include "common/command_line.hpp"
#include "common/hold.hpp"
#include "common/log_spdlog.hpp"
#include "common/net/destination.hpp"
#include "common/net/own_addresses.hpp"
#include "common/report.hpp"
#include "redirect-proxy/dns/config.hpp"
#include "redirect-proxy/dns/explain.hpp"
#include "redirect-proxy/dns/server.hpp"

namespace egress::dns {
namespace {

constexpr std::string_view kProgram = "egress-dns-proxy";
constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, or ended by SIGTERM; 1 --explain: no line takes it; 2 command line; "
    "3 configuration; 12 a failure after a good start, such as a port that is in use.";

struct Options {
  bool check = false;
  std::optional<std::string> explain;
  bool resolve = false;
};

// Ends the program with the code that CLI11 or we choose; empty where there is work to do.
std::optional<int> parse_command_line(int argc, char** argv, Options& options) {
  CLI::App app("Redirects connections to hosts by name, over healthy addresses.",
               std::string(kProgram));
  app.add_flag("--check", options.check, "Validate the configuration, and serve nothing");
  auto* const explain = app.add_option("--explain", options.explain,
                                       "Say where a connection to a port goes: 'tcp 8080'")
                            ->type_name("PORT");
  app.add_flag("--resolve", options.resolve, "With --explain: ask DNS for the hosts' addresses")
      ->needs(explain);
  return egress::parse_command_line(app, to_help_text(variables()) + "\n" + wrap(kExitCodes, 0),
                                    argc, argv);
}

ExitCode print_explanation(const DnsProxyConfig& config, const Options& options) {
  ExplainOptions how;
  if (options.resolve) how.resolve = net::resolve_blocking;
  // Elsewhere than in the pod they are other addresses; the special-purpose ones are the same.
  if (auto own = net::read_own_addresses()) how.local.addresses = std::move(*own);
  const auto explained = explain(config.table, *options.explain, how);
  if (!explained) {
    std::cerr << kProgram << ": " << explained.error() << "\n";
    return ExitCode::usage;
  }
  std::cout << explained->text;
  return explained->is_taken ? ExitCode::ok : ExitCode::internal;
}

ExitCode run(const Options& options) {
  if (!options.check && !options.explain) block_awaited_signals();
  Diagnostics diagnostics;
  auto config = parse_config(Environment::of_process(), diagnostics);
  set_up_log(config.log, kProgram);
  const auto termination_log = config.termination_log;
  if (!report_diagnostics(diagnostics, termination_log)) return ExitCode::configuration;
  if (options.explain) return print_explanation(config, options);
  if (options.check) {
    spdlog::info("the configuration is valid: {} lines", config.table.targets.size());
    return ExitCode::ok;
  }
  const auto served = serve(std::move(config), write_log);
  return served ? ExitCode::ok : report_failure(served.error(), termination_log);
}

}  // namespace
}  // namespace egress::dns

int main(int argc, char** argv) {
  egress::dns::Options options;
  if (const auto code = egress::dns::parse_command_line(argc, argv, options)) return *code;
  return egress::run_to_exit(egress::dns::kProgram, [&] { return egress::dns::run(options); });
}
