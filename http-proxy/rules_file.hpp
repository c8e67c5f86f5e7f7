// Watches the file that the rules came from. What it holds now is read and judged whole: rules that
// have an error are reported, and change nothing.
#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "common/diagnostic.hpp"
#include "http-proxy/rules.hpp"

namespace egress::http {

class RulesFile {
 public:
  explicit RulesFile(std::string path);  // empty: nothing to watch

  // Nothing where the file is as it was at the last call. Else its rules; with errors in
  // `diagnostics` where they are not to be used. A mounted ConfigMap changes by a link, which is
  // followed.
  std::optional<RuleTable> poll(Diagnostics& diagnostics);

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

}  // namespace egress::http
