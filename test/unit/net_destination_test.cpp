#include "common/net/destination.hpp"

#include <sys/socket.h>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

#include "common/net/connect.hpp"
#include "test/support/net_dns_lab.hpp"

namespace egress::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using test::answer_missing;
using test::answer_v4;
using test::Bytes;
using test::DnsQuery;
using test::DnsReplyBuilder;
using test::ip;
using test::run;

using Names = std::vector<std::string>;

TEST_CASE("names that a short name stands for") {
  const Names search{"a.cluster", "b.cluster"};
  CHECK(complete_name("db", search) == Names{"db.a.cluster", "db.b.cluster", "db"});
  CHECK(complete_name("db.shop", search) ==
        Names{"db.shop", "db.shop.a.cluster", "db.shop.b.cluster"});
  CHECK(complete_name("db", {}) == Names{"db"});
  const std::string longest(245, 'x');
  CHECK(complete_name(longest, search) == Names{longest});
}

TEST_CASE("a table's name is the first that exists, and /etc/hosts comes first") {
  test::DnsLab lab("nameserver 127.0.0.1\nsearch a.cluster b.cluster\n", "192.0.2.9 printer\n");
  lab.zone.set([](const DnsQuery& query) {
    return query.name == "db.shop.b.cluster" || query.name == "one.a.cluster" ||
                   query.name == "www.test"
               ? answer_v4(query, "192.0.2.3")
               : answer_missing(query);
  });
  const auto name = [&](const std::string& text) {
    const auto completed = run(lab.io, refresh_completed(lab.resolver(), text));
    return completed.name + " " + std::string(to_text(completed.resolution.status));
  };
  CHECK(name("printer") == "printer ok");
  CHECK(lab.server.queries() == 0);
  CHECK(name("www.test") == "www.test ok");
  CHECK(lab.server.queries() == 2);
  CHECK(name("db.shop") == "db.shop.b.cluster ok");
  CHECK(name("one") == "one.a.cluster ok");
  CHECK(lab.zone.times("one") == 0);
  CHECK(name("none") == "none not_found");
}

TEST_CASE("a failure does not make another name of one") {
  test::DnsLab lab("nameserver 127.0.0.1\nsearch a.cluster\n");
  lab.zone.set([](const DnsQuery& query) -> std::vector<Bytes> {
    if (query.name == "www.test") return {DnsReplyBuilder(query).rcode(2).build()};
    return answer_v4(query, "192.0.2.66");
  });
  CHECK(run(lab.io, refresh_completed(lab.resolver(), "www.test")).resolution.status ==
        ResolveStatus::failed);
  CHECK(lab.zone.times("www.test.a.cluster") == 0);
}

TEST_CASE("the local side has the loopback address and the listeners") {
  const auto local = read_local_side({{std::nullopt, 8080}});
  REQUIRE(local.has_value());
  CHECK(std::find(local->addresses.begin(), local->addresses.end(), ip("127.0.0.1")) !=
        local->addresses.end());
  CHECK(local->listeners == std::vector<ListenAddress>{{std::nullopt, 8080}});
}

// A port on all of 127.0.0.0/8 that answers no connection: its queue of one is full.
class SilentPort {
 public:
  explicit SilentPort(asio::io_context& io) : acceptor_(io, {asio::ip::tcp::v4(), 0}) {
    acceptor_.listen(0);
    for (auto& filler : fillers_) {
      filler = std::make_unique<asio::ip::tcp::socket>(io);
      filler->open(asio::ip::tcp::v4());
      filler->native_non_blocking(true);
      const asio::ip::tcp::endpoint to(asio::ip::address_v4::loopback(), port());
      ::connect(filler->native_handle(), to.data(), static_cast<socklen_t>(to.size()));
    }
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  // 127.0.0.2, 127.0.0.3, ...
  std::vector<Endpoint> endpoints(std::size_t count) const {
    std::vector<Endpoint> out;
    for (std::size_t i = 0; i < count; ++i) {
      const std::array<std::uint8_t, 4> bytes{127, 0, 0, static_cast<std::uint8_t>(2 + i)};
      out.push_back({IpAddress::from_bytes(bytes), port()});
    }
    return out;
  }

 private:
  asio::ip::tcp::acceptor acceptor_;
  std::array<std::unique_ptr<asio::ip::tcp::socket>, 4> fillers_;
};

TEST_CASE("parallel attempts are limited, and the oldest makes room for the next") {
  asio::io_context io{1};
  const SilentPort silent(io);
  asio::ip::tcp::acceptor good(io, {asio::ip::make_address("127.0.0.100"), 0});
  auto endpoints = silent.endpoints(kMaxAddresses - 1);
  endpoints.push_back({ip("127.0.0.100"), good.local_endpoint().port()});
  std::optional<ConnectOutcome> outcome;
  const auto before = test::open_descriptors();
  asio::co_spawn(io, connect(endpoints, {.deadline = 20s, .attempt_delay = 20ms}),
                 [&](std::exception_ptr, ConnectOutcome result) { outcome = std::move(result); });
  std::size_t max_open = 0;
  REQUIRE(test::run_until(io, [&] {
    max_open = std::max(max_open, test::open_descriptors() - before);
    return outcome.has_value();
  }));
  REQUIRE(outcome->ok());
  CHECK(outcome->endpoint == endpoints.back());
  CHECK(max_open == kMaxParallelAttempts);
  // Those that made room failed; those that merely lost did not.
  CHECK(outcome->failed.size() == kMaxAddresses - kMaxParallelAttempts);
  outcome->socket->close();
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("addresses over the limit are not tried") {
  asio::io_context io{1};
  asio::ip::tcp::acceptor closed(io, {asio::ip::tcp::v4(), 0});
  const auto port = closed.local_endpoint().port();
  closed.close();
  std::vector<Endpoint> endpoints(40, {ip("127.0.0.1"), port});
  const auto outcome = run(io, connect(endpoints, {.deadline = 5s}));
  CHECK_FALSE(outcome.ok());
  CHECK(outcome.failed.size() == kMaxAddresses);
}

TEST_CASE("a connect that is cancelled closes all its sockets at once") {
  asio::io_context io{1};
  const SilentPort silent(io);
  asio::cancellation_signal give_up;
  std::optional<ConnectOutcome> outcome;
  const auto before = test::open_descriptors();
  asio::co_spawn(
      io, connect(silent.endpoints(4), {.deadline = 60s, .attempt_delay = 1ms}),
      asio::bind_cancellation_slot(give_up.slot(), [&](std::exception_ptr, ConnectOutcome result) {
        outcome = std::move(result);
      }));
  REQUIRE(test::run_until(io, [&] { return test::open_descriptors() == before + 4; }));
  give_up.emit(asio::cancellation_type::terminal);
  REQUIRE(test::run_until(io, [&] { return outcome.has_value(); }));
  CHECK_FALSE(outcome->ok());
  CHECK(test::open_descriptors() == before);
}

}  // namespace
}  // namespace egress::net
