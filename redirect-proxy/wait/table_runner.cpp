#include "redirect-proxy/wait/table_runner.hpp"

#include <linux/capability.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <vector>

#include "common/capabilities.hpp"
#include "common/exit_code.hpp"
#include "redirect-proxy/wait/ruleset_generation.hpp"

namespace egress::wait {
namespace {

using Clock = std::chrono::steady_clock;

// A run that takes longer is killed. Set-up takes well under 10 s, besides what it waits for: two
// gateways and the address probe, each for 60 s at most (EGRESS_GATEWAY_TIMEOUT,
// EGRESS_ADDRESS_PROBE).
constexpr std::chrono::minutes kRunLimit{5};
constexpr std::chrono::seconds kRetryAfter{30};  // what failed for another reason than its text

bool has_net_admin() { return has_capability(CAP_NET_ADMIN); }

std::string program_beside_this() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  const auto program = self.parent_path() / "egress-router";
  return !error && ::access(program.c_str(), X_OK) == 0 ? program.string() : std::string();
}

// This container's variables, with others of the same name in front of them.
std::vector<std::string> child_environment() {
  // The interface is there, so the node's namespace is not needed, and this container may lack it.
  // What a refused table says must not stand where a container's last words do: it lives.
  std::vector<std::string> variables{"EGRESS_ROUTER_MODE=init", "EGRESS_TERMINATION_LOG=/dev/null",
                                     "EGRESS_ANNOUNCE=once"};
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view variable = *each;
    const auto name = variable.substr(0, variable.find('='));
    if (name != "EGRESS_ROUTER_MODE" && name != "EGRESS_TERMINATION_LOG" &&
        name != "EGRESS_ANNOUNCE" && name != "EGRESS_HOST_NETNS") {
      variables.emplace_back(variable);
    }
  }
  return variables;
}

// Starts it with no signal blocked; errno where that fails.
int spawn(const std::string& program, pid_t& child) {
  auto variables = child_environment();
  std::vector<char*> environment;
  for (auto& variable : variables) environment.push_back(variable.data());
  environment.push_back(nullptr);
  std::string name = program;
  std::array<char*, 2> arguments{name.data(), nullptr};
  sigset_t none;
  ::sigemptyset(&none);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  const int error = ::posix_spawn(&child, program.c_str(), nullptr, &attributes, arguments.data(),
                                  environment.data());
  ::posix_spawnattr_destroy(&attributes);
  return error;
}

constexpr std::string_view kUnchanged = "the table that was applied before stays";

}  // namespace

TableRunner::TableRunner(std::string table_path, const Log& log)
    : log_(log), file_(std::move(table_path)) {}

void TableRunner::start() {
  if (!watches()) return;
  if (has_net_admin()) program_ = program_beside_this();
  if (program_.empty()) {
    log_(LogLevel::info, "a changed " + file_.path() +
                             " will need a new pod: this container lacks " +
                             (has_net_admin() ? "egress-router" : "CAP_NET_ADMIN"));
  }
  is_due_ = !program_.empty();
}

void TableRunner::poll(net::Reload when) {
  const bool asked = when == net::Reload::always;
  if (!watches()) {
    if (asked)
      log_(LogLevel::warn, "SIGHUP: nothing to reload: EGRESS_DESTINATION_FILE is not set");
    return;
  }
  const auto now = Clock::now();
  if (file_.has_changed() || asked || now >= retry_at_) is_due_ = true;
  if (child_ != 0 && now - began_ > kRunLimit) ::kill(child_, SIGKILL);
  if (child_ == 0 && is_due_) run();
}

void TableRunner::run() {
  is_due_ = false;
  retry_at_ = Clock::time_point::max();
  if (program_.empty()) {
    is_refused_ = true;
    log_(LogLevel::warn, file_.path() +
                             " has changed: the table in force stays the old one until "
                             "the pod is made anew");
    return;
  }
  began_ = Clock::now();
  ruleset_ = read_ruleset_generation();
  if (const int error = spawn(program_, child_); error != 0) {
    child_ = 0;
    fail(program_ + " does not start: " + std::strerror(error), kUnchanged);
  }
}

void TableRunner::on_child_end(pid_t child, int status) {
  if (child != child_ || child == 0) return;
  child_ = 0;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
    is_refused_ = false;
    ++taken_;
    log_(LogLevel::info, "the table of " + file_.path() + " is in force");
    return;
  }
  const bool is_wrong =
      WIFEXITED(status) && WEXITSTATUS(status) == static_cast<int>(ExitCode::configuration);
  if (!is_wrong) retry_at_ = Clock::now() + kRetryAfter;
  if (is_wrong) {
    fail("the table of " + file_.path() + " is rejected, for the errors above", kUnchanged);
  } else if (WIFEXITED(status)) {
    fail("egress-router failed with exit code " + std::to_string(WEXITSTATUS(status)),
         "what it rolled back is above; it runs again in 30 s");
  } else {
    fail("egress-router was killed by signal " + std::to_string(WTERMSIG(status)),
         in_force_after_kill());
  }
}

// The ruleset is loaded in one transaction, which the kernel counts.
std::string_view TableRunner::in_force_after_kill() const {
  const auto now = read_ruleset_generation();
  if (!now || !ruleset_) return "which table is applied is not known; it runs again in 30 s";
  if (*now == *ruleset_) return "the table that was applied before stays; it runs again in 30 s";
  if (*now == *ruleset_ + 1) {
    return "the changed table is applied, but stale conntrack entries may remain; it runs again in "
           "30 s";
  }
  return "the ruleset was changed more than once, and which table is applied is not known; it runs "
         "again in 30 s";
}

void TableRunner::fail(const std::string& why, std::string_view in_force) {
  is_refused_ = true;
  ++failures_;
  log_(LogLevel::error, why + "; " + std::string(in_force));
}

}  // namespace egress::wait
