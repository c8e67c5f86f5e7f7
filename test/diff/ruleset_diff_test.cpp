// nf_tables itself as the judge: a ruleset that load_ruleset sends, and its text loaded by nft,
// must list alike. And what load_ruleset promises: one transaction, nothing else touched. Each case
// has network namespaces of its own.
#include <linux/capability.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>

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

TEST_CASE("the fingerprint is read back, whoever loaded the table") {
  std::vector<std::optional<std::string>> read;
  in_new_netns([&] {
    const auto look = [&] { read.push_back(read_fingerprint().value()); };
    look();
    load(everything());
    look();
    nft_load(to_nft_text(guard()));
    look();
    output_of("nft delete table inet egress_router; nft add table inet egress_router");
    look();
    output_of(
        "nft delete table inet egress_router; nft 'add table inet egress_router { comment "
        "\"mine\"; }'");
    look();
  });
  CHECK(read == std::vector<std::optional<std::string>>{std::nullopt, fingerprint(everything()),
                                                        fingerprint(guard()), "", ""});
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
    errors.push_back(read_fingerprint().error());
  });
  for (const auto& error : errors) {
    CHECK(error.stage == ExitCode::ruleset);
    CHECK(error.object.starts_with("table inet egress_router"));
    CHECK(error.cause == "EPERM (Operation not permitted)");
    CHECK(error.hint.find("CAP_NET_ADMIN") != std::string::npos);
  }
}

}  // namespace
}  // namespace egress::router
