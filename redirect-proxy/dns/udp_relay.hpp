// The datagrams of one UDP entry: each client has a flow to one address, which stays the same as
// long as the flow lives, and replies go back from the address that the client asked.
#pragma once

#include <boost/asio/ip/udp.hpp>
#include <memory>
#include <unordered_map>
#include <vector>

#include "redirect-proxy/dns/udp_flows.hpp"
#include "redirect-proxy/dns/worker.hpp"

namespace egress::dns {

class UdpRelay {
 public:
  // Binds both families, or one where the pod has but one, and serves. `worker` and `entry` must
  // outlive it. Errors (stage runtime): EADDRINUSE and its like.
  static Result<std::unique_ptr<UdpRelay>> open(Worker& worker, Entry& entry);
  ~UdpRelay();  // ends all flows

  // Ends the flows to addresses that are no members any more.
  void keep(const std::unordered_map<Endpoint, Entry::Member>& members);
  // Ends the flows whose time is over; to be called now and then.
  void expire();

 private:
  class Socket;
  class Flow;

  UdpRelay(Worker& worker, Entry& entry);
  void receive(Socket& socket);
  void pass(Socket& socket, const FlowKey& key, std::string_view datagram);
  std::shared_ptr<Flow> make_flow(Socket& socket, const FlowKey& key);
  void end(const std::shared_ptr<Flow>& flow, std::string_view how);

  Worker& worker_;
  Entry& entry_;
  std::vector<std::unique_ptr<Socket>> sockets_;
  UdpFlows<std::shared_ptr<Flow>> flows_;
};

}  // namespace egress::dns
