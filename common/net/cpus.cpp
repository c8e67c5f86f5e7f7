#include "common/net/cpus.hpp"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <fstream>
#include <memory>

namespace egress::net {
namespace {

namespace fs = std::filesystem;

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const auto first = text.find_first_not_of(kSpace);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

std::optional<std::int64_t> parse_number(std::string_view text) {
  text = trim(text);
  std::int64_t value = 0;
  const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (status != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool holds(std::string_view list, std::string_view word) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    if (list.substr(0, comma) == word) return true;
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
  }
  return false;
}

std::optional<std::string> read_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return std::nullopt;
  return line;
}

std::optional<double> read_one_quota(CpuGroup::Version version, const fs::path& group) {
  if (version == CpuGroup::Version::v2) {
    const auto text = read_line(group / "cpu.max");
    return text ? parse_cpu_max(*text) : std::nullopt;
  }
  const auto quota = read_line(group / "cpu.cfs_quota_us");
  const auto period = read_line(group / "cpu.cfs_period_us");
  return quota && period ? parse_cfs_quota(*quota, *period) : std::nullopt;
}

std::size_t affinity_cpus() {
  // The kernel refuses a mask smaller than its own, whose size it does not tell.
  for (int cpus = CPU_SETSIZE; cpus <= (1 << 20); cpus *= 2) {
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> mask(
        CPU_ALLOC(static_cast<std::size_t>(cpus)), [](cpu_set_t* set) { CPU_FREE(set); });
    const std::size_t size = CPU_ALLOC_SIZE(static_cast<std::size_t>(cpus));
    if (mask && ::sched_getaffinity(0, size, mask.get()) == 0) {
      return static_cast<std::size_t>(CPU_COUNT_S(size, mask.get()));
    }
  }
  return 1;
}

}  // namespace

std::optional<double> parse_cpu_max(std::string_view text) {
  text = trim(text);
  const auto space = text.find(' ');
  if (space == text.npos) return std::nullopt;
  return parse_cfs_quota(text.substr(0, space), text.substr(space + 1));
}

std::optional<double> parse_cfs_quota(std::string_view quota, std::string_view period) {
  const auto used = parse_number(quota);
  const auto of = parse_number(period);
  if (!used || !of || *used <= 0 || *of <= 0) return std::nullopt;
  return static_cast<double>(*used) / static_cast<double>(*of);
}

std::optional<CpuGroup> parse_cpu_group(std::string_view text) {
  std::optional<CpuGroup> found;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    const auto line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const auto first = line.find(':');
    const auto second = first == line.npos ? line.npos : line.find(':', first + 1);
    if (second == line.npos) continue;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const std::string path(line.substr(second + 1));
    // On hosts with both, the controller is in the v1 hierarchy, and 0:: is there for systemd.
    if (holds(controllers, "cpu")) return CpuGroup{CpuGroup::Version::v1, path};
    if (controllers.empty()) found = CpuGroup{CpuGroup::Version::v2, path};
  }
  return found;
}

std::optional<double> read_cpu_quota(const CpuGroup& group, const fs::path& root) {
  std::optional<double> least;
  fs::path path = fs::path(group.path).relative_path().lexically_normal();
  for (int depth = 0; depth < 64; ++depth) {
    if (const auto quota = read_one_quota(group.version, root / path)) {
      least = std::min(least.value_or(*quota), *quota);
    }
    if (path.empty() || path == ".") break;
    path = path.parent_path();
  }
  return least;
}

std::size_t usable_cpus() {
  std::size_t cpus = affinity_cpus();
  std::ifstream file("/proc/self/cgroup");
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (const auto group = parse_cpu_group(text)) {
    const bool is_v1 = group->version == CpuGroup::Version::v1;
    const auto quota = read_cpu_quota(*group, is_v1 ? "/sys/fs/cgroup/cpu" : "/sys/fs/cgroup");
    if (quota) cpus = std::min(cpus, static_cast<std::size_t>(std::ceil(*quota)));
  }
  return std::max<std::size_t>(1, cpus);
}

}  // namespace egress::net
