#include "router-init/explain.hpp"

#include <algorithm>
#include <iterator>
#include <optional>
#include <vector>

#include "common/port_question.hpp"

namespace egress::router {
namespace {

struct Question {
  std::string_view text;  // of the protocol
  std::optional<Protocol> with_ports;
  std::uint16_t port = 0;
};

// IP protocols without ports (IANA), which only a default destination takes.
constexpr std::string_view kWithoutPorts[] = {"icmp", "icmpv6", "igmp", "gre", "esp", "ah", "ipip"};

std::vector<Question> parse_question(std::string_view text, Diagnostics& diagnostics) {
  std::vector<Question> questions;
  if (const auto asked = parse_port_question(text)) {
    for (const auto protocol : asked->protocols)
      questions.push_back({to_text(protocol), protocol, asked->port});
  } else if (std::count(std::begin(kWithoutPorts), std::end(kWithoutPorts), text) > 0) {
    questions.push_back({text, std::nullopt, 0});
  } else {
    diagnostics.error({"--explain", 1, 1, text, text.size()},
                      found_expected(text, std::string(kPortQuestionForm) +
                                               "; or a protocol without ports, such as icmp"));
  }
  return questions;
}

std::string answer(const RouterConfig& config, const Question& question, Family family) {
  std::string leaving;
  for (const auto& source : config.sources[family]) {
    leaving += (leaving.empty() ? ", and the outside sees " : " or ") + to_text(source.address);
  }
  if (question.with_ports) {
    if (const Entry* entry =
            find_entry(config.destinations, family, *question.with_ports, question.port)) {
      const auto remote = entry->remote.first + (question.port - entry->local.first);
      return "line " + std::to_string(entry->line) + ", \"" + to_text(*entry) + "\": goes to " +
             to_text(entry->address) + " port " + std::to_string(remote) + leaving;
    }
  }
  if (question.with_ports == Protocol::tcp &&
      std::count(config.kept_ports.begin(), config.kept_ports.end(), question.port) > 0) {
    return "stays in the pod: it is EGRESS_ADMIN_LISTEN's";
  }
  if (const auto& fallback = config.destinations.fallback[family]) {
    const std::string port = question.with_ports ? " port " + std::to_string(question.port) : "";
    return "line " + std::to_string(fallback->line) + ", \"" + to_text(fallback->address) +
           "\", the address alone: goes to " + to_text(fallback->address) + port + leaving;
  }
  return "not forwarded: no line names it, and there is no " + std::string(to_text(family)) +
         " address alone";
}

bool is_taken(const RouterConfig& config, const Question& question, Family family) {
  if (question.with_ports &&
      find_entry(config.destinations, family, *question.with_ports, question.port) != nullptr)
    return true;
  const bool stays =
      question.with_ports == Protocol::tcp &&
      std::count(config.kept_ports.begin(), config.kept_ports.end(), question.port) > 0;
  return !stays && config.destinations.fallback[family].has_value();
}

}  // namespace

Explanation explain(const RouterConfig& config, std::string_view text, Diagnostics& diagnostics) {
  Explanation all;
  for (const auto& question : parse_question(text, diagnostics)) {
    for (const Family family : kFamilies) {
      if (config.sources[family].empty()) continue;
      const bool is_forwarded = config.translates() && is_taken(config, question, family);
      all.is_forwarded = all.is_forwarded || is_forwarded;
      all.text += std::string(question.text) +
                  (question.with_ports ? " " + std::to_string(question.port) : "") + ", " +
                  std::string(to_text(family)) + ": " +
                  (config.translates() ? answer(config, question, family)
                                       : "not forwarded: in EGRESS_ROUTER_MODE " +
                                             std::string(to_text(config.mode)) +
                                             " the proxy makes the connections") +
                  "\n";
    }
  }
  return all;
}

}  // namespace egress::router
