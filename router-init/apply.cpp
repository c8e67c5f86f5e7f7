#include "router-init/apply.hpp"

#include <net/if.h>

#include <cerrno>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>

#include "common/link/neighbour_probe.hpp"
#include "router-init/conntrack.hpp"
#include "router-init/host_facts.hpp"
#include "router-init/netns.hpp"
#include "router-init/nft_socket.hpp"
#include "router-init/plan_text.hpp"
#include "router-init/rtnl_encode.hpp"
#include "router-init/rtnl_socket.hpp"

namespace egress::router {
namespace {

struct CloseFile {
  void operator()(std::FILE* file) const { std::fclose(file); }
};

// 0, or errno, which tells a missing key from a read-only one.
int write_file(const std::string& path, const std::string& value) {
  const std::unique_ptr<std::FILE, CloseFile> file(std::fopen(path.c_str(), "we"));
  if (!file) return errno;
  const bool written = std::fputs(value.c_str(), file.get()) >= 0 && std::fflush(file.get()) == 0;
  return written ? 0 : errno;
}

// Writes and reads back: some keys accept a value and keep another.
Result<void> write_sysctl(const SetSysctl& setting) {
  const int failure = write_file("/proc/sys/" + setting.key, setting.value);
  if (failure != 0) return make_errno_error(ExitCode::sysctl, to_command(setting), failure);
  const auto now = read_sysctl(setting.key);
  if (now == setting.value) return {};
  return Error{ExitCode::sysctl,
               to_command(setting),
               "was accepted, but the kernel keeps " + (now ? "\"" + *now + "\"" : "nothing"),
               {}};
}

class Applier {
 public:
  Applier(RtnlSocket socket, const Report& report) : socket_(std::move(socket)), report_(report) {}

  // What a step throws is its error, so that all before it is rolled back.
  Result<void> carry_out(const Action& action) {
    try {
      auto done = std::visit(*this, action);
      if (done) report_(LogLevel::debug, "done: " + to_command(action));
      return done;
    } catch (const std::exception& error) {
      return Error{ExitCode::internal, to_command(action), error.what(), {}};
    }
  }

  Result<void> operator()(const SetSysctl& one) { return write_sysctl(one); }

  Result<void> operator()(const CreateMacvlan& one) {
    auto pod = open_own_netns();
    if (!pod) return pod.error();
    auto node = RtnlSocket::open_in(one.node_netns);
    if (!node) return node.error();
    return send(*node, encode_create_macvlan(one, pod->get()), one);
  }
  Result<void> operator()(const RenameLink& one) {
    return with_index(one.from, one, [&](int index) { return encode_rename_link(index, one.to); });
  }
  Result<void> operator()(const DeleteLink& one) {
    if (index_of(one.name) == 0) return {};
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
    if (index_of(one.address.link) == 0) return {};
    return with_index(one.address.link, one,
                      [&](int index) { return encode_delete_address(one.address, index); });
  }
  Result<void> operator()(const PutRoute& one) {
    return send(socket_, encode_put_route(one.route, indexes_of(one.route)), one);
  }
  Result<void> operator()(const DeleteRoute& one) {
    const auto indexes = indexes_of(one.route);
    for (const auto& hop : one.route.next_hops) {
      if (!indexes.contains(hop.link)) return {};  // the route went with its link
    }
    return send(socket_, encode_delete_route(one.route, indexes), one);
  }
  Result<void> operator()(const AddRule& one) {
    return send(socket_, encode_add_rule(one.rule), one);
  }
  Result<void> operator()(const DeleteRule& one) {
    return send(socket_, encode_delete_rule(one.rule), one);
  }
  Result<void> operator()(const LoadRuleset& one) { return load_ruleset(one.ruleset); }
  Result<void> operator()(const DeleteRuleset&) { return delete_ruleset(); }

  Result<void> operator()(const DeleteStaleConntrack& one) {
    const auto deleted = delete_stale_conntrack(StaleConntrack(one.translation, one.pod_addresses));
    if (!deleted) {
      report_(LogLevel::warn,
              "stale conntrack entries stay, and their connections go on to the previous "
              "destination: " +
                  to_text(deleted.error()));
    } else if (*deleted > 0) {
      report_(LogLevel::info, "stale conntrack entries deleted: " + std::to_string(*deleted));
    }
    return {};
  }

  Result<void> operator()(const ProbeAddresses& one) {
    link::NeighbourSockets sockets{};
    for (const auto& address : one.addresses) {
      auto socket = neighbours(one.link, address.family());
      if (!socket) return socket.error();
      sockets[address.family()] = *socket;
    }
    if (!link::wait_for_carrier(one.link, one.time)) return without_carrier(one);
    const auto holder = link::find_holder(sockets, one.addresses, one.time);
    if (!holder) return holder.error();
    if (!*holder) return {};
    return Error{ExitCode::conflict, "EGRESS_SOURCE " + to_text((*holder)->address),
                 "the host with the MAC address " + to_text((*holder)->mac) + " holds it already",
                 "choose an address that nobody uses, or stop that host; EGRESS_ADDRESS_PROBE=off "
                 "disables the probe"};
  }

