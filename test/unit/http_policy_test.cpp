// Where may it go: the rows of names and addresses, and the two phases of a decision.
#include "http-proxy/policy.hpp"

#include <catch2/catch.hpp>
#include <random>

#include "test/support/parse.hpp"

namespace egress::http {
namespace {

using test::ip;

const std::string kHostile = "!bad.test\n!*.bad.test\n!10.0.0.0/8\n!fd00::/8\n*\n";

Policy make_policy(const std::string& rules, PolicyOptions options = {}) {
  Diagnostics diagnostics;
  auto table = parse_rules({"RULES", rules}, diagnostics);
  REQUIRE(diagnostics.to_text(Severity::error) == "");
  return Policy(std::move(table), std::move(options));
}

Host host(const std::string& text) {
  auto parsed = parse_host(text);
  if (!parsed) throw std::invalid_argument(parsed.error().text);
  return *parsed;
}

std::vector<IpAddress> ips(const std::vector<std::string>& texts) {
  std::vector<IpAddress> addresses;
  for (const auto& text : texts) addresses.push_back(ip(text));
  return addresses;
}

// "refuse address_rule 3", "resolve", "connect name_rule 5 to 192.0.2.1".
std::string told(const Decision& decision) {
  if (decision.next == Next::resolve) return "resolve";
  std::string text = decision.next == Next::refuse ? "refuse " : "connect ";
  text += to_text(decision.reason);
  if (decision.line != 0) text += " " + std::to_string(decision.line);
  for (const auto& address : decision.admitted) text += " to " + to_text(address);
  return text;
}

std::string by_host(const Policy& policy, const std::string& text, std::uint16_t port = 80) {
  const auto one = host(text);
  return told(policy.decide({one, port, Access::forward}));
}

std::string by_answers(const Policy& policy, const std::string& name,
                       const std::vector<std::string>& answers) {
  const auto one = host(name);
  return told(policy.decide({one, 80, Access::forward}, ips(answers)));
}

TEST_CASE("denied names, however they are spelt") {
  const auto policy = make_policy(kHostile);
  for (const std::string name : {"BAD.test", "bad.test.", "bad.test"}) {
    INFO(name);
    CHECK(by_host(policy, name) == "refuse name_rule 1");
  }
  CHECK(by_host(policy, "a.BAD.TEST.") == "refuse name_rule 2");
  CHECK(by_host(policy, "good.test") == "resolve");
  CHECK(by_host(policy, "notbad.test") == "resolve");
}

TEST_CASE("one IPv4 address in all its clothes is judged as itself") {
  const auto policy = make_policy(kHostile);
  for (const std::string text :
       {"10.0.0.1", "[::ffff:10.0.0.1]", "[::ffff:a00:1]", "[64:ff9b::a00:1]", "[2002:a00:1::1]",
        "[::10.0.0.1]", "[::ffff:0:10.0.0.1]", "[64:ff9b:1::10.0.0.1]",
        "[2001:0:c000:201::f5ff:fffe]", "[2001:db8::5efe:10.0.0.1]",
        "[2001:db8::200:5efe:10.0.0.1]"}) {
    INFO(text);
    CHECK(by_host(policy, text) == "refuse address_rule 3");
    CHECK(by_answers(policy, "good.test", {to_text(host(text).address())}) ==
          "refuse address_rule 3");
  }
  CHECK(by_host(policy, "[fd12::1]") == "refuse address_rule 4");
  CHECK(by_host(policy, "[::ffff:192.0.2.1]") == "connect name_rule 5 to 192.0.2.1");
  CHECK(by_host(policy, "[64:ff9b::192.0.2.1]") == "connect name_rule 5 to 64:ff9b::c000:201");
}

TEST_CASE("special-purpose addresses are denied under *, by address and by name") {
  const auto policy = make_policy("*\n");
  const std::vector<std::pair<std::string, std::string>> cases{
      {"[::]", "unspecified"},
      {"0.0.0.0", "unspecified"},
      {"0.1.2.3", "unspecified"},
      {"127.1.2.3", "loopback"},
      {"[::1]", "loopback"},
      {"[::ffff:127.0.0.1]", "loopback"},
      {"[64:ff9b::7f00:1]", "loopback"},
      {"[2002:7f00:1::]", "loopback"},
      {"169.254.169.254", "link_local"},
      {"[64:ff9b::a9fe:a9fe]", "link_local"},
      {"[fe80::1]", "link_local"},
      {"[ff02::1]", "multicast"},
      {"224.0.0.1", "multicast"},
      {"255.255.255.255", "broadcast"},
      {"240.0.0.1", "reserved"},
      {"100.100.100.200", "metadata"},
      {"[::ffff:100.100.100.200]", "metadata"},
      {"192.0.0.192", "protocol_assignments"},
      {"[64:ff9b::c000:c0]", "protocol_assignments"},
      {"[fd00:ec2::254]", "metadata"},
      {"[::192.0.2.1]", "ipv4_compatible"},
      {"[::2]", "unspecified"},
      {"[64:ff9b:1::]", "unclear_embedding"},
      {"[64:ff9b:1:a00:0:100::]", "unclear_embedding"},
      {"[64:ff9b:1:0:ff00::1]", "unclear_embedding"},
  };
  for (const auto& [text, reason] : cases) {
    INFO(text);
    CHECK(by_host(policy, text) == "refuse " + reason);
    CHECK(by_answers(policy, "good.test", {to_text(host(text).address())}) == "refuse " + reason);
    CHECK(by_answers(policy, "good.test", {"192.0.2.1", to_text(host(text).address())}) ==
          "refuse " + reason);
  }
  PolicyOptions trusting;
  trusting.special = SpecialAddresses::allow;
  CHECK(by_host(make_policy("*\n", trusting), "127.0.0.1") == "connect name_rule 1 to 127.0.0.1");
}

TEST_CASE("a special-purpose address passes where a rule names it, and a wide rule does not") {
  CHECK(by_host(make_policy("169.254.169.254\n"), "169.254.169.254") ==
        "connect address_rule 1 to 169.254.169.254");
  CHECK(by_host(make_policy("fe80::/10\n"), "[fe80::1]") == "connect address_rule 1 to fe80::1");
  CHECK(by_host(make_policy("127.0.0.0/8\n"), "[::ffff:127.0.0.1]") ==
        "connect address_rule 1 to 127.0.0.1");
  CHECK(by_host(make_policy("::/96\n"), "[::192.0.2.1]") ==
        "connect address_rule 1 to ::192.0.2.1");
  CHECK(by_host(make_policy("64:ff9b:1::/48\n"), "[64:ff9b:1::]") ==
        "connect address_rule 1 to 64:ff9b:1::");
  CHECK(by_host(make_policy("0.0.0.0/0\n"), "127.0.0.1") == "refuse loopback");
  CHECK(by_host(make_policy("!127.0.0.0/8\n127.0.0.1\n"), "127.0.0.1") == "refuse address_rule 1");
  // A rule about the name alone names no address; with one behind it that does, it is meant.
  CHECK(by_answers(make_policy("metadata.test\n"), "metadata.test", {"169.254.169.254"}) ==
        "refuse link_local");
  CHECK(by_answers(make_policy("metadata.test\n169.254.169.254\n"), "metadata.test",
                   {"169.254.169.254"}) == "connect name_rule 1 to 169.254.169.254");
}

TEST_CASE("an IPv6 rule opens no IPv4 address inside, unless it names the embedding") {
  const auto wide = make_policy("::/0\n!10.0.0.0/8\n*\n");
  CHECK(by_host(wide, "[64:ff9b::a00:1]") == "refuse address_rule 2");
  CHECK(by_host(wide, "[2002:a00:1::1]") == "refuse address_rule 2");
  CHECK(by_host(wide, "[2001:db8::1]") == "connect address_rule 1 to 2001:db8::1");
  CHECK(by_host(make_policy("64:ff9b::/96\n!10.0.0.0/8\n"), "[64:ff9b::a00:1]") ==
        "connect address_rule 1 to 64:ff9b::a00:1");
  CHECK(by_host(make_policy("!::/0\n*\n"), "[64:ff9b::192.0.2.1]") == "refuse address_rule 1");
  CHECK(by_host(make_policy("192.0.2.0/24\n"), "[64:ff9b::192.0.2.1]") ==
        "connect address_rule 1 to 64:ff9b::c000:201");
}

TEST_CASE("answers: one denied denies all, an allow admits what matches") {
  const auto hostile = make_policy(kHostile);
  CHECK(by_answers(hostile, "good.test", {"10.0.0.1"}) == "refuse address_rule 3");
  CHECK(by_answers(hostile, "good.test", {"192.0.2.1", "10.0.0.1"}) == "refuse address_rule 3");
  CHECK(by_answers(hostile, "good.test", {"192.0.2.1", "2001:db8::1"}) ==
        "connect name_rule 5 to 192.0.2.1 to 2001:db8::1");
  const auto allow_list = make_policy("192.0.2.0/24\n");
  CHECK(by_host(allow_list, "good.test") == "resolve");
  CHECK(by_answers(allow_list, "good.test", {"198.51.100.1", "192.0.2.1"}) ==
        "connect address_rule 1 to 192.0.2.1");
  CHECK(by_answers(allow_list, "good.test", {"198.51.100.1"}) == "refuse no_rule");
  CHECK(by_host(allow_list, "198.51.100.1") == "refuse no_rule");
  const auto both = make_policy("192.0.2.0/24\n!10.0.0.0/8\n*\n");
  CHECK(by_answers(both, "good.test", {"192.0.2.1", "10.0.0.1"}) == "refuse address_rule 2");
}

TEST_CASE("no answer is no reason to pass") {
  const auto policy = make_policy(kHostile);
  CHECK(by_answers(policy, "good.test", {}) == "refuse no_address");
  const auto one = host("good.test");
  const Question question{one, 80, Access::forward};
  const auto failure = to_failure(policy.decide(question, {}), question, policy);
  CHECK(failure.status == 502);
  CHECK(failure.error == ProxyError::dns_error);
}

TEST_CASE("a name that no answer could let pass is refused without a question to DNS") {
  CHECK(by_host(make_policy("!10.0.0.0/8\n!bad.test\n*\n"), "bad.test") == "refuse name_rule 2");
  CHECK(by_host(make_policy("192.0.2.0/24\n!bad.test\n*\n"), "bad.test") == "resolve");
  CHECK(by_answers(make_policy("192.0.2.0/24\n!bad.test\n*\n"), "bad.test",
                   {"192.0.2.1", "198.51.100.1"}) == "connect address_rule 1 to 192.0.2.1");
  CHECK(by_host(make_policy("good.test\n"), "other.test") == "refuse no_rule");
  CHECK(by_host(make_policy("good.test\n!10.0.0.0/8\n"), "other.test") == "refuse no_rule");
  CHECK(by_host(make_policy("good.test\n"), "10.0.0.1") == "refuse no_rule");
}

TEST_CASE("the first line decides") {
  CHECK(by_host(make_policy("a.bad.test\n!*.bad.test\n*\n"), "a.bad.test") == "resolve");
  CHECK(by_answers(make_policy("a.bad.test\n!10.0.0.0/8\n"), "a.bad.test", {"10.0.0.1"}) ==
        "connect name_rule 1 to 10.0.0.1");
  CHECK(by_answers(make_policy("!10.0.0.0/8\na.bad.test\n"), "a.bad.test", {"10.0.0.1"}) ==
        "refuse address_rule 1");
}

TEST_CASE("the proxy itself") {
  PolicyOptions options;
  options.local.addresses = ips({"10.128.0.9", "10.42.253.46", "2001:db8::9"});
  options.local.listeners = {{std::nullopt, 8080}, {ip("10.128.0.9"), 9180}};
  options.local.addresses.push_back(ip("127.0.0.1"));
  const auto policy = make_policy("10.42.253.46\n127.0.0.0/8\n*\n", options);
  CHECK(by_host(policy, "127.0.0.1", 22) == "connect address_rule 2 to 127.0.0.1");
  CHECK(by_host(policy, "10.128.0.9", 8080) == "refuse own_listener");
  CHECK(by_host(policy, "10.128.0.9", 9180) == "refuse own_listener");
  CHECK(by_host(policy, "127.0.0.1", 8080) == "refuse own_listener");
  CHECK(by_host(policy, "[::ffff:10.128.0.9]", 8080) == "refuse own_listener");
  CHECK(by_host(policy, "[64:ff9b::10.128.0.9]", 8080) == "refuse own_listener");
  CHECK(by_host(policy, "10.42.253.46", 8080) == "refuse own_listener");
  CHECK(by_host(policy, "10.42.253.46", 22) == "connect address_rule 1 to 10.42.253.46");
  CHECK(by_host(policy, "10.128.0.9", 22) == "refuse own_address");
  CHECK(by_host(policy, "[2001:db8::9]", 22) == "refuse own_address");
  const auto self = host("self.test");
  const Question question{self, 8080, Access::forward};
  const auto decision = policy.decide(question, ips({"10.128.0.9"}));
  CHECK(told(decision) == "refuse own_listener");
  const auto failure = to_failure(decision, question, policy);
  CHECK(failure.status == 403);
  CHECK(failure.error == ProxyError::proxy_loop_detected);
  CHECK_THAT(failure.text, Catch::Contains("loop"));
}

TEST_CASE("names of one label get the domain that the setting appends, and no other name does") {
  PolicyOptions options;
  options.append_domain = "svc.cluster.local";
  const auto policy = make_policy("!*.svc.cluster.local\n*\n", options);
  CHECK(to_text(policy.complete(host("db"))) == "db.svc.cluster.local");
  CHECK(to_text(policy.complete(host("db.shop"))) == "db.shop");
  CHECK(to_text(policy.complete(host("192.0.2.1"))) == "192.0.2.1");
  CHECK(policy.decide_name("db").verdict == Verdict::deny);
  CHECK(to_text(make_policy("*\n").complete(host("db"))) == "db");
  const auto one = host("db");
  const Question question{one, 80, Access::forward};
  const auto failure = to_failure(Policy::deny_single_label(), question, policy);
  CHECK(failure.status == 403);
  CHECK(failure.error == ProxyError::http_request_denied);
  CHECK_THAT(failure.text, Catch::Contains("EGRESS_HTTP_PROXY_APPEND_DOMAIN"));
}

TEST_CASE("ports of CONNECT") {
  PolicyOptions options;
  options.connect_ports = {{443, 443}, {8000, 8099}};
  const auto policy = make_policy("*\n", options);
  const auto name = host("good.test");
  const auto address = host("192.0.2.1");
  CHECK(told(policy.decide({name, 25, Access::tunnel})) == "refuse connect_port");
  CHECK(told(policy.decide({address, 25, Access::tunnel})) == "refuse connect_port");
  CHECK(told(policy.decide({name, 8099, Access::tunnel})) == "resolve");
  CHECK(told(policy.decide({name, 25, Access::forward})) == "resolve");
  CHECK(told(policy.decide({address, 443, Access::tunnel})) == "connect name_rule 1 to 192.0.2.1");
}

TEST_CASE("report only: everything passes, and the verdict is told") {
  PolicyOptions options;
  options.enforcement = Enforcement::report_only;
  options.connect_ports = {{443, 443}};
  const auto policy = make_policy(kHostile, options);
  CHECK(by_host(policy, "bad.test") == "resolve");
  const auto bad = host("bad.test");
  const auto decision = policy.decide({bad, 80, Access::forward}, ips({"192.0.2.1"}));
  CHECK(told(decision) == "connect name_rule 1 to 192.0.2.1");
  CHECK(decision.verdict == Verdict::deny);
  CHECK(by_host(policy, "127.0.0.1") == "connect loopback to 127.0.0.1");
  CHECK(told(policy.decide({bad, 25, Access::tunnel}, ips({"192.0.2.1"}))) ==
        "connect connect_port to 192.0.2.1");
  CHECK(by_answers(policy, "good.test", {}) == "refuse no_address");
}

TEST_CASE("a denial says host, rule, line and address") {
  const auto policy = make_policy(kHostile);
  const auto one = host("good.test");
  const Question question{one, 8080, Access::forward};
  const auto failure = to_failure(policy.decide(question, ips({"10.1.2.3"})), question, policy);
  CHECK(failure.text ==
        "The request to good.test port 8080 was denied by line 3 of RULES, \"!10.0.0.0/8\", which "
        "10.1.2.3 matches.");
  CHECK(failure.status == 403);
  CHECK(failure.error == ProxyError::destination_ip_prohibited);
  CHECK(failure.host == "good.test");
  CHECK(failure.rule == "!10.0.0.0/8");
  CHECK(failure.rule_line == 3);
  CHECK(explain(make_policy("a.test\n").decide({one, 80, Access::forward}),
                make_policy("a.test\n")) == "denied: no line of RULES matches");
  CHECK(explain(policy.decide({one, 80, Access::forward}, ips({"127.0.0.1"})), policy) ==
        "denied: 127.0.0.1 is a loopback address, which no rule names");
}

TEST_CASE("rules by line") {
  const auto policy = make_policy("a.test\n\n# two\nb.test\n");
  REQUIRE(policy.rule_at(4) != nullptr);
  CHECK(to_text(*policy.rule_at(4)) == "b.test");
  CHECK(policy.rule_at(0) == nullptr);
  CHECK(policy.rule_at(2) == nullptr);
  CHECK(policy.rule_at(5) == nullptr);
}

TEST_CASE("a policy made of nothing denies") {
  CHECK(by_host(Policy(), "good.test") == "refuse no_rule");
}

// What the two phases owe, said without index, embedding or order of work.
std::string naive(const RuleTable& table, const std::string& name,
                  const std::vector<IpAddress>& answers) {
  std::string admitted;
  bool any_denied = false;
  for (const auto& answer : answers) {
    for (const auto& rule : table.rules) {
      const auto* pattern = std::get_if<NamePattern>(&rule.match);
      const auto* prefix = std::get_if<IpPrefix>(&rule.match);
      const bool matches = pattern != nullptr ? pattern->matches(name)
                                              : prefix == nullptr || prefix->contains(answer);
      if (!matches) continue;
      if (rule.verdict == Verdict::allow) admitted += " to " + to_text(answer);
      if (rule.verdict == Verdict::deny && prefix != nullptr) any_denied = true;
      break;
    }
  }
  return any_denied ? "" : admitted;
}

TEST_CASE("both phases against a naive reader, on random tables") {
  std::size_t passed = 0;
  for (unsigned seed = 0; seed < 4000; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](unsigned end) { return static_cast<unsigned>(random() % end); };
    const auto address = [&] {
      return "198.51." + std::to_string(below(3)) + "." + std::to_string(below(4));
    };
    const auto name = [&] {
      return std::string(1, static_cast<char>('a' + below(2))) + (below(2) != 0 ? ".x" : ".y");
    };
    std::string rules;
    for (unsigned i = 1 + below(8); i > 0; --i) {
      rules += below(2) != 0 ? "!" : "";
      const auto kind = below(4);
      rules += kind == 0   ? name()
               : kind == 1 ? "*." + name().substr(2)
               : kind == 2 ? address()
                           : "198.51." + std::to_string(below(3)) + ".0/24";
      rules += "\n";
    }
    if (below(2) != 0) rules += "*\n";
    const auto policy = make_policy(rules);
    const auto one = host(name());
    std::vector<IpAddress> answers;
    for (unsigned i = 1 + below(3); i > 0; --i) answers.push_back(ip(address()));
    const Question question{one, 80, Access::forward};
    const auto expected = naive(policy.table(), one.name(), answers);
    const auto first = policy.decide(question);
    const auto second = policy.decide(question, answers);
    std::string found;
    for (const auto& admitted : second.admitted) found += " to " + to_text(admitted);
    // What is refused before DNS is asked would have been refused behind it.
    const bool consistent = first.next == Next::resolve || expected.empty();
    if (!expected.empty()) ++passed;
    if (found == expected && consistent) continue;
    INFO("seed " << seed << "\n"
                 << rules << one.name() << " " << found << " instead of " << expected);
    REQUIRE(found == expected);
    REQUIRE(consistent);
  }
  CHECK(passed > 1000);
}

}  // namespace
}  // namespace egress::http
