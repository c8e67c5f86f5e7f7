#include "http-proxy/rules_file.hpp"

#include "common/environment.hpp"

namespace egress::http {

std::optional<RuleTable> RulesFile::read(net::Reload when, Diagnostics& diagnostics) {
  if (!watch_.has_changed() && when == net::Reload::if_changed) return std::nullopt;
  return parse_contained(watch_.path(), diagnostics, [&] {
    const Environment environment({{"EGRESS_HTTP_PROXY_DESTINATION_FILE", watch_.path()}});
    const auto text =
        read_table_variable(environment, "EGRESS_HTTP_PROXY_DESTINATION", diagnostics);
    return text ? parse_rules(*text, diagnostics) : RuleTable{};
  });
}

}  // namespace egress::http
