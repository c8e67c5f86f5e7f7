#include "common/net/resolver.hpp"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <catch2/catch.hpp>

#include "test/support/net_dns_lab.hpp"
#include "test/support/parse.hpp"

namespace egress::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::answer_missing;
using test::answer_v4;
using test::Bytes;
using test::DnsQuery;
using test::DnsReplyBuilder;
using test::DnsServer;
using test::ip;
using test::run;
using test::TemporaryFile;
using Lab = test::DnsLab;
using test::Zone;

TEST_CASE("both families, IPv6 first, cached for their TTL") {
  Lab lab;
  lab.zone.set([](const DnsQuery& query) -> std::vector<Bytes> {
    DnsReplyBuilder builder(query);
    builder.address(query.name, ip(query.type == test::kA ? "192.0.2.1" : "2001:db8::1"), 60);
    return {builder.build()};
  });
  const auto first = lab.resolve("www.test");
  REQUIRE(first.ok());
  CHECK(first.addresses == std::vector{ip("2001:db8::1"), ip("192.0.2.1")});
  CHECK(first.ttl == 60s);
  CHECK(first.elapsed > 0us);
  const auto second = lab.resolver().cached("www.test");
  REQUIRE(second);
  CHECK(second->addresses == first.addresses);
  CHECK(second->ttl <= 60s);
  lab.resolve("www.test");
  CHECK(lab.server.queries() == 2);
  CHECK(lab.resolver().counts().hits == 2);
}

TEST_CASE("/etc/hosts comes first, and a change of it is seen") {
  Lab lab("nameserver 127.0.0.1\n", "192.0.2.50 Printer.test printer # comment\n");
  CHECK(lab.resolve("printer.test").addresses == std::vector{ip("192.0.2.50")});
  CHECK(lab.resolve("printer").addresses == std::vector{ip("192.0.2.50")});
  CHECK(lab.server.queries() == 0);
  lab.hosts.write("2001:db8::50 printer.test\n198.51.100.50 printer.test\n");
  lab.pass(1100ms);
  CHECK(lab.resolve("printer.test").addresses ==
        std::vector{ip("2001:db8::50"), ip("198.51.100.50")});
}

TEST_CASE("a name is asked as it is and by no search list") {
  Lab lab("nameserver 127.0.0.1\nsearch a.cluster b.cluster\noptions ndots:5\n");
  lab.zone.set([](const DnsQuery& query) {
    return query.name.ends_with(".cluster") ? answer_v4(query, "192.0.2.3") : answer_missing(query);
  });
  CHECK(lab.resolve("db").status == ResolveStatus::not_found);
  CHECK(lab.resolve("db.shop").status == ResolveStatus::not_found);
  CHECK(lab.server.queries() == 4);
  CHECK(lab.resolver().resolv_conf().nameservers == std::vector{ip("127.0.0.1")});
  CHECK(lab.resolver().resolv_conf().search_list ==
        std::vector<std::string>{"a.cluster", "b.cluster"});
}

TEST_CASE("negative answers are kept within bounds") {
  Lab lab;
  lab.options.most_negative_ttl = 300ms;
  lab.zone.set(answer_missing);
  CHECK(lab.resolve("none.test").status == ResolveStatus::not_found);
  CHECK(lab.resolve("none.test").status == ResolveStatus::not_found);
  CHECK(lab.server.queries() == 2);
  lab.pass(350ms);
  lab.resolve("none.test");
  CHECK(lab.server.queries() == 4);
}

TEST_CASE("TTLs of 0 and of 2^31 - 1 are brought within bounds") {
  Lab lab;
  lab.options.most_ttl = 5s;
  lab.zone.set([](const DnsQuery& query) {
    return answer_v4(query, "192.0.2.1", query.name == "short.test" ? 0 : 0x7fffffff);
  });
  CHECK(lab.resolve("short.test").ttl == 50ms);
  CHECK(lab.resolve("long.test").ttl == 5s);
  CHECK(lab.resolver().cached("short.test"));
  lab.pass(60ms);
  CHECK_FALSE(lab.resolver().cached("short.test"));
}

