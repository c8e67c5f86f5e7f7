// How many CPUs this process may use: by its affinity mask and by the quota of its control groups.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace egress::net {

// CPUs that a quota is worth, as "1.5"; none: no quota, or not one that parses.
std::optional<double> parse_cpu_max(std::string_view text);  // cgroup v2 cpu.max: "150000 100000"
// cgroup v1: cpu.cfs_quota_us (-1: none) and cpu.cfs_period_us.
std::optional<double> parse_cfs_quota(std::string_view quota, std::string_view period);

// The control group in a line of /proc/self/cgroup that limits CPU: "0::/a/b" (v2), or that of the
// controller cpu (v1), v1 first. None where there is neither.
struct CpuGroup {
  enum class Version { v1, v2 };

  Version version = Version::v2;
  std::string path;  // "/a/b"

  bool operator==(const CpuGroup&) const = default;
};
std::optional<CpuGroup> parse_cpu_group(std::string_view proc_self_cgroup);

// The least quota on the way from the group up to `root`, which is where control groups are
// mounted. Groups that cannot be read (in a container their paths may lie outside) are skipped.
std::optional<double> read_cpu_quota(const CpuGroup& group, const std::filesystem::path& root);

// CPUs in the affinity mask, or the quota rounded up where that is less; at least 1.
std::size_t usable_cpus();

}  // namespace egress::net
