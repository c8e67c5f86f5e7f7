// Pipes for splice(2), kept for the next user: making one costs more than moving a buffer through
// it. One pool for each thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace egress::net {

// Owns both ends. `held` counts what was spliced in and not yet out: its user's to keep.
class Pipe {
 public:
  // Close-on-exec, non-blocking, of `capacity` bytes where the kernel permits, else of its default.
  // Empty at the limit of files.
  static std::optional<Pipe> make(std::size_t capacity);
  Pipe(Pipe&& other) noexcept;
  Pipe& operator=(Pipe&& other) noexcept;
  ~Pipe();

  int read_end() const { return read_; }
  int write_end() const { return write_; }
  std::size_t capacity() const { return capacity_; }

  std::size_t held = 0;

 private:
  Pipe(int read, int write, std::size_t capacity);

  int read_ = -1;
  int write_ = -1;
  std::size_t capacity_ = 0;
};

class PipePool {
 public:
  struct Options {
    std::size_t capacity = 256U << 10U;  // bytes of each pipe
    std::size_t spare = 16;              // kept while nobody uses them
    std::size_t max = SIZE_MAX;          // pipes at once, spare ones included
  };
  explicit PipePool(Options options) : options_(options) {}

  // Empty at the maximum, and at the limit of files.
  std::optional<Pipe> take();
  // Each that was taken comes back. One that still holds bytes is closed, so that they reach
  // nobody.
  void give_back(Pipe pipe);

 private:
  Options options_;
  std::vector<Pipe> spare_;
  std::size_t count_ = 0;  // spare ones, and those that are taken
};

}  // namespace egress::net
