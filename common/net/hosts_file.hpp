// /etc/hosts as a value (hosts(5)), and a copy of it that follows the file. Lines that do not parse
// are skipped, as every resolver does.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.hpp"

namespace egress::net {

// Canonical name (lower case, no trailing dot) to addresses, in the order of the file.
using HostsTable = std::map<std::string, std::vector<IpAddress>, std::less<>>;

HostsTable parse_hosts(std::string_view text);

class HostsFile {
 public:
  using Clock = std::chrono::steady_clock;

  static constexpr std::size_t kMostBytes = 1U << 20U;
  static constexpr std::chrono::seconds kCheckInterval{1};

  explicit HostsFile(std::string path) : path_(std::move(path)) {}

  // The addresses of `name`, or null. Looks at the file's date at most once in kCheckInterval, and
  // reads it where that has changed. A file that cannot be read has no names. Valid until the next
  // call.
  const std::vector<IpAddress>* find(std::string_view name, Clock::time_point now);

 private:
  struct Version {
    std::int64_t seconds = -1;
    std::int64_t nanoseconds = 0;
    std::int64_t size = 0;
    std::uint64_t inode = 0;

    bool operator==(const Version&) const = default;
  };

  std::string path_;
  Clock::time_point next_check_ = Clock::time_point::min();
  Version version_;
  HostsTable table_;
};

}  // namespace egress::net
