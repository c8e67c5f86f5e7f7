#include "router-init/resolv_conf.hpp"

#include <algorithm>

#include "common/fields.hpp"

namespace egress::router {

std::vector<IpAddress> parse_nameservers(std::string_view resolv_conf) {
  std::vector<IpAddress> nameservers;
  LineScanner scanner(resolv_conf);
  while (const Line* line = scanner.next()) {
    // glibc knows a keyword only where it begins the line.
    const bool keyword = line->fields[0].text == "nameserver" && line->fields[0].column == 1;
    if (!keyword || line->fields.size() < 2) continue;
    const auto address = parse_ip_address(line->fields[1].text);
    if (!address) continue;
    const bool known =
        std::find(nameservers.begin(), nameservers.end(), *address) != nameservers.end();
    if (!known) nameservers.push_back(*address);
  }
  return nameservers;
}

}  // namespace egress::router
