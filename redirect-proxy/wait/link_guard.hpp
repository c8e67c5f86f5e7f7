// Watches the outside link while the pod lives: defends our addresses against other hosts that
// claim them, and asks for the gateway now and then. With CAP_NET_RAW by a packet socket; without
// it no claim is heard, and of the gateway is known what the kernel's ARP table says.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/ip.hpp"
#include "common/link/neighbour_probe.hpp"
#include "common/log.hpp"
#include "redirect-proxy/wait/address_defence.hpp"

namespace egress::wait {

class LinkGuard {
 public:
  struct Gateway {
    IpAddress address;
    std::optional<bool> is_up;  // none: nobody has asked for it yet, which the kernel would tell
  };

  // `interval`: between two questions for the gateway; 0: none. `io` and `log` must outlive it.
  LinkGuard(boost::asio::io_context& io, std::string link, std::chrono::milliseconds interval,
            const Log& log);

  // Looks at the link's addresses and gateways, and begins.
  void start();

  const std::string& link() const { return link_; }
  std::vector<IpAddress> addresses() const;  // as they are now
  std::vector<Gateway> gateways() const;
  bool hears_claims() const { return !sockets_.empty(); }
  std::uint64_t claims() const { return defence_.claims(); }
  bool is_contested(const IpAddress& address) const;

 private:
  using Clock = AddressDefence::Clock;
  // One for the claims to our addresses and one for the gateway, so that a flood of the first does
  // not drown the second.
  struct Socket {
    Socket(boost::asio::io_context& io, link::NeighbourSocket socket, int copy, Family of)
        : neighbours(std::move(socket)), readable(io, copy), pause(io), family(of) {}

    link::NeighbourSocket neighbours;
    boost::asio::posix::stream_descriptor readable;  // a duplicate of its descriptor
    boost::asio::steady_timer pause;
    Family family;
  };
  struct Asked {
    IpAddress gateway;
    IpAddress source;
    Clock::time_point answered;
    std::optional<bool> is_up;
  };

  void open(Family family, const std::vector<IpAddress>& heard);
  void listen(Socket& socket);
  void read(Socket& socket);
  void on_message(Socket& socket, const link::NeighbourMessage& message);
  void on_claim(Socket& socket, const IpAddress& address, const std::string& holder);
  void ask_in_turn();
  void judge(Asked& asked);
  void set_up(Asked& asked, bool is_up);

  boost::asio::io_context& io_;
  std::string link_;
  std::chrono::milliseconds interval_;
  const Log& log_;
  AddressDefence defence_;
  std::vector<IpAddress> defended_;
  std::vector<Asked> asked_;
  std::list<Socket> sockets_;
  boost::asio::steady_timer timer_;
};

}  // namespace egress::wait
