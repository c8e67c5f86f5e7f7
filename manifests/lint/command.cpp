#include "manifests/lint/command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>

namespace egress::lint {
namespace {

constexpr std::size_t kMaxBytes = 16U << 20U;
constexpr auto kTimeLimit = std::chrono::seconds(60);
constexpr int kStopped = 124;  // as timeout(1)

// Whether all was read before the deadline and within the limit.
bool read_all(int descriptor, std::string& text) {
  const auto deadline = std::chrono::steady_clock::now() + kTimeLimit;
  std::array<char, 65536> buffer{};
  for (;;) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    pollfd waiting{descriptor, POLLIN, 0};
    const int ready = left.count() > 0 ? ::poll(&waiting, 1, static_cast<int>(left.count())) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return false;
    const auto count = ::read(descriptor, buffer.data(), buffer.size());
    if (count == 0) return true;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 || text.size() + static_cast<std::size_t>(count) > kMaxBytes) return false;
    text.append(buffer.data(), static_cast<std::size_t>(count));
  }
}

std::string start_of(int file) {
  std::string text(4096, '\0');
  const auto count = ::pread(file, text.data(), text.size(), 0);
  text.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return text;
}

}  // namespace

std::optional<CommandOutput> run_command(std::vector<std::string> arguments) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return std::nullopt;
  const int errors = ::memfd_create("stderr", MFD_CLOEXEC);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  if (errors >= 0) ::posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
  std::vector<char*> pointers;
  for (auto& argument : arguments) pointers.push_back(argument.data());
  pointers.push_back(nullptr);
  pid_t pid = 0;
  const int failed =
      ::posix_spawnp(&pid, pointers.front(), &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(ends[1]);
  std::optional<CommandOutput> output;
  if (failed == 0) {
    output.emplace();
    const bool is_whole = read_all(ends[0], output->text);
    if (!is_whole) ::kill(pid, SIGKILL);
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    output->status = is_whole && WIFEXITED(status) ? WEXITSTATUS(status) : kStopped;
    if (errors >= 0) output->errors = start_of(errors);
  }
  ::close(ends[0]);
  if (errors >= 0) ::close(errors);
  return output;
}

}  // namespace egress::lint
