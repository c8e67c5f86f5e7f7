// The UDP flows of one worker: each client has a flow to one address, which stays the same as long
// as the flow lives, and replies go back from the address that the client sent to.
#pragma once

#include <boost/asio/ip/udp.hpp>
#include <map>
#include <memory>
#include <vector>

#include "redirect-proxy/dns/udp_flows.hpp"
#include "redirect-proxy/dns/worker.hpp"

namespace egress::dns {

class UdpRelay {
 public:
  // `worker` must outlive it.
  explicit UdpRelay(Worker& worker);
  ~UdpRelay();

  // Serves these sockets from now on.
  void add(std::shared_ptr<Entry> entry, std::vector<boost::asio::ip::udp::socket> sockets);
  // Closes its sockets and ends its flows.
  void remove(LocalPort local);
  void close();  // all of them

  // Of all entries together: beyond it the flow unused for the longest ends.
  void set_max_flows(std::size_t max);
  void end_gone();  // flows to addresses that left their entry
  void expire();    // flows whose time is over; to be called now and then

 private:
  class Port;
  class Flow;
  struct Arrival;  // a datagram, and where it came in

  void receive(const std::shared_ptr<Port>& port, std::size_t socket);
  void pass(const Arrival& arrival);
  std::shared_ptr<Flow> make_flow(const Arrival& arrival);
  void end(const std::shared_ptr<Flow>& flow, std::string_view how);

  Worker& worker_;
  std::map<LocalPort, std::shared_ptr<Port>> ports_;
  UdpFlows<std::shared_ptr<Flow>> flows_;
};

}  // namespace egress::dns
