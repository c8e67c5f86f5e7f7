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

struct ExplainOptions {
  std::function<std::vector<IpAddress>(const std::string& name)> resolve;  // none: names stay so
  LocalSide local;  // the addresses of this pod
};

// `question`: see parse_port_question, without sctp. The error is a sentence.
boost::system::result<Explanation, std::string> explain(const TargetTable& table,
                                                        std::string_view question,
                                                        const ExplainOptions& options);

}  // namespace egress::dns
