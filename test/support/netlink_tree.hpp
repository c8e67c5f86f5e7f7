// A rtnetlink request as a text to compare: one line a field or attribute, attributes in the order
// of their types. What says the same in two spellings is spelt in one way; each such rule stands in
// netlink_tree.cpp with its reason. Shares no code with what it checks.
#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace egress::test {

// Throws std::runtime_error where the bytes are no whole message.
std::string netlink_tree(std::span<const std::uint8_t> message);

}  // namespace egress::test
