// Network namespaces: which one is the node's, and entering another one for the length of one
// scope. Owns file descriptors of namespaces; never makes a namespace, never stays in another one.
#pragma once

#include <span>
#include <string>
#include <utility>

#include "common/result.hpp"

namespace egress::router {

// An open network namespace, closed with its owner.
class NetnsFile {
 public:
  // `path`: a file of nsfs, such as /proc/1/ns/net or /run/netns/NAME.
  static Result<NetnsFile> open(const std::string& path);
  NetnsFile(NetnsFile&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}
  NetnsFile& operator=(NetnsFile&&) = delete;
  ~NetnsFile();

  int get() const { return descriptor_; }  // still owned by this object

 private:
  explicit NetnsFile(int descriptor) : descriptor_(descriptor) {}
  int descriptor_;
};

// The network namespace of the calling thread.
Result<NetnsFile> open_own_netns();

// Puts the calling thread into another network namespace until this object goes (setns(2); needs
// CAP_SYS_ADMIN). The way back cannot fail short of a bug, and ends the program then: to go on in
// the node's namespace would change the node.
class NetnsVisit {
 public:
  static Result<NetnsVisit> enter(const std::string& path);
  NetnsVisit(NetnsVisit&& other) noexcept = default;
  NetnsVisit& operator=(NetnsVisit&&) = delete;
  ~NetnsVisit();

 private:
  explicit NetnsVisit(NetnsFile home) : home_(std::move(home)) {}
  NetnsFile home_;
};

// Where the node's namespace may stand: that of the node's PID 1, as a pod with hostPID sees it, or
// one with the node's /proc mounted.
inline constexpr const char* kNodeNetnsPaths[] = {"/proc/1/ns/net", "/host/proc/1/ns/net"};

// What an init container needs to see the node's namespace; docs/platforms.md has the manifests.
inline constexpr std::string_view kNodeNetnsHint =
    "mount the node's /proc read-only at /host/proc in the init container (or set hostPID: true in "
    "the pod) and set EGRESS_HOST_NETNS=/host/proc/1/ns/net";

// The first of `candidates` that is another namespace than our own, compared by device and inode.
// The error says of each why it is not.
Result<std::string> find_other_netns(std::span<const std::string> candidates);

// `configured` (EGRESS_HOST_NETNS) alone where it is not empty, else the first of kNodeNetnsPaths.
Result<std::string> find_node_netns(const std::string& configured);

}  // namespace egress::router
