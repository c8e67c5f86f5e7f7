#include "http-proxy/tunnel_pipe.hpp"

#include <fcntl.h>

namespace egress::http {

std::optional<Pipe> Pipe::make() {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return std::nullopt;
  // Refused beyond a user's share of pipe memory: the default size serves, too.
  [[maybe_unused]] const int size = ::fcntl(ends[1], F_SETPIPE_SZ, kBytes);
  return Pipe(ends[0], ends[1]);
}

}  // namespace egress::http
