// Answers --explain: what the running proxy decides for one request, in words, by the same code.
// The pod's addresses and /etc/hosts are those of the machine that this runs on. Opens no listener;
// asks DNS only where it is told to.
#pragma once

#include <boost/system/result.hpp>
#include <string>
#include <string_view>

#include "common/host.hpp"
#include "http-proxy/config.hpp"

namespace egress::http {

enum class Resolving : std::uint8_t { not_asked, asked };

struct Explanation {
  Verdict verdict = Verdict::deny;
  std::string text;  // with line ends
};

// `asked_for`: a URL of http or https, HOST:PORT for a tunnel, or HOST, which is http://HOST/. A
// client reaches https://HOST/ by CONNECT HOST:443. `verdict` is that of the rules, also where
// they are not enforced. Errors: what is wrong with it, in a sentence.
boost::system::result<Explanation, std::string> explain(HttpProxyConfig config,
                                                        std::string_view asked_for,
                                                        Resolving resolving);

}  // namespace egress::http