  Result<void> operator()(const ResolveGateway& one) {
    auto socket = neighbours(one.link, one.gateway.family());
    if (!socket) return socket.error();
    const auto mac = (*socket)->resolve(one.source, one.gateway, one.time);
    if (!mac) return mac.error();
    if (*mac) {
      report_(LogLevel::debug, "gateway " + to_text(one.gateway) + " is at " + to_text(**mac));
      return {};
    }
    const bool has_carrier = link::wait_for_carrier(one.link, std::chrono::milliseconds(0));
    const std::string silence =
        "no answer on " + one.link + " within " + std::to_string(one.time.count()) + " ms" +
        (has_carrier ? "" : "; the link has no carrier, its parent on the node is down");
    if (one.required) {
      return Error{ExitCode::gateway, "EGRESS_GATEWAY " + to_text(one.gateway), silence,
                   "is the gateway on the network that " + one.link +
                       " is attached to? EGRESS_GATEWAY_CHECK=warn goes on without it"};
    }
    report_(LogLevel::warn, "EGRESS_GATEWAY " + to_text(one.gateway) + ": " + silence);
    return {};
  }

  Result<void> operator()(const Announce& one) {
    auto socket = neighbours(one.link, one.address.family());
    const auto announced = socket ? (*socket)->announce(one.address) : socket.error();
    if (!announced) report_(LogLevel::warn, to_text(announced.error()));
    return {};
  }

 private:
  static int index_of(const std::string& link) {
    return static_cast<int>(::if_nametoindex(link.c_str()));
  }

  Result<void> without_carrier(const ProbeAddresses& one) {
    const Error error{ExitCode::link, "link " + one.link,
                      "has no carrier within " + std::to_string(one.time.count()) +
                          " ms: EGRESS_SOURCE cannot be probed for another holder",
                      "is the link's parent on the node up? EGRESS_CARRIER_CHECK=warn goes on "
                      "without the probe"};
    if (one.carrier == Carrier::required) return error;
    report_(LogLevel::warn, to_text(error));
    return {};
  }

  template <class Action>
  Result<void> send(RtnlSocket& socket, Result<NlMessage> message, const Action& action) {
    if (!message) return message.error();
    return socket.send(std::move(*message), action.kStage, to_command(action));
  }

  template <class Action, class Encode>
  Result<void> with_index(const std::string& link, const Action& action, Encode encode) {
    const int index = index_of(link);
    if (index == 0) return make_errno_error(action.kStage, to_command(action), errno);
    return send(socket_, encode(index), action);
  }

  // A link that is gone has no index, and the encoder reports which.
  static LinkIndexes indexes_of(const Route& route) {
    LinkIndexes indexes;
    for (const auto& hop : route.next_hops) {
      if (const int index = index_of(hop.link); index != 0) indexes[hop.link] = index;
    }
    return indexes;
  }

  // One of each family, for the whole plan, which names no other link: to close one takes the
  // kernel several milliseconds.
  Result<link::NeighbourSocket*> neighbours(const std::string& link, Family family) {
    auto& slot = neighbours_[family];
    if (!slot) {
      auto opened = link::NeighbourSocket::open(link, family);
      if (!opened) return opened.error();
      slot.emplace(std::move(*opened));
    }
    return &*slot;
  }

  RtnlSocket socket_;
  PerFamily<std::optional<link::NeighbourSocket>> neighbours_;
  const Report& report_;
};

// From the step that failed, which may have had a part of its effect, back to the first.
void roll_back(const NetworkPlan& plan, std::size_t failed, Applier& applier,
               const Report& report) {
  for (std::size_t i = failed + 1; i-- > 0;) {
    if (plan.steps[i].present) continue;
    for (const Action& action : plan.steps[i].undo) {
      const auto undone = applier.carry_out(action);
      if (undone) continue;
      // That what was not done cannot be undone is to be expected.
      report(i == failed ? LogLevel::debug : LogLevel::error,
             "not rolled back: " + to_text(undone.error()));
    }
  }
}

}  // namespace

Result<void> apply(const NetworkPlan& plan, const Report& report) {
  auto socket = RtnlSocket::open();
  if (!socket) return socket.error();
  Applier applier(std::move(*socket), report);
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    if (plan.steps[i].present) continue;
    if (auto done = applier.carry_out(plan.steps[i].action); !done) {
      roll_back(plan, i, applier, report);
      return done.error();
    }
  }
  return {};
}

void announce_again(const NetworkPlan& plan, const Report& report) {
  auto socket = RtnlSocket::open();
  if (!socket) return report(LogLevel::warn, to_text(socket.error()));
  Applier applier(std::move(*socket), report);
  for (const auto& step : plan.steps) {
    if (std::holds_alternative<Announce>(step.action))
      static_cast<void>(applier.carry_out(step.action));
  }
}

}  // namespace egress::router
