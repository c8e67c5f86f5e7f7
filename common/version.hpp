// Which build this is. Defined by cmake/version.cmake, in a source of its own: a commit compiles
// one file again.
#pragma once

namespace egress {

extern const char* const kVersion;           // "0.1.0"
extern const char* const kVersionAndCommit;  // "0.1.0 (7dc08370a1b2)"

}  // namespace egress
