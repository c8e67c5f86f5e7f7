// egress-router: reads the environment and the pod, plans, and applies or prints the plan. The edge
// of the init container: every error is logged here and nowhere else, and every exception ends
// here.
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <linux/capability.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "common/capabilities.hpp"
#include "common/command_line.hpp"
#include "common/hold.hpp"
#include "common/link/neighbour_probe.hpp"
#include "common/log_spdlog.hpp"
#include "common/report.hpp"
#include "router-init/apply.hpp"
#include "router-init/config.hpp"
#include "router-init/explain.hpp"
#include "router-init/host_facts.hpp"
#include "router-init/plan.hpp"
#include "router-init/plan_text.hpp"

namespace egress::router {
namespace {

constexpr std::string_view kProgram = "egress-router";

struct Options {
  std::optional<std::string> plan;  // text, json or nft
  bool check = false;
  std::optional<std::string> explain;
};

std::string help_footer() {
  return to_help_text(variables()) + "\n" +
         wrap(
             "Exit codes: 0 done, 1 --explain: not forwarded, 1 unexpected failure, 2 command "
             "line, 3 configuration, 4 what "
             "the "
             "pod or node lacks, 5 link, 6 sysctl, 7 EGRESS_SOURCE is held by another host, 8 "
             "address, 9 route or rule, 10 gateway, 11 nftables.",
             0);
}

// Ends the program with the code that CLI11 or we choose; empty where there is work to do.
std::optional<int> parse_command_line(int argc, char** argv, Options& options) {
  CLI::App app(
      "Sets up an egress router pod: its outside address, its routes and where connections to it "
      "go.",
      std::string(kProgram));
  app.add_option(
         "--plan", options.plan,
         "Print all that would be done, and change nothing: text, json, or nft (the ruleset alone)")
      ->expected(0, 1)
      ->type_name("FORMAT")
      ->check(CLI::IsMember({"text", "json", "nft"}).description(""));
  app.add_flag("--check", options.check, "Validate the configuration, and touch nothing");
  app.add_option("--explain", options.explain,
                 "Say which entry takes such a connection, as in --explain 'tcp 8443'")
      ->type_name("'PROTOCOL PORT'");
  if (const auto code = egress::parse_command_line(app, help_footer(), argc, argv)) return code;
  if (app.count("--plan") > 0 && (!options.plan || options.plan->empty())) options.plan = "text";
  return std::nullopt;
}

class Program {
 public:
  explicit Program(Options options) : options_(std::move(options)) {}

  // Every exception ends here: apply has rolled back what threw in a step.
  ExitCode run() {
    try {
      return run_mode();
    } catch (const std::exception& error) {
      return fail({ExitCode::internal, "unexpected failure", error.what(), {}});
    }
  }

 private:
  ExitCode run_mode() {
    std::array<char, 256> host_name{};  // HOST_NAME_MAX is 64
    ::gethostname(host_name.data(), host_name.size() - 1);
    const auto environment = Environment::of_process();
    // Known before anything can throw.
    if (const auto path = environment.get("EGRESS_TERMINATION_LOG"))
      config_.termination_log = *path;
    config_ = parse_config(environment, diagnostics_, host_name.data());
    set_up_log(config_.log, kProgram);
    if (!report_diagnostics(diagnostics_, config_.termination_log)) return ExitCode::configuration;
    if (options_.explain) return print_explanation();
    if (options_.check) {
      spdlog::info("the configuration is valid: mode {}{}", to_text(config_.mode),
                   config_.translates() ? ", " + size_of_table() : "");
      return ExitCode::ok;
    }
    if (options_.plan || config_.mode == Mode::unit_test)
      return print_plan(options_.plan.value_or("text"));
    return set_up();
  }

  ExitCode fail(const Error& error) { return report_failure(error, config_.termination_log); }

  ExitCode print_explanation() {
    const auto explained = explain(config_, *options_.explain, diagnostics_);
    if (diagnostics_.has_errors()) {
      std::cerr << diagnostics_.to_text(Severity::error);
      return ExitCode::usage;
    }
    std::cout << explained.text;
    return explained.is_forwarded ? ExitCode::ok : ExitCode::internal;
  }

