#include "common/net/pipe_pool.hpp"

#include <fcntl.h>
#include <unistd.h>

namespace egress::net {

std::optional<Pipe> Pipe::make(std::size_t capacity) {
  int ends[2] = {-1, -1};
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) return std::nullopt;
  // Refused over fs.pipe-user-pages-soft: the pipe then keeps the size that it has.
  ::fcntl(ends[1], F_SETPIPE_SZ, static_cast<int>(capacity));
  const int given = ::fcntl(ends[1], F_GETPIPE_SZ);
  return Pipe(ends[0], ends[1], given > 0 ? static_cast<std::size_t>(given) : 4096);
}

Pipe::Pipe(int read, int write, std::size_t capacity)
    : read_(read), write_(write), capacity_(capacity) {}

Pipe::Pipe(Pipe&& other) noexcept
    : held(std::exchange(other.held, 0)),
      read_(std::exchange(other.read_, -1)),
      write_(std::exchange(other.write_, -1)),
      capacity_(other.capacity_) {}

Pipe& Pipe::operator=(Pipe&& other) noexcept {
  std::swap(held, other.held);
  std::swap(read_, other.read_);
  std::swap(write_, other.write_);
  std::swap(capacity_, other.capacity_);
  return *this;
}

Pipe::~Pipe() {
  if (read_ >= 0) ::close(read_);
  if (write_ >= 0) ::close(write_);
}

std::optional<Pipe> PipePool::take() {
  if (spare_.empty()) {
    auto made = count_ < options_.max ? Pipe::make(options_.capacity) : std::nullopt;
    if (made) ++count_;
    return made;
  }
  auto pipe = std::move(spare_.back());
  spare_.pop_back();
  return pipe;
}

void PipePool::give_back(Pipe pipe) {
  if (pipe.held == 0 && spare_.size() < options_.spare) {
    spare_.push_back(std::move(pipe));
  } else {
    --count_;
  }
}

}  // namespace egress::net
