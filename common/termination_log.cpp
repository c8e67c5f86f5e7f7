#include "common/termination_log.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace egress {

void write_termination_log(std::string_view message, const std::string& path) {
  const int file = ::open(path.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) return;
  std::size_t size = std::min(message.size(), kMostTerminationBytes);
  // A continuation byte of UTF-8 is never the first of a character, and three follow it at most.
  for (int i = 0; i < 3 && size > 0 && size < message.size() &&
                  (static_cast<unsigned char>(message[size]) & 0xc0U) == 0x80U;
       ++i) {
    --size;
  }
  [[maybe_unused]] const auto written = ::write(file, message.data(), size);
  ::close(file);
}

}  // namespace egress