TEST_CASE("equal questions in flight are one, and who gives up does not break the others") {
  Lab lab;
  lab.zone.set([](const DnsQuery& query) {
    std::this_thread::sleep_for(50ms);
    return answer_v4(query, "192.0.2.1");
  });
  int answered = 0;
  asio::cancellation_signal give_up;
  bool gave_up = false;
  asio::co_spawn(
      lab.io, lab.resolver().resolve("slow.test"),
      asio::bind_cancellation_slot(give_up.slot(), [&](std::exception_ptr, Resolution resolution) {
        gave_up = !resolution.ok();
      }));
  for (int i = 0; i < 100; ++i) {
    asio::co_spawn(lab.io, lab.resolver().resolve("slow.test"),
                   [&](std::exception_ptr, Resolution resolution) { answered += resolution.ok(); });
  }
  lab.pass(10ms);
  give_up.emit(asio::cancellation_type::terminal);
  CHECK(test::run_until(
      lab.io, [&] { return answered == 100; }, 2s));
  CHECK(gave_up);
  CHECK(lab.server.queries() == 2);
  CHECK(lab.resolver().counts().merged == 100);
}

TEST_CASE("a question that nobody waits for any more ends, and its sockets are closed") {
  Lab lab;
  lab.options.timeout = 60s;
  lab.options.try_timeout = 30s;
  lab.zone.set([](const DnsQuery&) { return std::vector<Bytes>{}; });
  lab.resolver();
  lab.pass(1ms);
  const auto before = test::open_descriptors();
  std::array<asio::cancellation_signal, 2> give_up;
  std::vector<ResolveStatus> statuses;
  for (auto& signal : give_up) {
    asio::co_spawn(
        lab.io, lab.resolver().resolve("slow.test"),
        asio::bind_cancellation_slot(signal.slot(), [&](std::exception_ptr, Resolution resolution) {
          statuses.push_back(resolution.status);
        }));
  }
  REQUIRE(test::run_until(lab.io, [&] { return lab.server.queries() == 2; }));
  CHECK(test::open_descriptors() > before);
  give_up[0].emit(asio::cancellation_type::terminal);
  REQUIRE(test::run_until(lab.io, [&] { return statuses.size() == 1; }));
  CHECK(test::open_descriptors() > before);
  give_up[1].emit(asio::cancellation_type::terminal);
  REQUIRE(test::run_until(lab.io, [&] { return statuses.size() == 2; }));
  CHECK(test::open_descriptors() == before);
  CHECK(statuses == std::vector(2, ResolveStatus::cancelled));
  // The next one begins anew.
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1"); });
  CHECK(lab.resolve("slow.test").ok());
}

TEST_CASE("a server that is silent costs the timeout and no more") {
  Lab lab;
  lab.zone.set([](const DnsQuery&) { return std::vector<Bytes>{}; });
  const auto begin = Clock::now();
  const auto resolution = lab.resolve("www.test");
  const auto took = Clock::now() - begin;
  CHECK(resolution.status == ResolveStatus::timeout);
  CHECK(took >= 1500ms);
  CHECK(took < 2000ms);
  // It was asked again and again.
  CHECK(lab.server.queries() >= 10);
}

TEST_CASE("DNS that comes back is used within a try") {
  Lab lab;
  lab.options.timeout = 10s;
  lab.zone.set([](const DnsQuery&) { return std::vector<Bytes>{}; });
  std::optional<Resolution> resolution;
  asio::co_spawn(lab.io, lab.resolver().resolve("www.test"),
                 [&](std::exception_ptr, Resolution result) { resolution = std::move(result); });
  lab.pass(1s);
  CHECK_FALSE(resolution);
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1"); });
  const auto begin = Clock::now();
  REQUIRE(test::run_until(lab.io, [&] { return resolution.has_value(); }));
  CHECK(Clock::now() - begin < 500ms);
  CHECK(resolution->ok());
}

