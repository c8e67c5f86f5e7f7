// Reads a request or a response out of its header section: all checks of it in one place.
#include <algorithm>
#include <charconv>

#include "http-proxy/headers.hpp"

namespace egress::http {
namespace {

// Protocols that would carry requests past the rules, or that the proxy would have to speak itself.
bool is_tunnel_protocol(std::string_view protocol) {
  const auto name = protocol.substr(0, protocol.find('/'));
  return !equal_ignoring_case(name, "h2c") && !equal_ignoring_case(name, "h2") &&
         !equal_ignoring_case(name, "http") && !equal_ignoring_case(name, "tls");
}

bool is_protocol(std::string_view text) {
  const auto slash = text.find('/');
  return is_token(text.substr(0, slash)) &&
         (slash == text.npos || is_token(text.substr(slash + 1)));
}

std::string_view wanted_upgrade(const RequestHead& head, const Request& request) {
  if (head.version == Version::http10 || !request.connection.upgrade || !request.body.is_empty())
    return {};
  std::string_view protocol;
  for (const auto& field : head.fields) {
    if (field.id != FieldId::upgrade) continue;
    if (!protocol.empty() || !is_protocol(field.value)) return {};
    protocol = field.value;
  }
  return is_tunnel_protocol(protocol) ? protocol : std::string_view{};
}

const std::string kLongConnection =
    "Connection lists more than " + std::to_string(ConnectionOptions::kMost) + " fields.";

std::optional<Failure> read_expect(const RequestHead& head, bool& expects_continue) {
  for (const auto& field : head.fields) {
    if (field.id != FieldId::expect) continue;
    if (!equal_ignoring_case(field.value, "100-continue")) {
      return Failure{417,
                     ProxyError::http_request_error,
                     "The only expectation known here is 100-continue.",
                     Persistence::close,
                     {},
                     {},
                     0};
    }
    expects_continue = head.version == Version::http11;  // RFC 9110 §10.1.1
  }
  return std::nullopt;
}

std::optional<Failure> read_max_forwards(const RequestHead& head,
                                         std::optional<std::uint32_t>& value) {
  const auto* const field = find_field(head.fields, FieldId::max_forwards);
  if (head.method != Method::options || field == nullptr) return std::nullopt;
  std::uint32_t number = 0;
  const char* const last = field->value.data() + field->value.size();
  const auto [end, status] = std::from_chars(field->value.data(), last, number);
  if (status != std::errc{} || end != last)
    return bad_request("Max-Forwards is not a decimal number.");
  value = number;
  return std::nullopt;
}

}  // namespace

bool ConnectionOptions::drops(std::string_view name) const {
  return std::any_of(names.begin(), names.begin() + static_cast<std::ptrdiff_t>(count),
                     [name](std::string_view one) { return equal_ignoring_case(one, name); });
}

std::optional<ConnectionOptions> connection_options(const std::vector<HeaderField>& fields) {
  ConnectionOptions options;
  bool too_many = false;
  for (const auto& field : fields) {
    if (field.id != FieldId::connection && field.id != FieldId::proxy_connection) continue;
    for_each_element(field.value, [&](std::string_view option) {
      if (equal_ignoring_case(option, "close")) {
        options.close = true;
      } else if (equal_ignoring_case(option, "keep-alive")) {
        options.keep_alive = true;
      } else if (field.id == FieldId::proxy_connection) {
        return;
      } else if (equal_ignoring_case(option, "upgrade")) {
        options.upgrade = true;
      } else if (options.count < ConnectionOptions::kMost) {
        options.names[options.count++] = option;
      } else {
        too_many = true;
      }
    });
  }
  if (too_many) return std::nullopt;
  return options;
}

Persistence persistence_of(Version version, const ConnectionOptions& options) {
  const bool keeps = !options.close && (version == Version::http11 || options.keep_alive);
  return keeps ? Persistence::keep_alive : Persistence::close;
}

Outcome<Request> read_request(const RequestHead& head) {
  Request request;
  request.method = head.method;
  auto target = parse_request_target(head.method, head.target);
  if (!target) return target.error();
  request.target = std::move(*target);
  if (auto failure = check_host_field(head)) return *failure;
  const auto body = request_body(head);
  if (!body) return body.error();
  request.body = *body;
  const auto connection = connection_options(head.fields);
  if (!connection) return bad_request(kLongConnection);
  request.connection = *connection;
  request.persistence = persistence_of(head.version, request.connection);
  if (auto failure = read_expect(head, request.expects_continue)) return *failure;
  if (auto failure = read_max_forwards(head, request.max_forwards)) return *failure;
  if (head.method == Method::trace) {
    return Failure{405,
                   ProxyError::http_request_error,
                   "TRACE is not forwarded: it would show credentials.",
                   Persistence::close,
                   {},
                   {},
                   0};
  }
  if (head.method != Method::connect) request.upgrade = wanted_upgrade(head, request);
  return request;
}

Outcome<Response> read_response(const ResponseHead& head, Method request, Reading reading) {
  const auto framing = response_framing(head, request, reading);
  if (!framing) return framing.error();
  const auto connection = connection_options(head.fields);
  if (!connection) {
    return bad_response(ProxyError::http_protocol_error, "From the origin: " + kLongConnection);
  }
  const bool keeps = framing->persistence == Persistence::keep_alive &&
                     persistence_of(head.version, *connection) == Persistence::keep_alive;
  return Response{framing->body, framing->told_length, *connection,
                  keeps ? Persistence::keep_alive : Persistence::close};
}

bool is_answered_here(const Request& request) {
  return request.method == Method::options && request.max_forwards == 0;
}

bool has_passed(const RequestHead& head, std::string_view pseudonym) {
  bool found = false;
  for (const auto& field : head.fields) {
    if (field.id != FieldId::via) continue;
    for_each_element(field.value, [&](std::string_view element) {
      const auto begin =
          element.find_first_not_of(" \t", std::min(element.find_first_of(" \t"), element.size()));
      if (begin == element.npos) return;
      const auto by = element.substr(begin, element.find_first_of(" \t", begin) - begin);
      found = found || equal_ignoring_case(by, pseudonym);
    });
  }
  return found;
}

}  // namespace egress::http
