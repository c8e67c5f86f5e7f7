#include "redirect-proxy/dns/explain.hpp"

#include <optional>

#include "common/endpoint.hpp"

namespace egress::dns {
namespace {

std::optional<LocalPort> parse_question(std::string_view text) {
  LocalPort local;
  if (const auto space = text.find(' '); space != text.npos) {
    const auto protocol = parse_protocol(text.substr(0, space));
    if (!protocol || protocol == Protocol::sctp) return std::nullopt;
    local.protocol = *protocol;
    text.remove_prefix(space + 1);
  }
  const auto port = parse_port(text);
  if (!port) return std::nullopt;
  local.port = *port;
  return local;
}

}  // namespace

boost::system::result<Explanation, std::string> explain(
    const TargetTable& table, std::string_view question,
    const std::function<std::vector<IpAddress>(const std::string& name)>& resolve) {
  const auto local = parse_question(question);
  if (!local) return found_expected(question, "PROTOCOL PORT, such as \"tcp 8080\" or \"udp 53\"");
  const auto* target = find_target(table, *local);
  if (target == nullptr)
    return Explanation{false, to_text(*local) + ": no line takes it, nothing listens there\n"};
  Explanation explanation{true, to_text(*local) + ": line " + std::to_string(target->line) +
                                    ", \"" + to_text(*target) + "\"\n"};
  const auto port = target->remote_port(local->port);
  for (const auto& host : target->hosts) {
    explanation.text += "  goes to " + to_text(HostPort{host, port});
    if (host.is_name() && resolve) {
      const auto addresses = resolve(host.name());
      explanation.text += addresses.empty() ? ", which does not resolve now" : ", now";
      for (const auto& address : addresses)
        explanation.text += " " + to_text(Endpoint{address, port});
    }
    explanation.text += "\n";
  }
  return explanation;
}

}  // namespace egress::dns
