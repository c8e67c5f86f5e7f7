// Answers `--explain`: which line of the table takes a connection, and where it goes. Pure.
#pragma once

#include <boost/system/result.hpp>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "redirect-proxy/dns/targets.hpp"

namespace egress::dns {

struct Explanation {
  bool is_taken = false;
  std::string text;  // lines, each with its end
};

// `question` is "tcp 8080", "udp 53" or "8080". Where `resolve` is given, it is asked for the
// addresses of names. The error is a sentence.
boost::system::result<Explanation, std::string> explain(
    const TargetTable& table, std::string_view question,
    const std::function<std::vector<IpAddress>(const std::string& name)>& resolve);

}  // namespace egress::dns
