#include "common/net/relay.hpp"

#include <malloc.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <random>
#include <thread>
#include <vector>

#include "test/support/net_loop.hpp"
#include "test/support/net_pair.hpp"

namespace egress::net {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;
using test::make_pair;
using test::Pair;
using test::Peer;

struct Seen {
  std::optional<RelayEnd> end;
  RelayBytes bytes;
  std::string shown;
};

class Observer : public RelayObserver {
 public:
  using Inspect = std::function<Inspection(std::string_view all)>;
  explicit Observer(Seen& seen, Inspect inspect = {}) : seen_(seen), inspect_(std::move(inspect)) {}

  Inspection on_client_bytes(std::string_view bytes) override {
    seen_.shown += bytes;
    return inspect_ ? inspect_(seen_.shown) : Inspection::finish;
  }
  void on_end(RelayEnd end, const RelayBytes& bytes) override {
    seen_.end = end;
    seen_.bytes = bytes;
  }

 private:
  Seen& seen_;
  Inspect inspect_;
};

// The loop of the relays runs in a thread of its own, so that the ends may block. The Seen
// of each must outlive it.
class Lab {
 public:
  explicit Lab(RelayOptions options = {}) : relays(io, deadlines, options) {}
  ~Lab() { stop(); }

  struct Ends {
    Peer client;
    Peer upstream;
  };
  Ends start(Seen& seen, Observer::Inspect inspect = {}, std::string from_client = {},
             std::string from_upstream = {}) {
    auto client = make_pair(io);
    auto upstream = make_pair(io);
    relays.start({std::move(client.ours), std::move(upstream.ours), std::move(from_client),
                  std::move(from_upstream), std::make_unique<Observer>(seen, std::move(inspect))});
    return {std::move(client.theirs), std::move(upstream.theirs)};
  }
  void go() {
    thread = std::thread([this] {
      const auto guard = asio::make_work_guard(io);
      io.run();
    });
  }
  // After which what the relays have seen may be looked at.
  void stop() {
    if (!thread.joinable()) return;
    io.stop();
    thread.join();
  }
  bool finish(const Seen& seen, std::chrono::milliseconds time = 5s) {
    stop();
    return test::run_until(
        io, [&] { return seen.end.has_value(); }, time);
  }

