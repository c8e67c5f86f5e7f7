#include "redirect-proxy/dns/udp_relay.hpp"

#include <sys/socket.h>

#include <array>
#include <chrono>
#include <utility>

#include "common/net/asio_address.hpp"
#include "redirect-proxy/dns/udp_socket.hpp"

namespace egress::dns {

namespace asio = boost::asio;
using asio::ip::udp;
using boost::system::error_code;
using std::chrono::duration_cast;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr int kDatagramsInARow = 64;  // then others have their turn

// Never across a wait, so one serves a whole thread.
std::span<char> scratch() {
  thread_local std::array<char, 65536> buffer;
  return buffer;
}

}  // namespace

// Where clients send to.
class UdpRelay::Socket {
 public:
  Socket(asio::io_context& io, Family family, int descriptor)
      : socket(io, family == Family::v4 ? udp::v4() : udp::v6(), descriptor) {}

  udp::socket socket;
};

// One client's exchange with one address. Kept alive by its waits.
class UdpRelay::Flow : public std::enable_shared_from_this<Flow> {
 public:
  Flow(UdpRelay& relay, Socket& client_side, const FlowKey& its_key, const Endpoint& upstream,
       const Entry::Member& member)
      : key(its_key),
        counts(member.counts),
        began(steady_clock::now()),
        relay_(&relay),
        client_side_(client_side),
        upstream_(relay.worker_.io()) {
    record.time = std::chrono::system_clock::now();
    record.client = key.client;
    record.local = relay.entry_.local;
    record.host = member.host;
    record.upstream = upstream;
  }

  // False where the kernel knows no way there, or there are no files left.
  bool connect() {
    error_code error;
    const auto to = net::to_asio(*record.upstream);
    const udp::endpoint peer(to.address(), to.port());
    upstream_.open(peer.protocol(), error);
    if (!error) upstream_.connect(peer, error);
    if (!error) upstream_.native_non_blocking(true, error);
    return !error;
  }

  void start() { wait(); }

  // False where the last datagram was refused (ICMP), or this one cannot be sent.
  bool send(std::string_view datagram) {
    const auto sent = ::send(upstream_.native_handle(), datagram.data(), datagram.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EMSGSIZE;
    record.to_upstream += datagram.size();
    counts->to_upstream.add(datagram.size());
    return true;
  }

  void close() {
    relay_ = nullptr;
    error_code ignored;
    upstream_.close(ignored);
  }

  const FlowKey key;
  std::shared_ptr<AddressCounts> counts;
  steady_clock::time_point began;
  ConnectionRecord record;

 private:
  void wait() {
    upstream_.async_wait(udp::socket::wait_read, [self = shared_from_this()](error_code error) {
      if (!error && self->relay_ != nullptr) self->receive();
    });
  }

  void receive() {
    const auto buffer = scratch();
    for (int i = 0; i < kDatagramsInARow; ++i) {
      const auto size =
          ::recv(upstream_.native_handle(), buffer.data(), buffer.size(), MSG_DONTWAIT);
      if (size < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (size < 0) return refuse();
      const std::string_view datagram(buffer.data(), static_cast<std::size_t>(size));
      relay_->flows_.find(key, steady_clock::now());  // used now
      if (!send_from(client_side_.socket.native_handle(), key.local.address, key.client, datagram))
        continue;
      record.to_client += datagram.size();
      counts->to_client.add(datagram.size());
    }
    wait();
  }

  // The address does not take datagrams: the client's next one goes elsewhere.
  void refuse() {
    auto& relay = *relay_;
    relay.entry_.balancer.failed(*record.upstream, steady_clock::now());
    counts->failures.add();
    relay.flows_.erase(key);
    relay.end(shared_from_this(), "upstream_error");
  }

  UdpRelay* relay_;  // null: ended
  Socket& client_side_;
  udp::socket upstream_;
};

Result<std::unique_ptr<UdpRelay>> UdpRelay::open(Worker& worker, Entry& entry) {
  std::unique_ptr<UdpRelay> relay(new UdpRelay(worker, entry));
  for (const auto family : {Family::v4, Family::v6}) {
    const auto descriptor = open_udp(family, entry.local.port);
    if (!descriptor) return descriptor.error();
    if (*descriptor)
      relay->sockets_.push_back(std::make_unique<Socket>(worker.io(), family, **descriptor));
  }
  for (auto& socket : relay->sockets_) relay->receive(*socket);
  return relay;
}

UdpRelay::UdpRelay(Worker& worker, Entry& entry)
    : worker_(worker),
      entry_(entry),
      flows_({.most = worker.shared().udp_flows, .idle = worker.config().udp_idle}) {}

UdpRelay::~UdpRelay() {
  for (auto& flow : flows_.take_all()) end(flow, "aborted");
}

void UdpRelay::receive(Socket& socket) {
  socket.socket.async_wait(udp::socket::wait_read, [this, &socket](error_code error) {
    if (error) return;  // closed: this object is gone
    for (int i = 0; i < kDatagramsInARow; ++i) {
      const auto datagram = receive_from(socket.socket.native_handle(), scratch());
      if (!datagram) break;
      if (worker_.shared().is_outside(datagram->to)) {
        entry_.counts->refused.add();
        continue;
      }
      pass(socket, {datagram->from, {datagram->to, entry_.local.port}}, datagram->bytes);
    }
    receive(socket);
  });
}

void UdpRelay::pass(Socket& socket, const FlowKey& key, std::string_view datagram) {
  const auto now = steady_clock::now();
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto* known = flows_.find(key, now);
    const auto flow = known != nullptr ? *known : make_flow(socket, key);
    if (!flow) break;
    if (flow->send(datagram)) return;
    entry_.balancer.failed(*flow->record.upstream, now);
    flow->counts->failures.add();
    flows_.erase(key);
    end(flow, "upstream_error");
  }
  entry_.counts->failures.add();
}

std::shared_ptr<UdpRelay::Flow> UdpRelay::make_flow(Socket& socket, const FlowKey& key) {
  entry_.counts->connections.add();
  const auto now = steady_clock::now();
  for (const auto& endpoint : entry_.balancer.choose(now, worker_.config().retries + 1)) {
    auto flow = std::make_shared<Flow>(*this, socket, key, endpoint, entry_.members.at(endpoint));
    if (!flow->connect()) {
      entry_.balancer.failed(endpoint, now);
      flow->counts->failures.add();
      continue;
    }
    if (const auto gone = flows_.insert(key, flow, now)) end(*gone, "replaced");
    entry_.balancer.connected(endpoint);
    flow->counts->connections.add();
    worker_.flow_count().add();
    flow->start();
    return flow;
  }
  return nullptr;
}

void UdpRelay::keep(const std::unordered_map<Endpoint, Entry::Member>& members) {
  const auto is_gone = [&](const std::shared_ptr<Flow>& flow) {
    return !members.contains(*flow->record.upstream);
  };
  for (const auto& flow : flows_.take_if(is_gone)) end(flow, "address_gone");
}

void UdpRelay::expire() {
  for (const auto& flow : flows_.expire(steady_clock::now())) end(flow, "idle");
}

// It is in flows_ no more.
void UdpRelay::end(const std::shared_ptr<Flow>& flow, std::string_view how) {
  flow->close();
  flow->counts->closed.add();
  entry_.balancer.closed(*flow->record.upstream);
  worker_.flow_count().subtract();
  flow->record.end = how;
  flow->record.total = duration_cast<milliseconds>(steady_clock::now() - flow->began);
  worker_.log(flow->record);
}

}  // namespace egress::dns
