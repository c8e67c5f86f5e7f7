#include "http-proxy/rules_file.hpp"

#include <cerrno>
#include <tuple>
#include <utility>

#include "common/environment.hpp"

namespace egress::http {

bool RulesFile::State::operator==(const State& other) const {
  const auto fields = [](const State& state) {
    return std::tuple(state.device, state.inode, state.size, state.modified.tv_sec,
                      state.modified.tv_nsec, state.error);
  };
  return fields(*this) == fields(other);
}

RulesFile::RulesFile(std::string path) : path_(std::move(path)), last_(look()) {}

RulesFile::State RulesFile::look() const {
  struct stat found {};
  if (path_.empty()) return {};
  if (::stat(path_.c_str(), &found) != 0) return {.error = errno};
  return {found.st_dev, found.st_ino, found.st_size, found.st_mtim, 0};
}

std::optional<RuleTable> RulesFile::poll(Diagnostics& diagnostics) {
  const auto now = look();
  if (now == last_) return std::nullopt;
  last_ = now;
  const Environment environment({{"EGRESS_HTTP_PROXY_DESTINATION_FILE", path_}});
  const auto text = read_table_variable(environment, "EGRESS_HTTP_PROXY_DESTINATION", diagnostics);
  if (!text) return RuleTable{};
  return parse_rules(*text, diagnostics);
}

}  // namespace egress::http
