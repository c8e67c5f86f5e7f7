#include "router-init/explain.hpp"

#include <algorithm>
#include "common/fields.hpp"

namespace egress::router {
namespace {

struct Question {
  std::string_view protocol;
  std::optional<Protocol> with_ports;
  std::uint16_t port = 0;
};

std::optional<Question> parse_question(std::string_view text, Diagnostics& diagnostics) {
  LineScanner scanner(text);
  const Line* line = scanner.next();
  const auto refuse = [&](const Field& field,
                          std::string_view expected) -> std::optional<Question> {
    diagnostics.error({"--explain", 1, field.column, text, field.text.size()},
                      found_expected(field.text, expected));
    return std::nullopt;
  };
  if (line == nullptr) return refuse({text, 1}, "a protocol and a port, such as \"tcp 8443\"");
  const auto& fields = line->fields;
  Question question{fields[0].text, parse_protocol(fields[0].text), 0};
  if (!question.with_ports) {
    if (parse_port(fields[0].text))
      return refuse(fields[0], "the protocol first, such as \"tcp 8443\"");
    if (fields.size() > 1) return refuse(fields[0], "tcp, udp or sctp before a port");
    return question;
  }
  if (fields.size() < 2) return refuse(fields[0], "a port after it, such as \"tcp 8443\"");
  const auto port = parse_port(fields[1].text);
  if (!port) return refuse(fields[1], "a port from 1 to 65535");
  if (fields.size() > 2) return refuse(fields[2], "nothing more");
  question.port = *port;
  return question;
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

}  // namespace

std::string explain(const RouterConfig& config, std::string_view text, Diagnostics& diagnostics) {
  const auto question = parse_question(text, diagnostics);
  if (!question) return {};
  std::string out;
  for (const Family family : kFamilies) {
    if (config.sources[family].empty()) continue;
    out += std::string(question->protocol) +
           (question->with_ports ? " " + std::to_string(question->port) : "") + ", " +
           std::string(to_text(family)) + ": " +
           (config.translates()
                ? answer(config, *question, family)
                : "not forwarded: in EGRESS_ROUTER_MODE " + std::string(to_text(config.mode)) +
                      " the proxy makes the connections") +
           "\n";
  }
  return out;
}

}  // namespace egress::router
