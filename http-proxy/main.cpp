// egress-http-proxy: reads the environment and serves, or answers a question about its rules. Every
// error of the HTTP proxy that ends it is logged here and nowhere else.
#include <spdlog/spdlog.h>

#include <fstream>
#include <iostream>

#include "common/command_line.hpp"
#include "common/hold.hpp"
#include "common/log_spdlog.hpp"
#include "common/report.hpp"
#include "http-proxy/config.hpp"
#include "http-proxy/explain.hpp"
#include "http-proxy/server.hpp"
#include "http-proxy/suggest.hpp"

namespace egress::http {
namespace {

constexpr std::string_view kProgram = "egress-http-proxy";

struct Options {
  bool check = false;
  std::optional<std::string> explain;
  bool resolve = false;
  std::optional<std::string> suggest;
};

constexpr std::string_view kExitCodes =
    "Exit codes: 0 done, or ended by SIGTERM; 1 --explain: denied; 2 command line; 3 "
    "configuration; 12 a failure after a good start.";

// Ends the program with the code that CLI11 or we choose; empty where there is work to do.
std::optional<int> parse_command_line(int argc, char** argv, Options& options) {
  CLI::App app("An HTTP proxy that lets requests and tunnels pass by a list of rules.",
               std::string(kProgram));
  app.add_flag("--check", options.check, "Validate the configuration, and serve nothing");
  auto* const explain =
      app.add_option("--explain", options.explain,
                     "Say what the rules decide for a URL, or HOST:PORT for a tunnel")
          ->type_name("URL");
  app.add_flag("--resolve", options.resolve, "With --explain: ask DNS for the host's addresses")
      ->needs(explain);
  app.add_option("--suggest", options.suggest,
                 "Print the rules that an access log asks for; - reads standard input")
      ->type_name("ACCESS_LOG");
  return egress::parse_command_line(app, to_help_text(variables()) + "\n" + wrap(kExitCodes, 0),
                                    argc, argv);
}

ExitCode print_suggestion(const std::string& path) {
  std::ifstream file;
  if (path != "-") file.open(path);
  std::istream& input = path == "-" ? std::cin : file;
  Suggestion suggestion;
  std::string line;
  while (std::getline(input, line)) suggestion.add_line(line);
  if (!input.eof()) {
    std::cerr << kProgram << ": cannot read " << path << "\n";
    return ExitCode::usage;
  }
  std::cout << suggestion.to_text();
  return ExitCode::ok;
}

class Program {
 public:
  explicit Program(Options options) : options_(std::move(options)) {}

  ExitCode run() {
    if (options_.suggest) return print_suggestion(*options_.suggest);
    if (!options_.check && !options_.explain) block_awaited_signals();
    config_ = parse_config(Environment::of_process(), diagnostics_);
    set_up_log(config_.log, kProgram);
    if (!report_diagnostics(diagnostics_, config_.termination_log)) return ExitCode::configuration;
    if (options_.explain) return print_explanation();
    if (options_.check) {
      spdlog::info("the configuration is valid: {} rules", config_.rules.rules.size());
      return ExitCode::ok;
    }
    return serve_requests();
  }

 private:
  ExitCode print_explanation() {
    const auto explained = explain(config_, *options_.explain,
                                   options_.resolve ? Resolving::asked : Resolving::not_asked);
    if (!explained) {
      std::cerr << kProgram << ": " << explained.error() << "\n";
      return ExitCode::usage;
    }
    std::cout << explained->text;
    return explained->verdict == Verdict::allow ? ExitCode::ok : ExitCode::internal;
  }

  ExitCode serve_requests() {
    const auto path = config_.termination_log;
    const auto served = serve(std::move(config_), write_log);
    return served ? ExitCode::ok : report_failure(served.error(), path);
  }

  Options options_;
  Diagnostics diagnostics_;
  HttpProxyConfig config_;
};

}  // namespace
}  // namespace egress::http

int main(int argc, char** argv) {
  egress::http::Options options;
  if (const auto code = egress::http::parse_command_line(argc, argv, options)) return *code;
  return egress::run_to_exit(egress::http::kProgram,
                             [&] { return egress::http::Program(std::move(options)).run(); });
}
