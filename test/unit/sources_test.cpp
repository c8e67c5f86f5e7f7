#include "router-init/sources.hpp"

#include <catch2/catch.hpp>

#include "test/support/parse.hpp"

namespace egress::router {
namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

struct Parsed {
  std::string sources;  // separated by spaces, IPv4 first
  std::string errors;
};

Parsed parse(const Variables& variables, std::string_view host_name = "host") {
  Diagnostics diagnostics;
  const auto sources = parse_sources(Environment(variables), host_name, diagnostics);
  Parsed parsed;
  for (const auto family : {Family::v4, Family::v6}) {
    for (const auto& one : sources.addresses[family])
      parsed.sources += (parsed.sources.empty() ? "" : " ") + to_text(one);
  }
  parsed.errors = diagnostics.to_text(Severity::error);
  return parsed;
}

const std::string kList = "10.0.0.1/24, 10.0.0.2/24\n2001:db8::1/64\t2001:db8::2/64";

TEST_CASE("a list of both families, in any order and with any separators") {
  const auto parsed = parse({{"EGRESS_SOURCE", kList}});
  CHECK(parsed.errors == "");
  CHECK(parsed.sources == "10.0.0.1/24 10.0.0.2/24 2001:db8::1/64 2001:db8::2/64");
}

TEST_CASE("a replica takes its own of each family") {
  const struct {
    Variables variables;
    std::string host_name;
    std::string expected;
  } cases[] = {
      {{{"EGRESS_POD_ORDINAL", "1"}}, "egress-router-0", "10.0.0.2/24 2001:db8::2/64"},
      {{{"EGRESS_POD_NAME", "egress-router-0"}}, "node-1", "10.0.0.1/24 2001:db8::1/64"},
      {{{"EGRESS_POD_NAME", "egress-router"}}, "egress-router-1", "10.0.0.2/24 2001:db8::2/64"},
      {{}, "egress-router-1", "10.0.0.2/24 2001:db8::2/64"},
      {{}, "a-b-0", "10.0.0.1/24 2001:db8::1/64"},
  };
  for (auto [variables, host_name, expected] : cases) {
    CAPTURE(variables, host_name);
    variables.emplace("EGRESS_SOURCE", kList);
    variables.emplace("EGRESS_SOURCE_ASSIGN", "ordinal");
    const auto parsed = parse(variables, host_name);
    CHECK(parsed.errors == "");
    CHECK(parsed.sources == expected);
  }
}

TEST_CASE("what is wrong with a list is told with its place, all at once") {
  std::string many;
  for (int i = 1; i <= 65; ++i) many += "10.0.0." + std::to_string(i) + " ";
  const struct {
    Variables variables;
    std::vector<std::string> expected;
  } cases[] = {
      {{{"EGRESS_SOURCE", "10.0.0.1,\n 10.0.0.300 10.0.0.1"}},
       {"EGRESS_SOURCE:2:2: error: found \"10.0.0.300\", expected an IPv4 or IPv6 address",
        "EGRESS_SOURCE:2:13: error: found \"10.0.0.1\", expected each address once"}},
      {{{"EGRESS_SOURCE", many}},
       {"found \"10.0.0.65\", expected at most 64 addresses of one family"}},
      {{{"EGRESS_SOURCE", " , "}},
       {"EGRESS_SOURCE:1:1: error: found \" , \", expected an address"}},
      {{}, {"EGRESS_SOURCE: error: not set"}},
      {{{"EGRESS_SOURCE", kList}, {"EGRESS_SOURCE_ASSIGN", "mine"}, {"EGRESS_SOURCE_SPREAD", "x"}},
       {"EGRESS_SOURCE_ASSIGN:1:1: error: found \"mine\", expected all or ordinal",
        "EGRESS_SOURCE_SPREAD:1:1: error: found \"x\", expected client or connection"}},
      {{{"EGRESS_SOURCE", kList}, {"EGRESS_SOURCE_ASSIGN", "ordinal"}},
       {"EGRESS_SOURCE_ASSIGN: error: is ordinal, expected the number of this replica in "
        "EGRESS_POD_ORDINAL, at the end of EGRESS_POD_NAME or at the end of the host name: the "
        "first two are not set, the last is \"host\""}},
      {{{"EGRESS_SOURCE", kList},
        {"EGRESS_SOURCE_ASSIGN", "ordinal"},
        {"EGRESS_POD_NAME", "egress-x"}},
       {"the first is not set, the others are \"egress-x\" and \"host\""}},
      {{{"EGRESS_SOURCE", kList},
        {"EGRESS_SOURCE_ASSIGN", "ordinal"},
        {"EGRESS_POD_ORDINAL", "two"}},
       {"EGRESS_POD_ORDINAL:1:1: error: found \"two\", expected the number of this replica"}},
      {{{"EGRESS_SOURCE", "10.0.0.1 2001:db8::1 2001:db8::2"},
        {"EGRESS_SOURCE_ASSIGN", "ordinal"},
        {"EGRESS_POD_ORDINAL", "2"}},
       {"EGRESS_SOURCE: error: has 1 IPv4 address, expected one for replica 2 (by "
        "EGRESS_POD_ORDINAL; the first is 0)",
        "EGRESS_SOURCE: error: has 2 IPv6 addresses, expected one for replica 2"}},
  };
  for (const auto& [variables, expected] : cases) {
    const auto parsed = parse(variables);
    for (const auto& text : expected) {
      CAPTURE(parsed.errors, text);
      CHECK(parsed.errors.find(text) != std::string::npos);
    }
  }
}

}  // namespace
}  // namespace egress::router
