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

Error make_errno_error(ExitCode stage, std::string object, int errno_value) {
  Error error{stage, std::move(object), errno_to_text(errno_value), {}};
  const bool denied = errno_value == EPERM || errno_value == EACCES;
  if (denied && stage == ExitCode::facts) {
    error.hint = "entering the node's namespace needs CAP_SYS_ADMIN and hostPID: run privileged";
  } else if (denied || errno_value == EROFS) {
    error.hint = "needs CAP_NET_ADMIN and a writable /proc/sys: run the init container privileged";
  } else if (stage == ExitCode::ruleset &&
             (errno_value == EOPNOTSUPP || errno_value == EPROTONOSUPPORT ||
              errno_value == ENOENT)) {
    error.hint =
        "the node's kernel lacks nf_tables, or a part of it: load nf_tables, nft_nat, nft_fib";
  }
  return error;
}

}  // namespace egress
