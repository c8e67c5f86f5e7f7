// Tells whether a file is another than it was, as a mounted ConfigMap or Secret becomes when it is
// edited: there the name is a symbolic link, which is followed. Reads nothing of the file.
#pragma once

#include <sys/stat.h>

#include <string>

namespace egress {

class FileWatch {
 public:
  // Looks for the first time; an empty path never changes.
  explicit FileWatch(std::string path);

  // Whether it has changed since the last call, or since the start: its identity, size or date, or
  // whether it can be looked at.
  bool has_changed();

  const std::string& path() const { return path_; }

 private:
  struct State {
    dev_t device = 0;
    ino_t inode = 0;
    off_t size = 0;
    timespec modified{};
    int error = 0;  // errno of stat(2)

    bool operator==(const State& other) const;
  };
  State look() const;

  std::string path_;
  State last_;
};

}  // namespace egress
