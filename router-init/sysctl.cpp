#include "router-init/sysctl.hpp"

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <memory>

#include "router-init/plan_text.hpp"

namespace egress::router {
namespace {

std::string path_of(const std::string& key) { return "/proc/sys/" + key; }

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// 0, or errno, which says whether the key is missing or read-only.
int write_once(const std::string& path, const std::string& value) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "we"));
  if (!file) return errno;
  const bool written = std::fputs(value.c_str(), file.get()) >= 0 && std::fflush(file.get()) == 0;
  return written ? 0 : errno;
}

}  // namespace

std::optional<std::string> read_sysctl(const std::string& key) {
  std::ifstream file(path_of(key));
  if (!file) return std::nullopt;
  std::string value;
  std::getline(file, value);
  if (file.bad()) return std::nullopt;
  return value;
}

Result<void> write_sysctl(const SetSysctl& setting) {
  const int failure = write_once(path_of(setting.key), setting.value);
  if (failure != 0) return make_errno_error(ExitCode::sysctl, to_command(setting), failure);
  const auto now = read_sysctl(setting.key);
  if (now == setting.value) return {};
  return Error{ExitCode::sysctl,
               to_command(setting),
               "was taken, but the kernel keeps " + (now ? "\"" + *now + "\"" : "nothing readable"),
               {}};
}

}  // namespace egress::router
