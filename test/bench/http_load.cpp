// Load for the bench: a bounded number of requests through an HTTP proxy, each on a connection of
// its own, or one long download. Blocking threads, since the load is not what is measured.
//
//   http_load new|tunnel PROXY_PORT ORIGIN_PORT COUNT THREADS
//   http_load bulk PROXY_PORT ORIGIN_PORT MEBIBYTES 1
//   http_load idle PROXY_PORT ORIGIN_PORT COUNT 1     opens tunnels, says "ready", holds to the end
//   of input
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

[[noreturn]] void fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

class Connection {
 public:
  explicit Connection(int port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    const timeval limit{20, 0};
    const int on = 1;
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    ::setsockopt(socket_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      fail("connect");
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    if (socket_ >= 0) ::close(socket_);
  }

  void send(std::string_view text) {
    if (::send(socket_, text.data(), text.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(text.size()))
      fail("send");
  }
  // Up to the end of a head; what follows it is kept.
  std::string read_head() {
    std::size_t end = 0;
    while ((end = kept_.find("\r\n\r\n")) == kept_.npos) more();
    auto head = kept_.substr(0, end + 4);
    kept_.erase(0, end + 4);
    if (head.compare(9, 3, "200") != 0) {
      std::fprintf(stderr, "%s", head.c_str());
      std::exit(1);
    }
    return head;
  }
  void read_response() {
    const auto head = read_head();
    const auto field = head.find("ontent-Length: ");
    const auto alternative = field == head.npos ? head.find("ontent-length: ") : field;
    const auto length = std::strtoull(head.c_str() + alternative + 15, nullptr, 10);
    while (kept_.size() < length) more();
    kept_.erase(0, length);
  }
  void drop(std::size_t bytes) {
    std::vector<char> buffer(1U << 20U);
    bytes -= kept_.size();
    while (bytes > 0) {
      const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
      if (count <= 0) fail("recv");
      bytes -= static_cast<std::size_t>(count);
    }
  }
  int release() {
    const int socket = socket_;
    socket_ = -1;
    return socket;
  }

 private:
  void more() {
    char buffer[16384];
    const auto count = ::recv(socket_, buffer, sizeof buffer, 0);
    if (count <= 0) fail("recv");
    kept_.append(buffer, static_cast<std::size_t>(count));
  }

  int socket_;
  std::string kept_;
};

struct Work {
  std::string_view mode;
  int proxy;
  std::string origin;  // HOST:PORT
  long count;
};

void connect_through(Connection& connection, const Work& work) {
  connection.send("CONNECT " + work.origin + " HTTP/1.1\r\nHost: " + work.origin + "\r\n\r\n");
  connection.read_head();
}

void ask_once(const Work& work) {
  Connection connection(work.proxy);
  const bool tunnel = work.mode == "tunnel";
  if (tunnel) connect_through(connection, work);
  connection.send("GET " + (tunnel ? std::string() : "http://" + work.origin) +
                  "/1k HTTP/1.1\r\nHost: " + work.origin + "\r\nConnection: close\r\n\r\n");
  connection.read_response();
}

void hold_idle(const Work& work) {
  std::vector<int> sockets;
  for (long i = 0; i < work.count; ++i) {
    Connection connection(work.proxy);
    connect_through(connection, work);
    sockets.push_back(connection.release());
  }
  std::puts("ready");
  std::fflush(stdout);
  while (std::getchar() != EOF) {
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 6) return 2;
  const Work work{argv[1], std::atoi(argv[2]), "127.0.0.1:" + std::string(argv[3]),
                  std::atol(argv[4])};
  if (work.mode == "bulk") {
    Connection connection(work.proxy);
    connect_through(connection, work);
    connection.send("GET /bulk HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    connection.read_head();
    connection.drop(static_cast<std::size_t>(work.count) << 20U);
    return 0;
  }
  if (work.mode == "idle") {
    hold_idle(work);
    return 0;
  }
  std::atomic<long> left(work.count);
  std::vector<std::thread> threads;
  for (int i = 0; i < std::atoi(argv[5]); ++i) {
    threads.emplace_back([&] {
      while (left.fetch_sub(1) > 0) ask_once(work);
    });
  }
  for (auto& thread : threads) thread.join();
}
