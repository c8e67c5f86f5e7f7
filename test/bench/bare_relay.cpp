// The floor for the bench: a CONNECT relay of system calls alone. It parses, judges, logs, limits
// and times nothing, so that what it costs is the kernel's own share of a tunnel.
//
//   bare_relay PROXY_PORT ORIGIN_PORT
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

namespace {

constexpr int kMostFiles = 20'000;
constexpr std::string_view kEstablished = "HTTP/1.1 200 Connection established\r\n\r\n";
constexpr std::uint32_t kBothWays = EPOLLIN | EPOLLOUT | EPOLLET;

enum class Stage : std::uint8_t { closed, asks, connects, relays };
struct End {
  Stage stage = Stage::closed;
  int peer = -1;
};

const int kOn = 1;
std::vector<End> ends(kMostFiles);
std::array<char, 65536> buffer;

sockaddr_in loopback(const char* port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(port)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

void watch(int epoll, int file, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = file;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, file, &event);
}

void accept_from(int listener, int epoll) {
  const int client = ::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK);
  if (client < 0) return;
  ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
  ends[static_cast<std::size_t>(client)] = {Stage::asks, -1};
  watch(epoll, client, kBothWays);
}

void close_both(int file) {
  auto& end = ends[static_cast<std::size_t>(file)];
  if (end.peer >= 0) {
    ends[static_cast<std::size_t>(end.peer)] = {};
    ::close(end.peer);
  }
  end = {};
  ::close(file);
}

void serve(int file, std::uint32_t events, const sockaddr_in& origin, int epoll) {
  auto& end = ends[static_cast<std::size_t>(file)];
  if (end.stage == Stage::connects && (events & EPOLLOUT) != 0) {
    end.stage = ends[static_cast<std::size_t>(end.peer)].stage = Stage::relays;
    ::send(end.peer, kEstablished.data(), kEstablished.size(), MSG_NOSIGNAL);
    return;
  }
  const bool reads = end.stage == Stage::asks || end.stage == Stage::relays;
  if (!reads || (events & EPOLLIN) == 0) return;
  const auto count = ::recv(file, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (count == 0) return close_both(file);
  if (count < 0) return;
  if (end.stage == Stage::relays) {
    ::send(end.peer, buffer.data(), static_cast<std::size_t>(count), MSG_NOSIGNAL);
    return;
  }
  const int upstream = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ::setsockopt(upstream, IPPROTO_TCP, TCP_NODELAY, &kOn, sizeof kOn);
  ::connect(upstream, reinterpret_cast<const sockaddr*>(&origin), sizeof origin);
  end = {Stage::closed, upstream};
  ends[static_cast<std::size_t>(upstream)] = {Stage::connects, file};
  watch(epoll, upstream, kBothWays);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  const auto here = loopback(argv[1]);
  const auto origin = loopback(argv[2]);
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &kOn, sizeof kOn);
  if (::bind(listener, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0) return 1;
  ::listen(listener, 4096);
  const int epoll = ::epoll_create1(0);
  watch(epoll, listener, EPOLLIN);
  std::array<epoll_event, 128> events{};
  for (;;) {
    const int count = ::epoll_wait(epoll, events.data(), static_cast<int>(events.size()), -1);
    for (int i = 0; i < count; ++i) {
      const auto& event = events[static_cast<std::size_t>(i)];
      if (event.data.fd == listener) {
        accept_from(listener, epoll);
      } else {
        serve(event.data.fd, event.events, origin, epoll);
      }
    }
  }
}
