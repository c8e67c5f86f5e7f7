// Speaks ARP (RFC 826, RFC 5227) and neighbor discovery (RFC 4861, RFC 4862) on one link through
// packet sockets: probes for addresses, resolves a gateway, announces an address. Needs
// CAP_NET_RAW.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "common/ip.hpp"
#include "common/link/neighbour_messages.hpp"
#include "common/result.hpp"

namespace egress::link {

// RFC 5227 §1.1: ANNOUNCE_NUM announcements, ANNOUNCE_INTERVAL apart.
inline constexpr std::chrono::seconds kAnnounceInterval{2};

class NeighbourSocket;
// Both of the same link; null where a family has nothing to say. The caller's.
using NeighbourSockets = PerFamily<NeighbourSocket*>;

struct AddressHolder {
  IpAddress address;
  MacAddress mac;
};

// Probes whether another host holds one of `addresses`, or probes for it at this moment (RFC 5227
// §2.1.1, RFC 4862 §5.4): all of them at the same time, three times each, spread over `time`.
// Returns the first holder as soon as it answers, none after `time`. The link is up, has carrier
// and holds none of the addresses; there is a socket for each family among them.
Result<std::optional<AddressHolder>> find_holder(const NeighbourSockets& sockets,
                                                 std::span<const IpAddress> addresses,
                                                 std::chrono::milliseconds time);

// Whether the link is up and has carrier, or gets it within `time`: frames that are
// sent earlier are lost without an error. A macvlan has the carrier of its parent.
bool wait_for_carrier(const std::string& link, std::chrono::milliseconds time);

// A packet socket on one link, for one of the two protocols. To close one takes the kernel several
// milliseconds, so whoever has more than one thing to say keeps it.
class NeighbourSocket {
 public:
  static Result<NeighbourSocket> open(const std::string& link, Family family);
  NeighbourSocket(NeighbourSocket&& other) noexcept;
  NeighbourSocket& operator=(NeighbourSocket&&) = delete;
  ~NeighbourSocket();

  // The MAC address of `target`, resolved with the sender address `source`, which the link holds.
  // None without an answer within `time`. The kernel's neighbor cache is neither read nor filled.
  Result<std::optional<MacAddress>> resolve(const IpAddress& source, const IpAddress& target,
                                            std::chrono::milliseconds time);

  // Tells the whole link that `address` is here: an ARP announcement (RFC 5227 §2.3), or an
  // unsolicited neighbour advertisement with the override flag (RFC 4861 §7.2.6).
  Result<void> announce(const IpAddress& address);

  // For a loop of the caller's own. Has the kernel pass only what claims one of these addresses, so
  // that other traffic costs nothing; those of the other family are ignored.
  Result<void> hear_claims_of(const std::vector<IpAddress>& addresses);
  // Asks once in the name of `source`, or of nobody (an ARP probe), and waits for nothing.
  Result<void> ask(const std::optional<IpAddress>& source, const IpAddress& target);
  // The next message of another host, of those that have come in; none where there is no more.
  Result<std::optional<NeighbourMessage>> receive();
  // Readable where receive() may have something; stays this object's.
  int descriptor() const { return descriptor_; }

 private:
  struct Inquiry;
  friend Result<std::optional<AddressHolder>> find_holder(const NeighbourSockets&,
                                                          std::span<const IpAddress>,
                                                          std::chrono::milliseconds);
  explicit NeighbourSocket(std::string link) : link_(std::move(link)) {}

  bool open_for(Family family);
  bool join(const MacAddress& group);
  bool send(const Frame& frame);
  bool receive_now(std::optional<NeighbourMessage>& message);
  static bool receive(const NeighbourSockets& sockets, std::chrono::steady_clock::time_point until,
                      std::optional<NeighbourMessage>& message);
  static Result<std::optional<AddressHolder>> inquire(const NeighbourSockets& sockets,
                                                      const Inquiry& inquiry);
  Error error(ExitCode stage, int errno_value) const;

  std::string link_;
  int descriptor_ = -1;
  int index_ = 0;
  Family family_ = Family::v4;
  MacAddress mac_;
};

}  // namespace egress::link
