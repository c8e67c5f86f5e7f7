// Reads an access log and proposes the rules that it asks for: an allow list of what was reached,
// or would have been. Reads both formats; lines that are neither are counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace egress::http {

class Suggestion {
 public:
  static constexpr std::size_t kMostHosts = 100'000;

  void add_line(std::string_view line);

  // Rules, one a line, names by domain, then addresses; each behind a comment with how often it was
  // asked for. What a rule on that line denied while rules were enforced stays out, and is listed
  // in comments.
  std::string to_text() const;

  std::size_t skipped() const { return skipped_; }  // lines that are no access log
  std::size_t dropped() const { return dropped_; }  // requests for hosts beyond kMostHosts

 private:
  struct Seen {
    std::uint64_t passed = 0;
    std::uint64_t denied = 0;
  };

  std::map<std::string, Seen> hosts_;  // by sort key: reversed labels
  std::size_t skipped_ = 0;
  std::size_t dropped_ = 0;
};

}  // namespace egress::http
