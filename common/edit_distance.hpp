// How far two names are apart, for "did you mean".
#pragma once

#include <cstddef>
#include <string_view>

namespace egress {

// Levenshtein distance, in bytes.
std::size_t edit_distance(std::string_view a, std::string_view b);

}  // namespace egress
