// The load of the bench: `connect_rate serve ADDRESS PORT` accepts and closes until it is killed,
// `connect_rate ADDRESS PORT COUNT` makes that many TCP connections one after the other and prints
// how many a second. Each ends with a reset, so that none of them lingers. IPv4 only; touches
// nothing but its own sockets.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

namespace {

class Socket {
 public:
  explicit Socket(int descriptor) : descriptor_(descriptor) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  int descriptor_;
};

sockaddr_in endpoint(const char* address, const char* port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  if (::inet_pton(AF_INET, address, &out.sin_addr) != 1) out.sin_addr.s_addr = INADDR_NONE;
  return out;
}

int fail(const char* what) {
  std::fprintf(stderr, "%s: %s\n", what, std::strerror(errno));
  return 1;
}

int serve(const sockaddr_in& at) {
  const Socket listener(::socket(AF_INET, SOCK_STREAM, 0));
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const auto* address = reinterpret_cast<const sockaddr*>(&at);
  if (::bind(listener.get(), address, sizeof at) != 0) return fail("bind");
  if (::listen(listener.get(), 4096) != 0) return fail("listen");
  std::puts("listening");
  std::fflush(stdout);
  for (;;) {
    const Socket peer(::accept(listener.get(), nullptr, nullptr));
    if (peer.get() < 0 && errno != ECONNABORTED) return fail("accept");
  }
}

int measure(const sockaddr_in& to, int count) {
  const auto* address = reinterpret_cast<const sockaddr*>(&to);
  const linger reset{1, 0};
  const auto started = std::chrono::steady_clock::now();
  for (int made = 0; made < count; ++made) {
    const Socket peer(::socket(AF_INET, SOCK_STREAM, 0));
    ::setsockopt(peer.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (::connect(peer.get(), address, sizeof to) != 0) return fail("connect");
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - started;
  std::printf("%.1f\n", count / took.count());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  if (std::string_view(argv[1]) == "serve") return serve(endpoint(argv[2], argv[3]));
  return measure(endpoint(argv[1], argv[2]), std::stoi(argv[3]));
}
