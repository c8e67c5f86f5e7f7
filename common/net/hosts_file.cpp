#include "common/net/hosts_file.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <fstream>

#include "common/fields.hpp"
#include "common/host.hpp"

namespace egress::net {

HostsTable parse_hosts(std::string_view text) {
  HostsTable table;
  LineScanner lines(text);
  while (const Line* line = lines.next()) {
    // A zone (fe80::1%eth0) makes it no address for us, as the connection could not use it.
    const auto address = parse_ip_address(line->fields.front().text);
    if (!address) continue;
    for (auto field = line->fields.begin() + 1; field != line->fields.end(); ++field) {
      // "name#comment": hosts(5) ends the line at any #.
      const auto hash = field->text.find('#');
      const auto name = parse_host_name(field->text.substr(0, hash));
      if (name) {
        auto& addresses = table[*name];
        if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end()) {
          addresses.push_back(*address);
        }
      }
      if (hash != field->text.npos) break;
    }
  }
  return table;
}

const std::vector<IpAddress>* HostsFile::find(std::string_view name, Clock::time_point now) {
  if (now >= next_check_) {
    next_check_ = now + kCheckInterval;
    struct stat status {};
    Version version;
    if (::stat(path_.c_str(), &status) == 0) {
      version = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_size, status.st_ino};
    }
    if (version != version_) {
      version_ = version;
      std::ifstream file(path_, std::ios::binary);
      std::string text(kMostBytes, '\0');
      file.read(text.data(), static_cast<std::streamsize>(text.size()));
      table_ =
          parse_hosts(std::string_view(text).substr(0, static_cast<std::size_t>(file.gcount())));
    }
  }
  const auto found = table_.find(name);
  return found == table_.end() ? nullptr : &found->second;
}

}  // namespace egress::net
