// Result<T>: a value, or the Error that says why there is none. All that the world can cause
// travels this way; exceptions are for bugs and for memory. Library code returns errors, the edge
// (main) logs each once.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>
#include <string>
#include <utility>

#include "common/exit_code.hpp"

namespace egress {

struct Error {
  ExitCode stage = ExitCode::internal;
  std::string object;   // what was worked on: "link macvlan0", or the command that does the same
  std::string cause;    // what went wrong, errno by name: "EPERM (Operation not permitted)"
  std::string hint;     // what to do about it; may be empty
  int errno_value = 0;  // errno(3) behind the cause, for callers that branch on it; 0: none

  bool operator==(const Error&) const = default;
};

template <class T>
using Result = boost::system::result<T, Error>;

// Found by boost::system::result when .value() is called on an error: a bug of the caller.
[[noreturn]] inline void throw_exception_from_error(const Error& error,
                                                    const boost::source_location&) {
  throw std::logic_error("unchecked error: " + error.object + ": " + error.cause);
}

// "object: cause" and, on a line of its own, "hint: ..." where there is one.
std::string to_text(const Error& error);

// An Error from errno (a positive number): names it ("EPERM"), says it in words, and adds the usual
// cause where one is known, such as the capability that EPERM asks for.
Error make_errno_error(ExitCode stage, std::string object, int errno_value);

// "ENOENT (No such file or directory)".
std::string errno_to_text(int errno_value);

}  // namespace egress
