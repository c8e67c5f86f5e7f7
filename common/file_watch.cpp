#include "common/file_watch.hpp"

#include <cerrno>
#include <tuple>
#include <utility>

namespace egress {

bool FileWatch::State::operator==(const State& other) const {
  const auto parts = [](const State& state) {
    return std::tuple(state.device, state.inode, state.size, state.modified.tv_sec,
                      state.modified.tv_nsec, state.error);
  };
  return parts(*this) == parts(other);
}

FileWatch::FileWatch(std::string path) : path_(std::move(path)), last_(look()) {}

FileWatch::State FileWatch::look() const {
  struct stat facts {};
  if (path_.empty()) return {};
  if (::stat(path_.c_str(), &facts) != 0) return {.error = errno};
  return {facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtim, 0};
}

bool FileWatch::has_changed() {
  const auto now = look();
  if (now == last_) return false;
  last_ = now;
  return true;
}

}  // namespace egress
