#include "http-proxy/request_target.hpp"

#include <algorithm>

namespace egress::http {
namespace {

std::string shown(std::string_view target) { return quoted(redact_target(target)); }

Outcome<RequestTarget> parse_authority_form(std::string_view target) {
  if (target.find('@') != target.npos) {
    return bad_request(
        "The target of CONNECT holds user information: leave out what stands before the \"@\".");
  }
  if (target.find('/') != target.npos) {
    return bad_request(
        "The target of CONNECT is HOST:PORT alone, as in CONNECT example.com:443, and not " +
        shown(target) + ".");
  }
  auto authority = parse_host_port(target);
  if (!authority)
    return bad_request("The target of CONNECT cannot be used: " + authority.error().text + ".");
  return RequestTarget{std::move(*authority), {}};
}

// What to tell a client whose target is not absolute-form.
std::string explain_form(std::string_view target) {
  if (target.starts_with('/')) {
    return "This is a forward proxy: it needs the whole URI in the request line, as in GET "
           "http://example.com/ HTTP/1.1. "
           "Set the client's proxy setting (http_proxy) instead of sending requests to this "
           "address.";
  }
  if (target == "*")
    return "This is a forward proxy: OPTIONS * names no host, send OPTIONS http://example.com "
           "instead.";
  return "The request target " + shown(target) + " is no URI that begins with http://.";
}

std::string explain_scheme(std::string_view scheme) {
  if (equal_ignoring_case(scheme, "https")) {
    return "The proxy does not speak TLS for its clients: open a tunnel with CONNECT host:443 and "
           "send the https request through it.";
  }
  return "Only http:// URIs are forwarded, not " + shown(scheme) +
         "; for other protocols use CONNECT host:port.";
}

}  // namespace

Outcome<RequestTarget> parse_request_target(Method method, std::string_view target) {
  if (method == Method::connect) return parse_authority_form(target);
  const auto separator = target.find("://");
  if (separator == target.npos || target.starts_with('/')) return bad_request(explain_form(target));
  const auto scheme = target.substr(0, separator);
  if (!equal_ignoring_case(scheme, "http")) return bad_request(explain_scheme(scheme));
  if (target.find('#') != target.npos) {
    return bad_request("The request target holds a fragment: leave out what follows the \"#\".");
  }
  const auto rest = target.substr(separator + 3);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  const auto text = rest.substr(0, end);
  if (text.find('@') != text.npos) {
    return bad_request(
        "The request target holds user information (RFC 9110 4.2.4): leave out what stands before "
        "the \"@\", and send an Authorization field.");
  }
  auto authority = parse_host_port(text, kHttpPort);
  if (!authority)
    return bad_request("The host in the request target cannot be used: " + authority.error().text +
                       ".");
  return RequestTarget{std::move(*authority), rest.substr(end)};
}

std::optional<Failure> check_host_field(const RequestHead& head) {
  const HeaderField* host = nullptr;
  for (const auto& field : head.fields) {
    if (field.id != FieldId::host) continue;
    if (host != nullptr) return bad_request("The Host field stands more than once (RFC 9112 3.2).");
    host = &field;
  }
  if (host == nullptr) {
    if (head.version == Version::http10) return std::nullopt;
    return bad_request("An HTTP/1.1 request needs a Host field (RFC 9112 3.2).");
  }
  if (host->value.empty()) return std::nullopt;
  if (const auto value = parse_host_port(host->value, kHttpPort); !value) {
    return bad_request("The Host field is malformed: " + value.error().text + ".");
  }
  return std::nullopt;
}

void append_origin_form(const RequestTarget& target, Method method, std::string& out) {
  if (target.path_and_query.empty() && method == Method::options) {
    out += '*';
    return;
  }
  if (!target.path_and_query.starts_with('/')) out += '/';
  out += target.path_and_query;
}

void append_host_value(const HostPort& authority, std::string& out) {
  if (authority.host.is_name()) {
    out += authority.host.name();
  } else {
    out += to_text(authority.host);
  }
  if (authority.port != kHttpPort) out.append(":").append(std::to_string(authority.port));
}

std::string redact_target(std::string_view target) {
  const auto separator = target.find("://");
  const std::size_t begin = separator == target.npos ? 0 : separator + 3;
  if (begin == 0 && target.starts_with('/')) return std::string(target);
  const std::size_t end = std::min(target.find_first_of("/?#", begin), target.size());
  const auto at = target.substr(0, end).rfind('@');
  if (at == target.npos || at < begin) return std::string(target);
  return std::string(target.substr(0, begin)) + "***" + std::string(target.substr(at));
}

}  // namespace egress::http
