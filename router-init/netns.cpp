#include "router-init/netns.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <iterator>
#include <vector>

namespace egress::router {
namespace {

constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";

// Empty where `path` is another network namespace than our own, else why it is not.
std::string why_not_other(const std::string& path) {
  struct stat own {};
  struct stat other {};
  if (::stat(kOwnNetns, &own) != 0) return std::string(kOwnNetns) + " is " + errno_to_text(errno);
  if (::stat(path.c_str(), &other) != 0) return path + " is " + errno_to_text(errno);
  const bool same = own.st_dev == other.st_dev && own.st_ino == other.st_ino;
  return same ? path + " is this pod's own" : std::string();
}

}  // namespace

Result<NetnsFile> NetnsFile::open(const std::string& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return make_errno_error(ExitCode::facts, "network namespace " + path, errno);
  }
  return NetnsFile(descriptor);
}

NetnsFile::~NetnsFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

Result<NetnsFile> open_own_netns() { return NetnsFile::open(kOwnNetns); }

Result<NetnsVisit> NetnsVisit::enter(const std::string& path) {
  auto home = open_own_netns();
  if (!home) return home.error();
  const auto other = NetnsFile::open(path);
  if (!other) return other.error();
  if (::setns(other.value().get(), CLONE_NEWNET) != 0) {
    return make_errno_error(ExitCode::facts, "network namespace " + path, errno);
  }
  return NetnsVisit(std::move(home).value());
}

NetnsVisit::~NetnsVisit() {
  const bool moved_from = home_.get() < 0;
  if (!moved_from && ::setns(home_.get(), CLONE_NEWNET) != 0) std::terminate();
}

Result<std::string> find_other_netns(std::span<const std::string> candidates) {
  std::string reasons;
  for (const auto& path : candidates) {
    const std::string reason = why_not_other(path);
    if (reason.empty()) return path;
    reasons += (reasons.empty() ? "" : ", ") + reason;
  }
  return Error{ExitCode::facts, "the node's network namespace cannot be seen from here",
               std::move(reasons), std::string(kNodeNetnsHint)};
}

Result<std::string> find_node_netns(const std::string& configured) {
  if (!configured.empty()) {
    auto found = find_other_netns(std::span(&configured, 1));
    if (found) return found;
    Error error = found.error();
    error.cause.insert(0, "EGRESS_HOST_NETNS: ");
    return error;
  }
  const std::vector<std::string> candidates(std::begin(kNodeNetnsPaths), std::end(kNodeNetnsPaths));
  return find_other_netns(candidates);
}

}  // namespace egress::router
