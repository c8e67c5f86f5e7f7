// The answer to a request that fails here: a short page, HTML or plain text by Accept, and
// Proxy-Status (RFC 9209). Shows host, rule and reason; never a credential, never unescaped input.
#pragma once

#include <string>
#include <string_view>

#include "http-proxy/failure.hpp"
#include "http-proxy/message.hpp"

namespace egress::http {

struct ErrorContext {
  const RequestHead* request = nullptr;  // null where no head could be read
  std::string_view pseudonym;            // names this proxy in Proxy-Status
  std::string_view rules_source;         // RuleTable::source
};

// A whole response with its body (none for HEAD); closes unless failure.persistence says otherwise.
void append_error_response(const Failure& failure, const ErrorContext& context, std::string& out);

// text/html is wanted rather than text/plain (RFC 9110 §12.5.1); plain where there is no Accept, or
// only */*: programs get plain text, browsers HTML.
bool wants_html(const RequestHead& head);

}  // namespace egress::http
