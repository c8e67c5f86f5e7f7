#include "router-init/apply.hpp"

#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "common/link/neighbour_probe.hpp"
#include "router-init/conntrack.hpp"
#include "router-init/netns.hpp"
#include "router-init/nft_socket.hpp"
#include "router-init/plan_text.hpp"
#include "router-init/rtnl_encode.hpp"
#include "router-init/rtnl_socket.hpp"
#include "router-init/sysctl.hpp"

namespace egress::router {
namespace {

// Whether frames can leave at all: a macvlan has no carrier where its parent is down.
bool has_carrier(const std::string& link) {
  const int any_socket = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq request{};
  link.copy(request.ifr_name, IFNAMSIZ - 1);
  const bool read = ::ioctl(any_socket, SIOCGIFFLAGS, &request) == 0;
  ::close(any_socket);
  return !read || (request.ifr_flags & IFF_RUNNING) != 0;
}

class Applier {
 public:
  Applier(RtnlSocket socket, ApplyReport& report) : socket_(std::move(socket)), report_(report) {}

  Result<void> operator()(const SetSysctl& one) { return write_sysctl(one); }

  Result<void> operator()(const CreateMacvlan& one) {
    auto pod = open_own_netns();
    if (!pod) return pod.error();
    auto node = RtnlSocket::open_in(one.node_netns);
    if (!node) return node.error();
    return send(*node, encode_create_macvlan(one, pod->get()), one);
  }
  Result<void> operator()(const DeleteLink& one) {
    return with_index(one.name, one, [](int index) { return encode_delete_link(index); });
  }
  Result<void> operator()(const SetLinkUp& one) {
    return with_index(one.name, one, [&](int index) { return encode_set_link_up(index, one.up); });
  }
  Result<void> operator()(const AddAddress& one) {
    return with_index(one.address.link, one,
                      [&](int index) { return encode_add_address(one.address, index); });
  }
  Result<void> operator()(const DeleteAddress& one) {
    return with_index(one.address.link, one,
                      [&](int index) { return encode_delete_address(one.address, index); });
  }
  Result<void> operator()(const PutRoute& one) {
    return send(socket_, encode_put_route(one.route, indexes_of(one.route)), one);
  }
  Result<void> operator()(const DeleteRoute& one) {
    return send(socket_, encode_delete_route(one.route, indexes_of(one.route)), one);
  }
  Result<void> operator()(const AddRule& one) {
    return send(socket_, encode_add_rule(one.rule), one);
  }
  Result<void> operator()(const DeleteRule& one) {
    return send(socket_, encode_delete_rule(one.rule), one);
  }
  Result<void> operator()(const LoadRuleset& one) { return load_ruleset(one.ruleset); }
  Result<void> operator()(const DeleteRuleset&) { return delete_ruleset(); }

  Result<void> operator()(const EndMovedFlows& one) {
    const auto ended = end_moved_flows(FlowJudge(one.translation, one.pod_addresses));
    if (!ended) return ended.error();
    report_.ended_flows += *ended;
    return {};
  }

  Result<void> operator()(const ProbeAddress& one) {
    auto socket = neighbours(one.link, one.address.family());
    if (!socket) return socket.error();
    const auto holder = (*socket)->find_holder(one.address, one.time);
    if (!holder) return holder.error();
    if (!*holder) return {};
    return Error{ExitCode::conflict, "EGRESS_SOURCE " + to_text(one.address),
                 "the host with the MAC address " + to_text(**holder) + " holds it already",
                 "choose an address that nobody uses, or stop that host; EGRESS_ADDRESS_PROBE=off "
                 "does not ask"};
  }

  Result<void> operator()(const ResolveGateway& one) {
    auto socket = neighbours(one.link, one.gateway.family());
    if (!socket) return socket.error();
    const auto mac = (*socket)->resolve(one.source, one.gateway, one.time);
    if (!mac) return mac.error();
    if (*mac) {
      report_.done.push_back("gateway " + to_text(one.gateway) + " is at " + to_text(**mac));
      return {};
    }
    const std::string silence =
        "no answer on " + one.link + " within " + std::to_string(one.time.count()) + " ms" +
        (has_carrier(one.link) ? "" : "; the link has no carrier, its parent on the node is down");
    if (one.required) {
      return Error{ExitCode::gateway, "EGRESS_GATEWAY " + to_text(one.gateway), silence,
                   "is the gateway on the network that " + one.link +
                       " sits on? EGRESS_GATEWAY_CHECK=warn goes on without it"};
    }
    report_.warnings.push_back("EGRESS_GATEWAY " + to_text(one.gateway) + ": " + silence);
    return {};
  }

  // Neighbours that are not told keep a stale entry for some time; that is no reason to take all
  // back.
  Result<void> operator()(const Announce& one) {
    auto socket = neighbours(one.link, one.address.family());
    const auto told = socket ? (*socket)->announce(one.address) : socket.error();
    if (!told) report_.warnings.push_back(to_text(told.error()));
    return {};
  }

 private:
  template <class Action>
  Result<void> send(RtnlSocket& socket, Result<NlMessage> message, const Action& action) {
    if (!message) return message.error();
    return socket.send(std::move(*message), stage_of(action), to_command(action));
  }

  template <class Action, class Encode>
  Result<void> with_index(const std::string& link, const Action& action, Encode encode) {
    const auto index = static_cast<int>(::if_nametoindex(link.c_str()));
    if (index == 0) return make_errno_error(stage_of(action), to_command(action), errno);
    return send(socket_, encode(index), action);
  }

  // A link that is gone has no index, and the encoder says which.
  static LinkIndexes indexes_of(const Route& route) {
    LinkIndexes indexes;
    for (const auto& hop : route.next_hops) {
      if (const auto index = ::if_nametoindex(hop.link.c_str()); index != 0)
        indexes[hop.link] = static_cast<int>(index);
    }
    return indexes;
  }

  // One for each family, for all that is said on the egress link. The plan names no other.
  Result<link::NeighbourSocket*> neighbours(const std::string& link, Family family) {
    auto& slot = family == Family::v4 ? neighbours4_ : neighbours6_;
    if (!slot) {
      auto opened = link::NeighbourSocket::open(link, family);
      if (!opened) return opened.error();
      slot.emplace(std::move(*opened));
    }
    return &*slot;
  }

  RtnlSocket socket_;
  std::optional<link::NeighbourSocket> neighbours4_;
  std::optional<link::NeighbourSocket> neighbours6_;
  ApplyReport& report_;
};

void undo(const std::vector<const Step*>& done, Applier& applier, ApplyReport& report) {
  for (auto step = done.rbegin(); step != done.rend(); ++step) {
    if (!(*step)->undo) continue;
    const Action& action = *(*step)->undo;
    if (const auto undone = std::visit(applier, action); !undone) {
      report.not_undone.push_back(to_command(action) + ": " + to_text(undone.error()));
    }
  }
}

}  // namespace

Result<void> apply(const NetworkPlan& plan, ApplyReport& report) {
  auto socket = RtnlSocket::open();
  if (!socket) return socket.error();
  Applier applier(std::move(*socket), report);
  std::vector<const Step*> done;
  for (const auto& step : plan.steps) {
    if (step.present) continue;
    if (auto carried_out = std::visit(applier, step.action); !carried_out) {
      undo(done, applier, report);
      return carried_out.error();
    }
    report.done.push_back(to_command(step.action));
    done.push_back(&step);
  }
  return {};
}

}  // namespace egress::router
