#include "common/capabilities.hpp"

#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace egress {
namespace {

using Sets = std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3>;

__user_cap_header_struct header() { return {_LINUX_CAPABILITY_VERSION_3, 0}; }

bool read_sets(Sets& sets) {
  auto of_this = header();
  return ::syscall(SYS_capget, &of_this, sets.data()) == 0;
}

}  // namespace

bool has_capability(unsigned capability) {
  Sets sets{};
  return read_sets(sets) &&
         (sets[CAP_TO_INDEX(capability)].effective & CAP_TO_MASK(capability)) != 0;
}

Result<void> keep_capabilities(std::initializer_list<unsigned> capabilities) {
  std::array<std::uint32_t, _LINUX_CAPABILITY_U32S_3> kept{};
  for (const unsigned each : capabilities) kept[CAP_TO_INDEX(each)] |= CAP_TO_MASK(each);
  int error = 0;
  // The kernel's last capability may be newer than this header's: EINVAL ends the list.
  for (unsigned each = 0; each < 64 && ::prctl(PR_CAPBSET_READ, each, 0, 0, 0) >= 0; ++each) {
    if ((kept[CAP_TO_INDEX(each)] & CAP_TO_MASK(each)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, each, 0, 0, 0) != 0) error = errno;
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
  Sets sets{};
  auto of_this = header();
  if (!read_sets(sets)) return make_errno_error(ExitCode::internal, "capget", errno);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    sets[i].permitted &= kept[i];
    sets[i].effective = sets[i].permitted;
    sets[i].inheritable &= kept[i];
  }
  if (::syscall(SYS_capset, &of_this, sets.data()) != 0)
    return make_errno_error(ExitCode::internal, "capset", errno);
  if (error != 0) return make_errno_error(ExitCode::internal, "capability bounding set", error);
  return {};
}

}  // namespace egress