  asio::io_context io{1};
  Deadlines deadlines{io};
  Relays relays;
  std::thread thread;
};

std::string random_text(std::mt19937& random, std::size_t size) {
  std::string text(size, '\0');
  for (auto& c : text) c = static_cast<char>(random());
  return text;
}

TEST_CASE("what was read before goes first, then bytes both ways, and ends are passed on") {
  Seen seen;
  Lab lab;
  auto [client, upstream] = lab.start(seen, {}, "hello ", "welcome ");
  lab.go();
  CHECK(client.send("upstream"));
  CHECK(upstream.send("client"));
  client.finish();
  CHECK(upstream.receive_to_end() == "hello upstream");
  CHECK(upstream.send(", goodbye"));
  upstream.finish();
  CHECK(client.receive_to_end() == "welcome client, goodbye");
  REQUIRE(lab.finish(seen));
  CHECK(*seen.end == RelayEnd::complete);
  CHECK(seen.bytes.to_upstream == 14);
  CHECK(seen.bytes.to_client == 23);
  CHECK(lab.relays.active() == 0);
  CHECK(lab.relays.total().to_client == 23);
}

TEST_CASE("every byte arrives, whatever the sizes, pauses and half-closes") {
  std::mt19937 random(4);
  const auto before = test::open_descriptors();
  for (int round = 0; round < 12; ++round) {
    INFO("round " << round);
    Seen seen;
    Lab lab;
    auto [client, upstream] = lab.start(seen);
    lab.go();
    const auto up = random_text(random, random() % (1U << (10 + round)));
    const auto down = random_text(random, random() % (8U << (12 + round)));
    const auto send = [](Peer& peer, const std::string& text, unsigned seed) {
      std::mt19937 sizes(seed);
      std::size_t at = 0;
      while (at < text.size()) {
        const auto size = std::min<std::size_t>(1 + sizes() % 300000, text.size() - at);
        if (!peer.send(std::string_view(text).substr(at, size))) return;
        at += size;
        if (sizes() % 4 == 0) std::this_thread::sleep_for(1ms);
      }
      peer.finish();
    };
    std::string got_up;
    std::string got_down;
    std::vector<std::thread> threads;
    threads.emplace_back([&, s = random()] { send(client, up, static_cast<unsigned>(s)); });
    threads.emplace_back([&, s = random()] { send(upstream, down, static_cast<unsigned>(s)); });
    threads.emplace_back([&] { got_up = upstream.receive_to_end(); });
    threads.emplace_back([&] { got_down = client.receive_to_end(); });
    for (auto& thread : threads) thread.join();
    CHECK(got_up == up);
    CHECK(got_down == down);
    REQUIRE(lab.finish(seen));
    CHECK(*seen.end == RelayEnd::complete);
    CHECK(seen.bytes.to_upstream == up.size());
    CHECK(seen.bytes.to_client == down.size());
  }
  CHECK(test::open_descriptors() == before);
}

TEST_CASE("a reader that is slow holds the sender up, and memory stays") {
  Seen seen;
  Lab lab;
  auto [client, upstream] = lab.start(seen);
  lab.go();
  const std::string piece(1U << 20U, 'x');
  std::atomic<std::size_t> sent{0};
  std::thread sender([&] {
    for (int i = 0; i < 64; ++i) {
      if (!upstream.send(piece)) return;
      sent += piece.size();
    }
    upstream.finish();
  });
  std::this_thread::sleep_for(300ms);
  const std::size_t buffered = sent;
  CHECK(buffered < 40U << 20U);
  CHECK(client.receive_to_end().size() == 64U << 20U);
  sender.join();
  client.finish();
  CHECK(lab.finish(seen));
}

TEST_CASE("a reset of one side is a reset for the other") {
  Seen seen;
  Lab lab;
  auto [client, upstream] = lab.start(seen);
  lab.go();
  upstream.send("some");
  CHECK(client.receive() == "some");
  upstream.reset();
  CHECK_THROWS(client.receive());
  REQUIRE(lab.finish(seen));
  CHECK(*seen.end == RelayEnd::upstream_error);

  Seen seen_second;
  Lab second;
  auto ends = second.start(seen_second);
  second.go();
  ends.client.reset();
  CHECK_THROWS(ends.upstream.receive());
  REQUIRE(second.finish(seen_second));
  CHECK(*seen_second.end == RelayEnd::client_error);
}

TEST_CASE("an idle relay ends in time, and traffic puts that off") {
  RelayOptions options;
  options.idle = 300ms;
  Seen seen;
  Lab lab(options);
  auto [client, upstream] = lab.start(seen);
  lab.go();
  const auto begin = Clock::now();
  for (int i = 0; i < 6; ++i) {
    std::this_thread::sleep_for(100ms);
    client.send("x");
    CHECK(upstream.receive() == "x");
  }
  CHECK_THROWS(client.receive());
  const auto took = Clock::now() - begin;
  CHECK(took >= 900ms);
  CHECK(took < 1500ms);
  REQUIRE(lab.finish(seen));
  CHECK(*seen.end == RelayEnd::idle);
}

TEST_CASE("the other side of a half-closed relay has its own time") {
  RelayOptions options;
  options.half_close = 200ms;
  Seen seen;
  Lab lab(options);
  auto [client, upstream] = lab.start(seen);
  lab.go();
  client.finish();
  CHECK(upstream.receive_to_end().empty());
  CHECK_THROWS(client.receive());
  REQUIRE(lab.finish(seen));
  CHECK(*seen.end == RelayEnd::idle);
}

TEST_CASE("an observer holds, then passes, then looks no more") {
  Seen seen;
  Lab lab;
  auto [client, upstream] = lab.start(
      seen,
      [](std::string_view all) { return all.size() < 4 ? Inspection::hold : Inspection::finish; },
      "a");
  lab.go();
  std::this_thread::sleep_for(20ms);
  client.send("bc");
  pollfd ready{upstream.fd(), POLLIN, 0};
  CHECK(::poll(&ready, 1, 100) == 0);
  client.send("d");
  CHECK(upstream.receive() == "abcd");
  client.send("ef");
  CHECK(upstream.receive() == "ef");
  client.finish();
  upstream.finish();
  REQUIRE(lab.finish(seen));
  CHECK(seen.shown == "abcd");
  CHECK(*seen.end == RelayEnd::complete);
}

TEST_CASE("what an observer refuses, and what it holds for too long, is never sent") {
  const std::vector<std::pair<std::string, Observer::Inspect>> cases{
      {"refused at once", [](std::string_view) { return Inspection::refuse; }},
      {"refused later",
       [](std::string_view all) { return all.size() < 8 ? Inspection::hold : Inspection::refuse; }},
      {"the client ends first", [](std::string_view) { return Inspection::hold; }},
  };
  for (const auto& [name, inspect] : cases) {
    INFO(name);
    Seen seen;
    Lab lab;
    auto [client, upstream] = lab.start(seen, inspect);
    lab.go();
    client.send("0123456789");
    client.finish();
    CHECK_THROWS(upstream.receive());
    REQUIRE(lab.finish(seen));
    CHECK(*seen.end == RelayEnd::refused);
    CHECK(seen.bytes.to_upstream == 0);
  }
  Seen seen;
  Lab lab;
  auto [client, upstream] = lab.start(seen, [](std::string_view) { return Inspection::hold; });
  lab.go();
  client.send(std::string(100'000, 'x'));
  CHECK_THROWS(upstream.receive());
  REQUIRE(lab.finish(seen));
  CHECK(*seen.end == RelayEnd::refused);
}

TEST_CASE("abort ends all relays, each told once, and no descriptor stays") {
  const auto before = test::open_descriptors();
  {
    std::vector<Seen> seen(50);
    Lab lab;
    std::vector<Lab::Ends> ends;
    for (auto& one : seen) ends.push_back(lab.start(one));
    CHECK(lab.relays.active() == 50);
    lab.relays.abort();
    CHECK(lab.relays.active() == 0);
    for (const auto& one : seen) CHECK(one.end == RelayEnd::aborted);
    for (auto& end : ends) CHECK_THROWS(end.client.receive());
    lab.io.poll();
  }
  CHECK(test::open_descriptors() == before);
}

// A sanitizer needs files of its own (it looks at memory through a pipe), and memory of its own.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("at the limit of files the bulk goes by a buffer") {
  Seen seen;
  Lab lab;
  auto [client, upstream] = lab.start(seen);
  std::vector<int> fill;
  for (int fd = ::dup(0); fd >= 0; fd = ::dup(0)) fill.push_back(fd);
  lab.go();
  std::thread sender([&, &peer = upstream] {
    peer.send(std::string(8U << 20U, 'x'));
    peer.finish();
  });
  const auto got = client.receive_to_end().size();
  sender.join();
  for (const int fd : fill) ::close(fd);
  CHECK(got == 8U << 20U);
  client.finish();
  CHECK(lab.finish(seen));
}

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t all = 0;
  std::size_t resident = 0;
  file >> all >> resident;
  return resident * 4096;
}

TEST_CASE("an idle relay costs at most 2 KiB of memory, also after bulk went through it") {
  constexpr std::size_t kRelays = 1000;
  std::vector<Seen> seen(kRelays + 1);
  Lab lab;
  std::vector<Lab::Ends> ends;
  ends.reserve(kRelays + 1);
  // What the first one allocates for all does not count.
  ends.push_back(lab.start(seen[kRelays]));
  lab.io.poll();
  const auto descriptors = test::open_descriptors();
  ::malloc_trim(0);
  const auto before = resident_bytes();
  for (std::size_t i = 0; i < kRelays; ++i) ends.push_back(lab.start(seen[i]));
  const std::string bulk(400'000, 'x');
  std::size_t expected = 0;
  for (auto& end : ends) {
    std::thread sender([&] { end.upstream.send(bulk); });
    std::size_t got = 0;
    std::thread receiver([&] {
      while (got < bulk.size()) got += end.client.receive().size();
    });
    expected += bulk.size();
    CHECK(test::run_until(
        lab.io, [&] { return lab.relays.total().to_client == expected; }, 5s));
    sender.join();
    receiver.join();
    lab.io.poll();
  }
  ::malloc_trim(0);
  const auto after = resident_bytes();
  const auto each = after > before ? (after - before) / kRelays : 0;
  WARN("an idle relay costs " << each << " bytes");
  CHECK(each <= 2048);
  // Four sockets each; spare pipes of the pool alone.
  CHECK(test::open_descriptors() - descriptors <= 4 * kRelays + 2 * 16);
}
#endif

}  // namespace
}  // namespace egress::net
