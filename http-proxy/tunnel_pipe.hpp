// Pipes for splice(2), kept for the next user: making one costs more than moving a buffer through it.
// One pool for each thread.
#pragma once

#include <unistd.h>

#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

namespace egress::http {

// Owns both ends. `held` counts what was spliced in and not yet out.
class Pipe {
 public:
  static constexpr int kBytes = 256 * 1024;  // asked of the kernel, which may give less

  static std::optional<Pipe> make();  // empty at the limit of files
  Pipe(Pipe&& other) noexcept
      : held(std::exchange(other.held, 0)),
        read_(std::exchange(other.read_, -1)),
        write_(std::exchange(other.write_, -1)) {}
  Pipe& operator=(Pipe&& other) noexcept {
    std::swap(held, other.held);
    std::swap(read_, other.read_);
    std::swap(write_, other.write_);
    return *this;
  }
  ~Pipe() {
    if (read_ >= 0) ::close(read_);
    if (write_ >= 0) ::close(write_);
  }

  int read_end() const { return read_; }
  int write_end() const { return write_; }

  std::size_t held = 0;

 private:
  Pipe(int read, int write) : read_(read), write_(write) {}

  int read_ = -1;
  int write_ = -1;
};

class PipePool {
 public:
  static constexpr std::size_t kMostSpare = 16;

  std::optional<Pipe> take() {
    if (spare_.empty()) return Pipe::make();
    auto pipe = std::move(spare_.back());
    spare_.pop_back();
    return pipe;
  }
  // One that holds bytes still is closed, so that they reach nobody.
  void give_back(Pipe pipe) {
    if (pipe.held == 0 && spare_.size() < kMostSpare) spare_.push_back(std::move(pipe));
  }

 private:
  std::vector<Pipe> spare_;
};

}  // namespace egress::http
