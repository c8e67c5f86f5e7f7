#include "common/result.hpp"

#include <cerrno>
#include <cstring>

namespace egress {

std::string to_text(const Error& error) {
  std::string text = error.object.empty() ? error.cause : error.object + ": " + error.cause;
  if (!error.hint.empty()) text += "\n  hint: " + error.hint;
  return text;
}

std::string errno_to_text(int errno_value) {
  const char* name = ::strerrorname_np(errno_value);
  const char* description = ::strerrordesc_np(errno_value);
  if (name == nullptr || description == nullptr) return "errno " + std::to_string(errno_value);
  return std::string(name) + " (" + description + ")";
}

namespace {

std::string_view hint_for(ExitCode stage, int errno_value) {
  const bool denied = errno_value == EPERM || errno_value == EACCES;
  switch (stage) {
    case ExitCode::facts:
      if (denied)
        return "entering the node's namespace needs CAP_SYS_ADMIN and hostPID: run privileged";
      [[fallthrough]];
    case ExitCode::link:
    case ExitCode::sysctl:
    case ExitCode::address:
    case ExitCode::route:
      if (denied || errno_value == EROFS)
        return "needs CAP_NET_ADMIN and a writable /proc/sys: run the init container privileged";
      return {};
    case ExitCode::ruleset:
      if (denied) return "needs CAP_NET_ADMIN: run the init container privileged";
      // EINVAL is what nfnetlink says of a subsystem that it does not have.
      if (errno_value == EOPNOTSUPP || errno_value == EPROTONOSUPPORT || errno_value == ENOENT ||
          errno_value == EINVAL) {
        return "the node's kernel lacks nf_tables, or a part of it: load nf_tables, nft_nat, "
               "nft_fib";
      }
      return {};
    case ExitCode::runtime:  // listeners
      if (errno_value == EACCES) {
        return "ports below net.ipv4.ip_unprivileged_port_start (1024) need CAP_NET_BIND_SERVICE: "
               "choose a higher port, or lower that sysctl";
      }
      if (errno_value == EADDRINUSE) return "another process of this pod listens there";
      if (errno_value == EADDRNOTAVAIL) return "this pod does not hold that address";
      return {};
    default: return {};
  }
}

}  // namespace

Error make_errno_error(ExitCode stage, std::string object, int errno_value) {
  return {stage, std::move(object), errno_to_text(errno_value),
          std::string(hint_for(stage, errno_value)), errno_value};
}

}  // namespace egress
