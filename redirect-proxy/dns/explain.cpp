#include "redirect-proxy/dns/explain.hpp"

#include "common/endpoint.hpp"
#include "common/port_question.hpp"

namespace egress::dns {
namespace {

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

Explanation explain_port(const TargetTable& table, const LocalPort& local,
                         const ExplainOptions& options) {
  const auto* target = find_target(table, local);
  if (target == nullptr)
    return {false, to_text(local) + ": no line takes it, nothing listens there\n"};
  Explanation explanation{true, to_text(local) + ": line " + std::to_string(target->line) + ", \"" +
                                    to_text(*target) + "\"\n"};
  const auto port = target->remote_port(local.port);
  for (const auto& host : target->hosts) {
    explanation.text += "  goes to " + to_text(HostPort{host, port});
    if (host.is_name() && options.resolve)
      explanation.text += explain_name(options.resolve(host.name()), port, options.local);
    explanation.text += "\n";
  }
  return explanation;
}

}  // namespace

boost::system::result<Explanation, std::string> explain(const TargetTable& table,
                                                        std::string_view question,
                                                        const ExplainOptions& options) {
  const auto asked = parse_port_question(question);
  if (!asked || asked->protocols.front() == Protocol::sctp)
    return found_expected(question, kPortQuestionForm);
  Explanation all;
  for (const auto protocol : asked->protocols) {
    const auto one = explain_port(table, {protocol, asked->port}, options);
    all.is_taken = all.is_taken || one.is_taken;
    all.text += one.text;
  }
  return all;
}

}  // namespace egress::dns
