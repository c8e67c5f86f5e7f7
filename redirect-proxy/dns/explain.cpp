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

std::string explain_name(const std::vector<IpAddress>& addresses, std::uint16_t port,
                         const LocalSide& local) {
  if (addresses.empty()) return ", which does not resolve now";
  std::string used;
  std::string unused;
  for (const auto& address : addresses) {
    if (const auto why = restriction_for_names(address, local)) {
      unused += "\n    " + to_text(address) + " is not used: " + std::string(describe(*why));
    } else {
      used += " " + to_text(Endpoint{address, port});
    }
  }
  return (used.empty() ? ", which leads to no address that may be used now" : ", now" + used) +
         unused;
}

}  // namespace

boost::system::result<Explanation, std::string> explain(const TargetTable& table,
                                                        std::string_view question,
                                                        const ExplainOptions& options) {
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
    if (host.is_name() && options.resolve)
      explanation.text += explain_name(options.resolve(host.name()), port, options.local);
    explanation.text += "\n";
  }
  return explanation;
}

}  // namespace egress::dns
