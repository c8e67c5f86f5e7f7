#include "common/environment.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <vector>

#include "common/edit_distance.hpp"
#include "common/escape.hpp"
#include "common/result.hpp"

namespace egress {
namespace {

constexpr std::chrono::seconds kMostWait(5);  // for the next piece of a pipe

// Reads in pieces, and waits for none for ever: a path such as /dev/zero must not fill the memory,
// and a pipe that nobody writes to must not hold the program up.
std::optional<std::string> read_file(const std::string& path, std::string& cause) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    cause = errno_to_text(errno);
    return std::nullopt;
  }
  std::string text;
  std::array<char, 64U << 10U> piece{};
  while (cause.empty()) {
    const auto size = ::read(file, piece.data(), piece.size());
    if (size == 0) break;
    if (size > 0) {
      text.append(piece.data(), static_cast<std::size_t>(size));
      if (text.size() > kMostTextBytes)
        cause = "larger than " + std::to_string(kMostTextBytes >> 20U) + " MiB";
    } else if (errno == EAGAIN) {
      pollfd waited{file, POLLIN, 0};
      const auto most = std::chrono::milliseconds(kMostWait).count();
      if (::poll(&waited, 1, static_cast<int>(most)) == 0)
        cause =
            "a pipe, and nothing was written to it for " + std::to_string(kMostWait.count()) + " s";
    } else if (errno != EINTR) {
      cause = errno_to_text(errno);
    }
  }
  ::close(file);
  return cause.empty() ? std::optional(std::move(text)) : std::nullopt;
}

}  // namespace

Environment Environment::of_process() {
  std::map<std::string, std::string, std::less<>> variables;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const auto equals = text.find('=');
    if (!text.starts_with("EGRESS_") || equals == text.npos) continue;
    variables.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return Environment(std::move(variables));
}

std::optional<std::string_view> Environment::get(std::string_view name) const {
  const auto found = variables_.find(name);
  if (found == variables_.end() || found->second.empty()) return std::nullopt;
  return found->second;
}

std::optional<NamedText> read_table_variable(const Environment& environment, std::string_view name,
                                             Diagnostics& diagnostics) {
  const std::string file_variable = std::string(name) + "_FILE";
  const auto text = environment.get(name);
  const auto path = environment.get(file_variable);
  if (text && path) {
    diagnostics.error(name, "both " + std::string(name) + " and " + file_variable +
                                " are set, expected one of them");
    return std::nullopt;
  }
  if (text) return NamedText{std::string(name), std::string(*text)};
  if (!path) return std::nullopt;
  std::string cause;
  auto content = read_file(std::string(*path), cause);
  if (!content) {
    diagnostics.error(file_variable, "cannot read \"" + escape(*path) + "\": " + cause);
    return std::nullopt;
  }
  return NamedText{std::string(*path), std::move(*content)};
}

void warn_of_misspelt(const Environment& environment, std::span<const std::string_view> known,
                      Diagnostics& diagnostics) {
  for (const auto& [name, value] : environment.all()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    const auto near = std::find_if(
        known.begin(), known.end(),
        [&name = name](std::string_view one) { return edit_distance(name, one) <= 2; });
    if (near == known.end()) continue;
    diagnostics.warning(
        name, "no such variable, it is ignored; did you mean " + std::string(*near) + "?");
  }
}

}  // namespace egress
