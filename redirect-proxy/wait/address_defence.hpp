// What to do about another host that claims an address of ours: RFC 5227 §2.4 (c), for a host that
// cannot give its address up. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>

#include "common/ip.hpp"

namespace egress::wait {

class AddressDefence {
 public:
  using Clock = std::chrono::steady_clock;
  // RFC 5227 §1.1, DEFEND_INTERVAL: two hosts that both defend must not fill the link.
  static constexpr std::chrono::seconds kInterval{10};
  // A host that holds the address answers the ARP probe that goes with a defense within this time.
  // What claims the address at other times only may be forged: it is defended against, no more.
  static constexpr std::chrono::seconds kAnswer{2};
  // An address is contested for this long after another host confirmed that it holds it.
  static constexpr std::chrono::seconds kContested{60};

  enum class Response : std::uint8_t {
    defend,  // announce the address once, and probe for it
    tell,    // confirmed: an administrator has to act
    nothing  // answered, or reported, a moment ago
  };

  Response on_claim(const IpAddress& address, Clock::time_point now) {
    ++claims_;
    auto& state = states_[address];
    if (!state.defended || now - *state.defended >= kInterval) {
      state.defended = now;
      return Response::defend;
    }
    if (now - *state.defended > kAnswer) return Response::nothing;
    state.contested_until = now + kContested;
    if (state.told && now - *state.told < kInterval) return Response::nothing;
    state.told = now;
    return Response::tell;
  }

  bool is_contested(const IpAddress& address, Clock::time_point now) const {
    const auto found = states_.find(address);
    return found != states_.end() && now < found->second.contested_until;
  }

  std::uint64_t claims() const { return claims_; }

 private:
  struct State {
    std::optional<Clock::time_point> defended;
    std::optional<Clock::time_point> told;
    Clock::time_point contested_until{};
  };
  std::map<IpAddress, State> states_;
  std::uint64_t claims_ = 0;
};

}  // namespace egress::wait
