// Reads an access log and proposes the rules that it asks for: an allow list of what was reached.
// Reads both formats of access_record.hpp; opens no file.
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

  // Rules that parse_rules accepts: a line for each host that a request or tunnel reached, names by
  // their domains, then addresses, each with its count as a comment. Hosts that were denied or
  // never reached are listed in comments.
  std::string to_text() const;

  std::size_t skipped() const { return skipped_; }  // lines that are no access log, or name no host
  std::size_t dropped() const { return dropped_; }  // requests to hosts beyond kMostHosts

 private:
  struct Seen {
    std::string host;
    std::uint64_t reached = 0;
    std::uint64_t denied = 0;
    std::uint64_t failed = 0;
  };

  std::map<std::string, Seen> hosts_;  // by sort key
  std::size_t skipped_ = 0;
  std::size_t dropped_ = 0;
};

}  // namespace egress::http
