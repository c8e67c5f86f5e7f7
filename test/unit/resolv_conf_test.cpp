#include "router-init/facts.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using egress::test::ip;
using Addresses = std::vector<IpAddress>;

TEST_CASE("nameservers of a resolv.conf") {
  struct Row {
    std::string text;
    Addresses expected;
  };
  const std::vector<Row> rows{
      {"", {}},
      {"nameserver 172.30.0.10\n", {ip("172.30.0.10")}},
      {"nameserver\t172.30.0.10", {ip("172.30.0.10")}},
      {"search a.svc b.svc\nnameserver 10.0.0.2\noptions ndots:5\nnameserver fd00::a\n",
       {ip("10.0.0.2"), ip("fd00::a")}},
      {"nameserver 10.0.0.2\r\nnameserver 10.0.0.3\r\n", {ip("10.0.0.2"), ip("10.0.0.3")}},
      {"nameserver 10.0.0.2 # the first\n", {ip("10.0.0.2")}},
      {"#nameserver 10.0.0.1\n; nameserver 10.0.0.1\n;nameserver 10.0.0.1\n", {}},
      {" nameserver 10.0.0.1\n", {}},
      {"nameservers 10.0.0.1\nNAMESERVER 10.0.0.1\n", {}},
      {"nameserver\nnameserver 10.1\nnameserver 010.0.0.1\nnameserver dns.test\n", {}},
      {"nameserver fe80::1%eth0\nnameserver 10.0.0.2\n", {ip("10.0.0.2")}},
      {"nameserver 10.0.0.2\nnameserver 10.0.0.2\n", {ip("10.0.0.2")}},
      {"nameserver 10.0.0.1\nnameserver 10.0.0.2\nnameserver 10.0.0.3\nnameserver 10.0.0.4\n",
       {ip("10.0.0.1"), ip("10.0.0.2"), ip("10.0.0.3"), ip("10.0.0.4")}},
  };
  for (const auto& row : rows) {
    INFO(row.text);
    CHECK(parse_nameservers(row.text) == row.expected);
  }
}

}  // namespace
}  // namespace egress::router
