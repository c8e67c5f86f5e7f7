// What the kernel makes of a plan's actions, on HostFacts instead of a machine: lets a plan be
// carried out, cut short and taken back in a unit test. test/netns does the same with the real one.
#pragma once

#include "router-init/plan.hpp"

namespace egress::router::test {

// Carries `action` out on `facts`. What the kernel would refuse (a link that is not there, an
// address twice) throws.
void carry_out(const Action& action, HostFacts& facts);

// The parts of the facts that a plan changes, for comparing; the order of lists does not count.
std::string state_text(const HostFacts& facts);

}  // namespace egress::router::test
