#include "router-init/network.hpp"

#include <linux/if_link.h>

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

TEST_CASE("macvlan modes are spelt as ip spells them, and numbered as the kernel numbers them") {
  struct Row {
    MacvlanMode mode;
    std::string text;
    std::uint32_t number;
  };
  const std::vector<Row> rows{
      {MacvlanMode::private_, "private", MACVLAN_MODE_PRIVATE},
      {MacvlanMode::vepa, "vepa", MACVLAN_MODE_VEPA},
      {MacvlanMode::bridge, "bridge", MACVLAN_MODE_BRIDGE},
      {MacvlanMode::passthru, "passthru", MACVLAN_MODE_PASSTHRU},
  };
  for (const auto& row : rows) {
    CHECK(to_text(row.mode) == row.text);
    CHECK(static_cast<std::uint32_t>(row.mode) == row.number);
  }
}

TEST_CASE("a route leaves by the link of its first next hop") {
  Route route;
  CHECK_FALSE(route.leaves_by("eth0"));
  route.next_hops = {{"eth0", {}, false}, {"eth1", {}, false}};
  CHECK(route.leaves_by("eth0"));
  CHECK_FALSE(route.leaves_by("eth1"));
}

TEST_CASE("a route is a default route by its length alone") {
  Route route;
  for (const auto* text : {"0.0.0.0/0", "::/0"}) {
    route.destination = egress::test::prefix(text);
    CHECK(route.is_default());
  }
  route.destination = egress::test::prefix("0.0.0.0/1");
  CHECK_FALSE(route.is_default());
}

}  // namespace
}  // namespace egress::router
