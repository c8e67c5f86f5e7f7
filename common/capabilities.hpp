// The capabilities of this process (capabilities(7)).
#pragma once

#include <cstdint>
#include <initializer_list>

#include "common/result.hpp"

namespace egress {

// CAP_NET_ADMIN and so on: whether it is effective.
bool has_capability(unsigned capability);

// Drops all others from the permitted, effective, inheritable, ambient and bounding sets, so that a
// program executed from here on cannot regain them, not even as root. Those that are kept are kept
// as far as this process has them. Without CAP_SETPCAP the bounding set stays as it is, which is
// an error; the other sets are reduced all the same. Errors (stage internal): prctl(2), capset(2).
Result<void> keep_capabilities(std::initializer_list<unsigned> capabilities);

}  // namespace egress
