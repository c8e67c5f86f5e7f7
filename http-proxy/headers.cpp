#include "http-proxy/headers.hpp"

#include <algorithm>
#include <charconv>

namespace egress::http {
namespace {

void append_number(std::uint64_t number, std::string& out) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

void append_field(std::string_view name, std::string_view value, std::string& out) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_framing(const Body& body, std::string& out) {
  if (body.kind == BodyKind::chunked) out += "Transfer-Encoding: chunked\r\n";
  if (body.kind != BodyKind::length) return;
  out += "Content-Length: ";
  append_number(body.length, out);
  out += "\r\n";
}

void append_via(Version received, std::string_view pseudonym, std::string& out) {
  out.append(received == Version::http10 ? "Via: 1.0 " : "Via: 1.1 ")
      .append(pseudonym)
      .append("\r\n");
}

// RFC 9110 §7.6.1, and what frames or routes: never copied, whatever Connection lists.
bool is_hop_by_hop(FieldId id) {
  switch (id) {
    case FieldId::connection:
    case FieldId::content_length:
    case FieldId::http2_settings:
    case FieldId::keep_alive:
    case FieldId::proxy:
    case FieldId::proxy_any:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::transfer_encoding:
    case FieldId::upgrade: return true;
    default: return false;
  }
}

// Of those that Connection may list, these stay: without them the next hop reads another message.
bool may_be_listed(FieldId id) {
  return id != FieldId::host && id != FieldId::via && id != FieldId::expect &&
         id != FieldId::max_forwards;
}

bool goes_to_origin(const HeaderField& field, const Request& request, ForwardedFor forwarded_for) {
  if (is_hop_by_hop(field.id)) return false;
  switch (field.id) {
    case FieldId::host:
    case FieldId::proxy_status: return false;
    case FieldId::expect: return request.expects_continue;
    case FieldId::max_forwards: return !request.max_forwards;
    case FieldId::trailer: return request.body.kind == BodyKind::chunked;
    case FieldId::forwarded:
    case FieldId::x_forwarded_for:
      if (forwarded_for == ForwardedFor::off) return false;
      break;
    default: break;
  }
  return request.connection.count == 0 || !may_be_listed(field.id) ||
         !request.connection.drops(field.name);
}

void append_persistence(const ResponseHead& head, const Body& body, const ResponseRewrite& rewrite,
                        std::string& out) {
  if (head.status == 101) {
    out += "Connection: Upgrade\r\n";
  } else if (head.status < 200) {
    return;
  } else if (rewrite.persistence == Persistence::close || body.kind == BodyKind::until_close) {
    out += "Connection: close\r\n";
  } else if (rewrite.client == Version::http10) {
    out += "Connection: keep-alive\r\n";
  }
}

}  // namespace

namespace {

// The scheme is the first word of an element; parameters behind commas are none of these words.
bool names_connection_scheme(std::string_view value) {
  bool found = false;
  for_each_element(value, [&](std::string_view element) {
    const auto scheme = element.substr(0, element.find_first_of(" \t"));
    found =
        found || equal_ignoring_case(scheme, "NTLM") || equal_ignoring_case(scheme, "Negotiate");
  });
  return found;
}

}  // namespace

bool authenticates_connection(const RequestHead& head) {
  return std::any_of(head.fields.begin(), head.fields.end(), [](const HeaderField& field) {
    return field.id == FieldId::authorization && names_connection_scheme(field.value);
  });
}

bool authenticates_connection(const ResponseHead& head) {
  if (head.status != 401 && head.status != 407) return false;
  return std::any_of(head.fields.begin(), head.fields.end(), [](const HeaderField& field) {
    const bool challenges = field.id == FieldId::www_authenticate ||
                            equal_ignoring_case(field.name, "Proxy-Authenticate");
    return challenges && names_connection_scheme(field.value);
  });
}

void append_options_response(Persistence persistence, std::string& out) {
  out +=
      "HTTP/1.1 204 No Content\r\nAllow: CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT\r\n";
  if (persistence == Persistence::close) out += "Connection: close\r\n";
  out += "\r\n";
}

void append_request_head(const RequestHead& head, const Request& request,
                         const RequestRewrite& rewrite, std::string& out) {
  out.append(head.method_text).append(" ");
  append_origin_form(request.target, request.method, out);
  out += " HTTP/1.1\r\nHost: ";
  append_host_value(request.target.authority, out);
  out += "\r\n";
  for (const auto& field : head.fields) {
    if (goes_to_origin(field, request, rewrite.forwarded_for))
      append_field(field.name, field.value, out);
  }
  if (request.max_forwards) {
    out += "Max-Forwards: ";
    append_number(*request.max_forwards - (*request.max_forwards > 0 ? 1 : 0), out);
    out += "\r\n";
  }
  if (rewrite.forwarded_for == ForwardedFor::append)
    append_field("X-Forwarded-For", rewrite.client, out);
  if (!request.upgrade.empty()) {
    out += "Connection: Upgrade\r\n";
    append_field("Upgrade", request.upgrade, out);
  }
  append_framing(request.body, out);
  append_via(head.version, rewrite.pseudonym, out);
  out += "\r\n";
}

Body client_body(const Body& from_origin, Version client) {
  if (from_origin.kind == BodyKind::until_close && client == Version::http11)
    return {BodyKind::chunked, 0};
  if (from_origin.kind == BodyKind::chunked && client == Version::http10)
    return {BodyKind::until_close, 0};
  return from_origin;
}

void append_response_head(const ResponseHead& head, const Response& response,
                          const ResponseRewrite& rewrite, std::string& out) {
  const Body body = client_body(response.body, rewrite.client);
  out += "HTTP/1.1 ";
  append_number(head.status, out);
  out.append(" ").append(head.reason).append("\r\n");
  const auto& options = response.connection;
  for (const auto& field : head.fields) {
    const bool kept = field.id == FieldId::upgrade && head.status == 101;
    if (is_hop_by_hop(field.id) && !kept) continue;
    if (field.id == FieldId::trailer && body.kind != BodyKind::chunked) continue;
    if (!kept && may_be_listed(field.id) && options.count > 0 && options.drops(field.name))
      continue;
    append_field(field.name, field.value, out);
  }
  append_framing(response.told_length ? Body{BodyKind::length, *response.told_length} : body, out);
  append_persistence(head, body, rewrite, out);
  // RFC 4559 §6: clients do not begin NTLM or Negotiate through a proxy that does not say this.
  if (authenticates_connection(head))
    out += "Connection: Proxy-Support\r\nProxy-Support: Session-Based-Authentication\r\n";
  append_via(head.version, rewrite.pseudonym, out);
  out += "\r\n";
}

bool may_be_trailer(FieldId id, std::string_view name) {
  if (is_hop_by_hop(id)) return false;
  switch (id) {
    case FieldId::host:
    case FieldId::trailer:
    case FieldId::expect:
    case FieldId::max_forwards:
    case FieldId::via:
    case FieldId::forwarded:
    case FieldId::x_forwarded_for: return false;
    default: break;
  }
  constexpr std::string_view kControls[] = {"authorization", "cache-control", "content-encoding",
                                            "content-range", "content-type",  "cookie",
                                            "set-cookie"};
  return std::none_of(std::begin(kControls), std::end(kControls),
                      [name](std::string_view one) { return equal_ignoring_case(one, name); });
}

}  // namespace egress::http