TEST_CASE("a dead first server, refusing or silent, costs one try") {
  DnsServer silent([](const DnsQuery&) { return std::vector<Bytes>{}; }, "127.0.0.9");
  Zone zone;
  zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1"); });
  DnsServer good(zone.handler(), "127.0.0.10", silent.port());
  for (const std::string dead : {"127.0.0.8", "127.0.0.9"}) {
    INFO(dead);
    TemporaryFile resolv("nameserver " + dead + "\nnameserver 127.0.0.10\n");
    asio::io_context io{1};
    ResolverOptions options;
    options.resolv_conf = resolv.path;
    options.hosts = "/nonexistent";
    options.port = silent.port();
    options.try_timeout = 200ms;
    auto resolver = *Resolver::make(io, options);
    const auto resolution = run(io, resolver.resolve("www.test"));
    CHECK(resolution.ok());
    CHECK(resolution.elapsed < 600ms);
  }
}

TEST_CASE("one family that never answers does not hold up the other") {
  Lab lab;
  lab.zone.set([](const DnsQuery& query) {
    return query.type == test::kA ? answer_v4(query, "192.0.2.1") : std::vector<Bytes>{};
  });
  const auto resolution = lab.resolve("www.test");
  CHECK(resolution.ok());
  CHECK(resolution.elapsed >= 150ms);
  CHECK(resolution.elapsed < 400ms);
}

TEST_CASE("junk, wrong ids and answers for other names are dropped, and the good one taken") {
  Lab lab;
  lab.zone.set([](const DnsQuery& query) -> std::vector<Bytes> {
    auto wrong_id = DnsReplyBuilder(query).address(query.name, ip("192.0.2.66"), 60).build();
    wrong_id[0] ^= 0x55U;
    DnsQuery other = query;
    other.name = "other.test";
    const auto wrong_name =
        DnsReplyBuilder(other).address("other.test", ip("192.0.2.66"), 60).build();
    const auto good = answer_v4(query, "192.0.2.1").front();
    return {{1, 2, 3}, wrong_id, wrong_name, good};
  });
  const auto resolution = lab.resolve("www.test");
  CHECK(resolution.addresses == std::vector{ip("192.0.2.1")});
  CHECK_FALSE(lab.resolver().cached("other.test"));
}

TEST_CASE("an answer that was cut is asked for again over TCP, and its addresses are bounded") {
  Lab lab;
  std::atomic<int> over_tcp{0};
  lab.zone.set([&](const DnsQuery& query) -> std::vector<Bytes> {
    DnsReplyBuilder builder(query);
    if (query.transport == DnsQuery::Transport::udp) return {builder.truncated().build()};
    ++over_tcp;
    for (unsigned i = 0; i < 2900 && query.type == test::kA; ++i) {
      const std::array<std::uint8_t, 4> bytes{10, 0, static_cast<std::uint8_t>(i >> 8U),
                                              static_cast<std::uint8_t>(i)};
      builder.address("w.test", IpAddress::from_bytes(bytes), 60);
    }
    return {builder.build()};
  });
  const auto resolution = lab.resolve("w.test");
  CHECK(resolution.ok());
  CHECK(resolution.addresses.size() == 128);
  CHECK(over_tcp == 2);
}

TEST_CASE("while DNS is down the last good answer serves, for a while") {
  Lab lab;
  lab.options.serve_stale = 1s;
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1", 0); });
  CHECK_FALSE(lab.resolve("www.test").stale);
  lab.zone.set([](const DnsQuery&) { return std::vector<Bytes>{}; });
  lab.pass(60ms);
  const auto first = lab.resolve("www.test");
  CHECK(first.stale);
  CHECK(first.addresses == std::vector{ip("192.0.2.1")});
  CHECK(first.elapsed >= 100ms);
  CHECK(first.ttl == 0ms);
  // That it is down is known now: nobody waits any more.
  const auto second = lab.resolve("www.test");
  CHECK(second.stale);
  CHECK(second.elapsed < 50ms);
  CHECK(lab.resolver().counts().stale == 2);

  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.2", 60); });
  CHECK(test::run_until(
      lab.io, [&] { return lab.resolver().cached("www.test").has_value(); }, 1s));
  CHECK(lab.resolve("www.test").addresses == std::vector{ip("192.0.2.2")});
}

