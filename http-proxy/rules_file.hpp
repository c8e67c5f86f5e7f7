// Watches the file that the rules came from. What it holds now is read and judged whole: rules that
// have an error are reported, and change nothing.
#pragma once

#include <optional>
#include <string>

#include "common/diagnostic.hpp"
#include "common/file_watch.hpp"
#include "common/net/server.hpp"
#include "http-proxy/rules.hpp"

namespace egress::http {

class RulesFile {
 public:
  explicit RulesFile(std::string path) : watch_(std::move(path)) {}  // empty: nothing to watch

  // Nothing where the file is as it was at the last call, unless it is read in any case. Else its
  // rules; with errors in `diagnostics` where they are not to be used.
  std::optional<RuleTable> read(net::Reload when, Diagnostics& diagnostics);

 private:
  FileWatch watch_;
};

}  // namespace egress::http
