// nf_tables itself as the judge: a ruleset that load_ruleset sends, and its text loaded by nft,
// must list alike. And what load_ruleset promises: one transaction, nothing else touched. Each case
// has network namespaces of its own.
#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

#include "router-init/nfnetlink_socket.hpp"
#include "router-init/nft_socket.hpp"
#include "test/support/parse.hpp"
#include "test/support/ruleset_samples.hpp"

namespace egress::router {
namespace {

using egress::test::ip;

// Runs `work` on a thread with a network namespace of its own, which ends with it. Programs that
// `work` starts are in it too.
void in_new_netns(const std::function<void()>& work) {
  std::exception_ptr failure;
  std::thread([&] {
    try {
      if (::unshare(CLONE_NEWNET) < 0) {
        throw std::runtime_error("needs root, or test/lab/sandbox: no network namespace");
      }
      work();
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
}

std::string output_of(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) throw std::runtime_error("cannot start " + command);
  std::string output;
  std::array<char, 4096> buffer{};
  while (const auto count = std::fread(buffer.data(), 1, buffer.size(), pipe)) {
    output.append(buffer.data(), count);
  }
  if (::pclose(pipe) != 0) throw std::runtime_error(command + ": " + output);
  return output;
}

void nft_load(const std::string& text) {
  FILE* pipe = ::popen("nft -f -", "we");
  if (pipe == nullptr) throw std::runtime_error("cannot start nft");
  std::fwrite(text.data(), 1, text.size(), pipe);
  if (::pclose(pipe) != 0) throw std::runtime_error("nft refused:\n" + text.substr(0, 4000));
}

void load(const Ruleset& ruleset) {
  if (const auto loaded = load_ruleset(ruleset); !loaded) {
    throw std::runtime_error(to_text(loaded.error()));
  }
}

std::string listing() { return output_of("nft list ruleset"); }

struct Listings {
  std::string text;
  std::string json;  // handles included

  bool operator==(const Listings&) const = default;
};

Listings listed_after(const std::function<void()>& load_it) {
  Listings listings;
  in_new_netns([&] {
    load_it();
    listings = {listing(), output_of("nft -j list ruleset")};
  });
  return listings;
}

// Around the first place where the two differ; empty where they do not. A whole listing would take
// Catch minutes to print.
std::string difference(const std::string& one, const std::string& other) {
  const auto at = std::mismatch(one.begin(), one.end(), other.begin(), other.end());
  if (at.first == one.end() && at.second == other.end()) return {};
  const auto offset = static_cast<std::size_t>(at.first - one.begin());
  const std::size_t start = offset < 100 ? 0 : offset - 100;
  return one.substr(start, 200) + "\ninstead of\n" + other.substr(start, 200);
}

void check_alike(const Ruleset& ruleset) {
  const auto sent = listed_after([&] { load(ruleset); });
  const auto printed = listed_after([&] { nft_load(to_nft_text(ruleset)); });
  CHECK(sent.text.substr(0, 24) == "table inet egress_router");
  CHECK(difference(sent.text, printed.text) == "");
  CHECK(difference(sent.json, printed.json) == "");
}

const Ruleset& everything() { return test::readable_samples().back().ruleset; }
const Ruleset& guard() { return test::readable_samples().front().ruleset; }

constexpr const char* kOthers = R"(
table inet other {
  comment "plan 0000000000000000"
  counter hits { packets 7 bytes 9 }
  chain egress_router {
    type filter hook forward priority 5
    counter name "hits" accept
  }
}
table ip egress_router {
  set s {
    type ipv4_addr
    elements = { 192.0.2.1 }
  }
}
)";

std::string others() {
  return output_of("nft -a list table inet other && nft -a list table ip egress_router");
}

TEST_CASE("sent and printed list alike: readable rulesets and corner cases") {
  for (const auto& samples : {test::readable_samples(), test::corner_samples()}) {
    for (const auto& [name, ruleset] : samples) {
      INFO(name);
      check_alike(ruleset);
    }
  }
}

TEST_CASE("sent and printed list alike: random rulesets") {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    check_alike(test::random_ruleset(seed));
  }
}

TEST_CASE("sent over printed, printed over sent, and twice, end alike") {
  const auto once = listed_after([] { load(everything()); }).text;
  CHECK(listed_after([] {
          load(everything());
          load(everything());
        }).text == once);
  CHECK(listed_after([] {
          nft_load(to_nft_text(guard()));
          load(everything());
        }).text == once);
  CHECK(listed_after([] {
          load(test::random_ruleset(1));
          nft_load(to_nft_text(everything()));
        }).text == once);
}

TableState read_back() {
  const auto table = read_table();
  if (!table) throw std::runtime_error(to_text(table.error()));
  if (!*table) throw std::runtime_error("no table");
  return **table;
}

TEST_CASE("the kernel lists what it was sent, whoever loaded the table") {
  for (const auto& samples : {test::readable_samples(), test::corner_samples()}) {
    for (const auto& [name, ruleset] : samples) {
      INFO(name);
      TableState sent;
      TableState printed;
      in_new_netns([&, &one = ruleset] {
        load(one);
        sent = read_back();
        nft_load(to_nft_text(one));
        printed = read_back();
      });
      const auto desired = state_of(ruleset);
      CHECK(differences(desired, sent) == "");
      CHECK(differences(desired, printed) == "");
      CHECK(sent.comment == "plan " + fingerprint(ruleset));
      CHECK(printed.comment == sent.comment);
    }
  }
}

TEST_CASE("the kernel lists what it was sent: random rulesets") {
  for (std::uint32_t seed = 0; seed < 40; ++seed) {
    INFO("seed " << seed);
    const auto ruleset = test::random_ruleset(seed);
    TableState sent;
    in_new_netns([&] {
      load(ruleset);
      sent = read_back();
    });
    CHECK(sent == state_of(ruleset));
  }
}

TEST_CASE("no table is read where there is none, or another's") {
  in_new_netns([] {
    nft_load(kOthers);
    const auto table = read_table();
    if (!table || *table) throw std::runtime_error("a table was read");
  });
}

TEST_CASE("whatever is changed by hand is seen, and named") {
  const std::string table = "inet egress_router";
  const std::vector<std::pair<std::string, std::string>> changes{
      {"nft flush chain " + table + " input", "chain input"},
      {"nft delete rule " + table + " leak_guard handle $(nft -a list chain " + table +
           " leak_guard | sed -n 's/.*drop # handle //p' | tail -1)",
       "chain leak_guard"},
      {"nft insert rule " + table + " forward accept", "chain forward"},
      {"nft add rule " + table + " translate counter", "chain translate"},
      {"nft 'chain " + table + " forward { policy accept; }'", "chain forward"},
      {"nft 'add chain " + table + " another'", "chain another"},
      {"nft 'add chain " + table + " another { type filter hook input priority -5; }'",
       "chain another"},
      {"nft 'add counter " + table + " another'", "counter another"},
      {"nft 'add table " + table + " { flags dormant; }'", "table"},
      {"nft 'delete element " + table + " egress4 { 10.42.253.46 }'", "set egress4"},
      {"nft 'delete element " + table + " egress4 { 10.42.253.46 }; add element " + table +
           " egress4 { 10.42.253.47 }'",
       "set egress4"},
      {"nft 'delete element " + table + " destinations4 { tcp . 53 }'", "set destinations4"},
      {"nft 'delete element " + table + " destinations4 { tcp . 53 }; add element " + table +
           " destinations4 { tcp . 53 : 203.0.113.54 . 53 }'",
       "set destinations4"},
      {"nft 'delete element " + table + " tcp_ranges4 { 8000-8099 }; add element " + table +
           " tcp_ranges4 { 8000-8098 : 203.0.113.5 }'",
       "set tcp_ranges4"},
      {"nft 'add set " + table + " another { type ipv4_addr; }'", "set another"},
  };
  for (const auto& [command, object] : changes) {
    INFO(command);
    std::string named;
    in_new_netns([&, &change = command] {
      load(everything());
      output_of(change);
      named = differences(state_of(everything()), read_back());
    });
    CHECK(named == object);
  }
}

// The most that a table of destinations can hold, in a map of single ports.
TEST_CASE("sixty thousand elements are verified") {
  Ruleset ruleset = guard();
  Translation& translation = ruleset.translation.emplace();
  for (std::uint32_t port = 1; port <= 60000; ++port) {
    translation.ports.push_back({Protocol::tcp, static_cast<std::uint16_t>(port), ip("203.0.113.1"),
                                 static_cast<std::uint16_t>(port)});
  }
  std::chrono::steady_clock::duration loading{};
  std::chrono::steady_clock::duration verifying{};
  std::string named;
  in_new_netns([&] {
    const auto start = std::chrono::steady_clock::now();
    load(ruleset);
    const auto loaded = std::chrono::steady_clock::now();
    named = differences(state_of(ruleset), read_back());
    loading = loaded - start;
    verifying = std::chrono::steady_clock::now() - loaded;
  });
  CHECK(named == "");
  using Milliseconds = std::chrono::duration<double, std::milli>;
  WARN("loaded in " << Milliseconds(loading).count() << " ms, verified in "
                    << Milliseconds(verifying).count() << " ms");
}

TEST_CASE("other tables stay as they are") {
  std::string before;
  std::vector<std::string> after;
  in_new_netns([&] {
    nft_load(kOthers);
    before = others();
    load(everything());
    after.push_back(others());
    load(guard());
    after.push_back(others());
    delete_ruleset().value();
    after.push_back(others());
  });
  CHECK(before.find("packets 7 bytes 9") != std::string::npos);
  CHECK(after == std::vector<std::string>(3, before));
}

TEST_CASE("our table is deleted, and none being there is no error") {
  in_new_netns([] {
    delete_ruleset().value();
    load(everything());
    delete_ruleset().value();
    if (!listing().empty()) throw std::runtime_error("still there: " + listing());
    delete_ruleset().value();
  });
}

// A ruleset that only the kernel can refuse: it comes to the conflict when most of the transaction
// is done.
Ruleset conflicting() {
  Ruleset ruleset = everything();
  ruleset.translation->ports.push_back({Protocol::tcp, 53, ip("203.0.113.54"), 53});
  ruleset.translation->ranges.push_back({Protocol::udp, {65000, 65001}, ip("203.0.113.9")});
  return ruleset;
}

TEST_CASE(
    "what the kernel refuses leaves the old table in place, and the first error is reported") {
  std::string before;
  std::string after;
  std::optional<Error> error;
  in_new_netns([&] {
    load(guard());
    before = output_of("nft -a list ruleset");
    if (const auto loaded = load_ruleset(conflicting()); !loaded) error = loaded.error();
    after = output_of("nft -a list ruleset");
  });
  CHECK(after == before);
  REQUIRE(error);
  CHECK(error->stage == ExitCode::ruleset);
  CHECK(error->object == "table inet egress_router: map destinations4, elements 1 to 4");
  CHECK(error->cause == "EEXIST (File exists)");
}

// Of the calling thread alone.
void drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<__user_cap_data_struct, 2> none{};
  if (::syscall(SYS_capset, &header, none.data()) < 0) throw std::runtime_error("capset");
}

TEST_CASE("without CAP_NET_ADMIN the error says what is needed") {
  std::vector<Error> errors;
  in_new_netns([&] {
    drop_capabilities();
    errors.push_back(load_ruleset(everything()).error());
    errors.push_back(delete_ruleset().error());
    errors.push_back(read_table().error());
  });
  for (const auto& error : errors) {
    CHECK(error.stage == ExitCode::ruleset);
    CHECK(error.object.starts_with("table inet egress_router"));
    CHECK(error.cause == "EPERM (Operation not permitted)");
    CHECK(error.hint.find("CAP_NET_ADMIN") != std::string::npos);
  }
}

TEST_CASE("where the kernel lacks a subsystem, the error names the module") {
  constexpr int kUnknown = 99;  // beyond NFNL_SUBSYS_COUNT, hence never registered
  std::vector<Error> errors;
  in_new_netns([&] {
    auto socket = NfnetlinkSocket::open({"conntrack entries", "load the module"}).value();
    MessageWriter request;
    request.begin({kUnknown, 0, NLM_F_DUMP, 0, AF_UNSPEC, 0});
    request.end();
    errors.push_back(socket.dump(request.bytes(), [](const nlmsghdr&) {}).error());
  });
  CHECK(errors == std::vector<Error>{{ExitCode::ruleset, "conntrack entries",
                                      "EINVAL (Invalid argument)", "load the module", EINVAL}});
}

}  // namespace
}  // namespace egress::router