TEST_CASE("a stale answer ends too") {
  Lab lab;
  lab.options.serve_stale = 200ms;
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1", 0); });
  lab.resolve("www.test");
  lab.zone.set([](const DnsQuery& query) -> std::vector<Bytes> {
    return {DnsReplyBuilder(query).rcode(2).build()};
  });
  lab.pass(100ms);
  CHECK(lab.resolve("www.test").stale);
  lab.pass(250ms);
  const auto resolution = lab.resolve("www.test");
  CHECK_FALSE(resolution.stale);
  CHECK(resolution.status == ResolveStatus::failed);
  CHECK(resolution.addresses.empty());
}

TEST_CASE("a name that is gone is gone: no stale answer for NXDOMAIN") {
  Lab lab;
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1", 0); });
  lab.resolve("www.test");
  lab.zone.set(answer_missing);
  lab.pass(60ms);
  CHECK(lab.resolve("www.test").status == ResolveStatus::not_found);
}

TEST_CASE("a refresh asks although the cache knows, and keeps the last good answer") {
  Lab lab;
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1"); });
  lab.resolve("www.test");
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.2"); });
  CHECK(run(lab.io, lab.resolver().refresh("www.test")).addresses == std::vector{ip("192.0.2.2")});
  CHECK(lab.resolver().cached("www.test")->addresses == std::vector{ip("192.0.2.2")});
  lab.zone.set([](const DnsQuery& query) -> std::vector<Bytes> {
    return {DnsReplyBuilder(query).rcode(5).build()};
  });
  const auto kept = run(lab.io, lab.resolver().refresh("www.test"));
  CHECK(kept.stale);
  CHECK(kept.addresses == std::vector{ip("192.0.2.2")});
}

TEST_CASE("the cache and the questions in flight are bounded") {
  Lab lab;
  lab.options.cache_entries = 10;
  lab.options.questions = 5;
  lab.zone.set([](const DnsQuery& query) { return answer_v4(query, "192.0.2.1"); });
  for (int i = 0; i < 50; ++i) CHECK(lab.resolve("n" + std::to_string(i) + ".test").ok());
  CHECK(lab.resolver().counts().cached == 10);
  CHECK(lab.resolver().cached("n49.test"));
  CHECK_FALSE(lab.resolver().cached("n39.test"));

  lab.zone.set([](const DnsQuery&) { return std::vector<Bytes>{}; });
  int failed = 0;
  int ended = 0;
  for (int i = 0; i < 8; ++i) {
    asio::co_spawn(lab.io, lab.resolver().resolve("q" + std::to_string(i) + ".test"),
                   [&](std::exception_ptr, Resolution resolution) {
                     ++ended;
                     failed += resolution.status == ResolveStatus::failed;
                   });
  }
  lab.pass(50ms);
  CHECK(failed == 3);
  CHECK(test::run_until(
      lab.io, [&] { return ended == 8; }, 3s));
}

TEST_CASE("a resolver that ends wakes its callers and leaves no descriptor") {
  // The loop's own descriptors.
  asio::io_context io{1};
  asio::steady_timer warm_up(io, 0ms);
  run(io, [](asio::steady_timer& timer) -> asio::awaitable<int> {
    co_await timer.async_wait(asio::use_awaitable);
    co_return 0;
  }(warm_up));
  DnsServer server([](const DnsQuery&) { return std::vector<Bytes>{}; });
  TemporaryFile resolv("nameserver 127.0.0.1\n");
  const auto before = test::open_descriptors();
  std::optional<Resolution> resolution;
  {
    ResolverOptions options;
    options.resolv_conf = resolv.path;
    options.port = server.port();
    auto resolver = *Resolver::make(io, options);
    asio::co_spawn(io, resolver.resolve("www.test"),
                   [&](std::exception_ptr, Resolution result) { resolution = std::move(result); });
    test::run_until(
        io, [] { return false; }, 50ms);
    CHECK(test::open_descriptors() > before);
  }
  REQUIRE(test::run_until(
      io, [&] { return resolution.has_value(); }, 1s));
  CHECK(resolution->status == ResolveStatus::failed);
  CHECK(test::open_descriptors() == before);
}

}  // namespace
}  // namespace egress::net
