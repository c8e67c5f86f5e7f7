#include "test/support/netns.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <memory>
#include <stdexcept>

namespace egress::test {
namespace {

enum ChildCode : int { kPassed = 0, kFailed = 1, kNoNamespace = 77 };

bool enter_new_namespaces() {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return false;
  return ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
}

ChildCode run_child(const std::function<void()>& body) {
  if (!enter_new_namespaces()) {
    std::cout << "SKIPPED: no network namespace can be had: " << std::strerror(errno) << std::endl;
    return kNoNamespace;
  }
  try {
    run("ip link set lo up");
    body();
    return kPassed;
  } catch (const std::exception& error) {
    std::cout << "in the namespace: " << error.what() << std::endl;
  } catch (...) {
    // A failed REQUIRE has been reported already.
  }
  return kFailed;
}

}  // namespace

void run_in_new_netns(const std::function<void()>& body) {
  std::cout.flush();
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const ChildCode code = run_child(body);
    std::cout.flush();
    ::_exit(code);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  if (WIFEXITED(status) && WEXITSTATUS(status) == kNoNamespace) {
    const char* in_ci = std::getenv("CI");
    if (in_ci != nullptr && std::string(in_ci) == "true") FAIL("no network namespace, in CI");
    return;
  }
  INFO("what failed in the namespace stands above");
  REQUIRE(WIFEXITED(status));
  REQUIRE(WEXITSTATUS(status) == kPassed);
}

std::string netns_path_of_parent() { return "/proc/" + std::to_string(::getppid()) + "/ns/net"; }

std::string run(const std::string& command) {
  struct Close {
    void operator()(std::FILE* pipe) const { ::pclose(pipe); }
  };
  std::unique_ptr<std::FILE, Close> pipe(::popen(("set -e; exec 2>&1; " + command).c_str(), "re"));
  if (!pipe) throw std::runtime_error("popen: " + command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const auto size = std::fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    output.append(buffer.data(), size);
  }
  if (::pclose(pipe.release()) != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

}  // namespace egress::test
