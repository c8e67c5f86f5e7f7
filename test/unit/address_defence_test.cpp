#include "redirect-proxy/wait/address_defence.hpp"

#include <catch2/catch.hpp>

namespace egress::wait {
namespace {

using std::chrono::seconds;
using Response = AddressDefence::Response;

TEST_CASE("a claim is defended once in ten seconds, then told, then told no more for a while") {
  AddressDefence defence;
  const auto ours = *parse_ip_address("10.42.253.46");
  const AddressDefence::Clock::time_point start{};
  const auto at = [&](int second) { return start + seconds(second); };

  CHECK(defence.on_claim(ours, at(0)) == Response::defend);
  CHECK_FALSE(defence.is_contested(ours, at(0)));
  CHECK(defence.on_claim(ours, at(1)) == Response::tell);
  CHECK(defence.is_contested(ours, at(1)));
  CHECK(defence.on_claim(ours, at(9)) == Response::nothing);
  CHECK(defence.on_claim(ours, at(10)) == Response::defend);
  CHECK(defence.on_claim(ours, at(11)) == Response::tell);
  CHECK(defence.claims() == 5);
  CHECK(defence.is_contested(ours, at(70)));
  CHECK_FALSE(defence.is_contested(ours, at(71)));
}

TEST_CASE("claims that no probe confirms do not contest an address") {
  AddressDefence defence;
  const auto ours = *parse_ip_address("10.42.253.46");
  const AddressDefence::Clock::time_point start{};
  for (int second = 0; second < 600; second += 10) {  // a forged one every ten seconds
    CHECK(defence.on_claim(ours, start + seconds(second)) == Response::defend);
    CHECK_FALSE(defence.is_contested(ours, start + seconds(second)));
    CHECK(defence.on_claim(ours, start + seconds(second + 3)) == Response::nothing);
    CHECK_FALSE(defence.is_contested(ours, start + seconds(second + 3)));
  }
}

TEST_CASE("each address is defended for itself") {
  AddressDefence defence;
  const auto one = *parse_ip_address("10.42.253.46");
  const auto other = *parse_ip_address("2001:db8::46");
  const AddressDefence::Clock::time_point now{};
  CHECK(defence.on_claim(one, now) == Response::defend);
  CHECK(defence.on_claim(other, now) == Response::defend);
  CHECK(defence.on_claim(one, now) == Response::tell);
  CHECK_FALSE(defence.is_contested(other, now));
}

}  // namespace
}  // namespace egress::wait