  ExitCode print_plan(const std::string& format) {
    const auto facts = read_facts();
    if (!facts) return fail(facts.error());
    const auto plan = make_plan(config_, *facts, Assume::missing);
    if (!plan) return fail(plan.error());
    std::cout << (format == "json"  ? to_json(*plan)
                  : format == "nft" ? to_nft_text(*plan)
                                    : to_text(*plan));
    return ExitCode::ok;
  }

  static void log(LogLevel level, std::string_view message) {
    spdlog::log(native_level(level), "{}", message);
  }

  ExitCode set_up() {
    block_awaited_signals();
    const auto facts = read_facts();
    if (!facts) return fail(facts.error());
    const auto plan = make_plan(config_, *facts, Assume::nothing);
    if (!plan) return fail(plan.error());
    for (const auto& warning : plan->warnings) spdlog::warn("{}", warning);
    if (const auto applied = router::apply(*plan, log); !applied) {
      verify_rollback(*facts);
      return fail(applied.error());
    }
    say_done();
    return finish(*plan);
  }

  Result<HostFacts> read_facts() const {
    return read_host_facts(config_.interface, config_.host_netns);
  }

  // Says what is true: the state is read again and compared with that before the first step.
  void verify_rollback(const HostFacts& before) const {
    const auto after = read_facts();
    if (!after) return spdlog::error("rolled back, but not verified: {}", to_text(after.error()));
    const auto changes = differences(before, *after);
    for (const auto& change : changes)
      spdlog::error("not as before after the rollback: {}", change);
    if (changes.empty()) spdlog::info("rolled back: the pod's network is as before");
  }

  void say_done() const {
    std::string sources;
    for (const auto& source : config_.all_sources())
      sources += (sources.empty() ? "" : " and ") + to_text(source.address);
    spdlog::info("ready: mode {}, the outside sees {} on {}{}", to_text(config_.mode), sources,
                 config_.interface, config_.translates() ? ", " + size_of_table() : "");
  }

  std::string size_of_table() const {
    const auto& table = config_.destinations;
    const auto count = table.entries.size();
    return std::to_string(count) + (count == 1 ? " entry" : " entries") +
           (table.fallback.v4 || table.fallback.v6 ? " and an address alone" : "");
  }

  // RFC 5227 §2.3: the second announcement, for whom the first did not reach. In the other modes
  // egress-wait sends it.
  ExitCode finish(const NetworkPlan& plan) {
    if (config_.mode == Mode::legacy) become_egress_wait();
    if (config_.announce_twice) {
      if (wait_for_termination(link::kAnnounceInterval)) return ExitCode::ok;
      announce_again(plan, log);
    }
    if (config_.mode == Mode::legacy) wait_for_termination();
    return ExitCode::ok;
  }

  // One container does both jobs in legacy mode. Where egress-wait lies beside this program, as in
  // the image, it takes over what comes up while the pod lives; else the pod is held open and no
  // more. The signals that are blocked stay so. What the init container may do is given up:
  // egress-wait sends ARP, and runs this program again where the table may change.
  static void become_egress_wait() {
    std::error_code error;
    auto program = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return;
    program.replace_filename("egress-wait");
    const bool reloads = Environment::of_process().get("EGRESS_DESTINATION_FILE").has_value();
    const auto dropped = reloads ? keep_capabilities({CAP_NET_RAW, CAP_NET_ADMIN})
                                 : keep_capabilities({CAP_NET_RAW});
    if (!dropped) {
      spdlog::warn("capabilities that egress-wait does not need stay: {}",
                   to_text(dropped.error()));
    }
    std::string name = program.string();
    std::array<char*, 2> arguments{name.data(), nullptr};
    ::execv(program.c_str(), arguments.data());
    spdlog::debug("{}: {}", name, std::strerror(errno));
  }

  Options options_;
  Diagnostics diagnostics_;
  RouterConfig config_;
};

}  // namespace
}  // namespace egress::router

int main(int argc, char** argv) {
  egress::router::Options options;
  if (const auto code = egress::router::parse_command_line(argc, argv, options)) return *code;
  return static_cast<int>(egress::router::Program(std::move(options)).run());
}
