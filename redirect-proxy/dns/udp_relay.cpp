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

// An entry and where its clients send to. Kept alive by its waits.
class UdpRelay::Port {
 public:
  std::shared_ptr<Entry> entry;
  std::vector<udp::socket> sockets;  // empty: closed
};

struct UdpRelay::Arrival {
  const std::shared_ptr<Port>& port;
  std::size_t socket;
  FlowKey key;
  std::string_view bytes;
};

// One client's exchange with one address. Kept alive by its waits.
class UdpRelay::Flow : public std::enable_shared_from_this<Flow> {
 public:
  Flow(UdpRelay& relay, const Arrival& arrival, const Endpoint& upstream)
      : key(arrival.key),
        entry(arrival.port->entry),
        use(relay.worker_.use_of(*entry, upstream.address)),
        began(steady_clock::now()),
        relay_(&relay),
        port_(arrival.port),
        socket_(arrival.socket),
        upstream_(relay.worker_.io()) {
    record.time = std::chrono::system_clock::now();
    record.client = key.client;
    record.local = entry->local;
    record.upstream = upstream;
  }

  // The error is of the kernel: it knows no way there, or there are no descriptors left.
  error_code connect() {
    error_code error;
    const auto to = net::to_asio(*record.upstream);
    const udp::endpoint peer(to.address(), to.port());
    upstream_.open(peer.protocol(), error);
    if (!error) upstream_.connect(peer, error);
    if (!error) upstream_.native_non_blocking(true, error);
    return error;
  }

  void start() { wait(); }

  // False where the last datagram was refused (ICMP), or this one cannot be sent there.
  bool send(std::string_view datagram) {
    const auto sent = ::send(upstream_.native_handle(), datagram.data(), datagram.size(),
                             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      return errno == EAGAIN || errno == EWOULDBLOCK || errno == EMSGSIZE ||
             !concerns_endpoint(errno);
    }
    record.to_upstream += datagram.size();
    use->to_upstream.add(datagram.size());
    return true;
  }

  void close() {
    relay_ = nullptr;
    error_code ignored;
    upstream_.close(ignored);
  }

  const FlowKey key;
  const std::shared_ptr<Entry> entry;
  const std::shared_ptr<AddressUse> use;
  const steady_clock::time_point began;
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
      if (record.to_client == 0) relay_->worker_.health(*entry).connected(*record.upstream);
      auto& client_side = port_->sockets[socket_];
      if (!send_from(client_side.native_handle(), key.local.address, key.client, datagram))
        continue;
      record.to_client += datagram.size();
      use->to_client.add(datagram.size());
    }
    wait();
  }

  // The address does not take datagrams: the client's next one goes elsewhere.
  void refuse() {
    auto& relay = *relay_;
    relay.worker_.health(*entry).failed(*record.upstream, steady_clock::now());
    use->failures.add();
    relay.flows_.erase(key);
    relay.end(shared_from_this(), "upstream_error");
  }

  UdpRelay* relay_;  // null: ended
  std::shared_ptr<Port> port_;
  std::size_t socket_;  // of the port
  udp::socket upstream_;
};

UdpRelay::UdpRelay(Worker& worker)
    : worker_(worker), flows_({.most = 1, .idle = worker.config().udp_idle}) {}

UdpRelay::~UdpRelay() { close(); }

void UdpRelay::add(std::shared_ptr<Entry> entry, std::vector<udp::socket> sockets) {
  const auto port = std::make_shared<Port>(Port{std::move(entry), std::move(sockets)});
  ports_[port->entry->local] = port;
  for (std::size_t i = 0; i < port->sockets.size(); ++i) receive(port, i);
}

void UdpRelay::remove(LocalPort local) {
  const auto found = ports_.find(local);
  if (found == ports_.end()) return;
  const auto port = found->second;
  ports_.erase(found);
  const auto is_of_port = [&](const auto& flow) { return flow->entry == port->entry; };
  for (const auto& flow : flows_.take_if(is_of_port)) end(flow, "aborted");
  port->sockets.clear();
}

void UdpRelay::close() {
  while (!ports_.empty()) remove(ports_.begin()->first);
}

void UdpRelay::receive(const std::shared_ptr<Port>& port, std::size_t socket) {
  port->sockets[socket].async_wait(udp::socket::wait_read, [this, port, socket](error_code error) {
    if (error || port->sockets.empty()) return;
    for (int i = 0; i < kDatagramsInARow; ++i) {
      const auto datagram = receive_from(port->sockets[socket].native_handle(), scratch());
      if (!datagram) break;
      const Endpoint local{datagram->to, port->entry->local.port};
      if (worker_.shared().egress.is_external(local.address, datagram->interface)) {
        port->entry->use->refused.add();
        continue;
      }
      pass({port, socket, {datagram->from, local}, datagram->bytes});
    }
    receive(port, socket);
  });
}

void UdpRelay::pass(const Arrival& arrival) {
  const auto now = steady_clock::now();
  auto& entry = *arrival.port->entry;
  for (int attempt = 0; attempt < 2; ++attempt) {
    auto* known = flows_.find(arrival.key, now);
    const auto flow = known != nullptr ? *known : make_flow(arrival);
    if (!flow) break;
    if (flow->send(arrival.bytes)) return;
    worker_.health(entry).failed(*flow->record.upstream, now);
    flow->use->failures.add();
    flows_.erase(arrival.key);
    end(flow, "upstream_error");
  }
  entry.use->failures.add();
}

std::shared_ptr<UdpRelay::Flow> UdpRelay::make_flow(const Arrival& arrival) {
  auto& entry = *arrival.port->entry;
  entry.use->connections.add();
  const auto now = steady_clock::now();
  for (const auto& choice : worker_.choose(entry, worker_.config().retries + 1)) {
    auto flow = std::make_shared<Flow>(*this, arrival, choice.endpoint);
    if (const auto error = flow->connect()) {
      if (!concerns_endpoint(error.value())) break;
      worker_.health(entry).failed(choice.endpoint, now);
      flow->use->failures.add();
      continue;
    }
    const auto& target = entry.snapshot->table->text.targets[entry.target];
    flow->record.host = to_name(target.hosts[choice.host]);
    if (const auto gone = flows_.insert(arrival.key, flow, now)) end(*gone, "replaced");
    flow->use->connections.add();
    ++flow->use->under_way;
    worker_.flow_count().add();
    flow->start();
    return flow;
  }
  return nullptr;
}

void UdpRelay::set_max_flows(std::size_t max) {
  for (const auto& flow : flows_.set_most(max)) end(flow, "replaced");
}

void UdpRelay::end_gone() {
  const auto is_gone = [](const std::shared_ptr<Flow>& flow) {
    return !flow->entry->pool().contains(flow->record.upstream->address);
  };
  for (const auto& flow : flows_.take_if(is_gone)) end(flow, "address_gone");
}

void UdpRelay::expire() {
  for (const auto& flow : flows_.expire(steady_clock::now())) end(flow, "idle");
}

// It is in flows_ no more.
void UdpRelay::end(const std::shared_ptr<Flow>& flow, std::string_view how) {
  flow->close();
  flow->use->closed.add();
  --flow->use->under_way;
  worker_.flow_count().subtract();
  flow->record.end = how;
  flow->record.total = duration_cast<milliseconds>(steady_clock::now() - flow->began);
  worker_.log(flow->record);
}

}  // namespace egress::dns
