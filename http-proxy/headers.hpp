// What a header section asks of a proxy, and the header section that is forwarded in its place:
// hop-by-hop fields out, Host and Via in, framing fields written anew. Appends to the caller's
// buffer.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http-proxy/framing.hpp"
#include "http-proxy/message.hpp"
#include "http-proxy/request_target.hpp"

namespace egress::http {

// The Connection fields of a message (RFC 9110 §7.6.1), and for old clients Proxy-Connection.
struct ConnectionOptions {
  static constexpr std::size_t kMost = 32;  // more names of fields than this are refused

  bool close = false;
  bool keep_alive = false;
  bool upgrade = false;
  std::array<std::string_view, kMost> names{};  // of fields to drop; views into the head
  std::size_t count = 0;

  bool drops(std::string_view name) const;
};
// Empty where more than kMost names are listed.
std::optional<ConnectionOptions> connection_options(const std::vector<HeaderField>& fields);
// Whether the peer keeps its connection after this message, framing apart.
Persistence persistence_of(Version version, const ConnectionOptions& options);

// A request that may be judged by the rules: all that RFC 9110 and 9112 let a proxy refuse or read
// from the head. Its views live as long as the head's.
struct Request {
  Method method = Method::other;
  RequestTarget target;
  Body body;
  ConnectionOptions connection;
  Persistence persistence = Persistence::close;
  bool expects_continue = false;
  std::string_view upgrade;  // the protocol asked for; empty: none that is passed on
  std::optional<std::uint32_t> max_forwards;  // of OPTIONS (and TRACE, which is refused)
};

// Failures: 400, 405 (TRACE, which would echo credentials), 417, 501.
Outcome<Request> read_request(const RequestHead& head);

// A response as it is forwarded: 1xx included. Its views live as long as the head's.
struct Response {
  Body body;
  std::optional<std::uint64_t> told_length;  // ResponseFraming::told_length
  ConnectionOptions connection;
  // Whether the origin's connection can take another request after this one.
  Persistence persistence = Persistence::close;
};

// `request` is the method that it answers. Failures: 502.
Outcome<Response> read_response(const ResponseHead& head, Method request, Reading reading);

// RFC 9110 §7.6.2: OPTIONS that is to go no further. Answered with append_options_response.
bool is_answered_here(const Request& request);
void append_options_response(Persistence persistence, std::string& out);

// Via names this pseudonym: the request was here before (RFC 9110 §7.6.3).
bool has_passed(const RequestHead& head, std::string_view pseudonym);

// The message takes part in NTLM or Negotiate, which authenticate a connection and not a request
// (RFC 4559): an Authorization by them, or a challenge (401, 407) that offers them.
bool authenticates_connection(const RequestHead& head);
bool authenticates_connection(const ResponseHead& head);

enum class ForwardedFor : std::uint8_t { off, append };

struct RequestRewrite {
  std::string_view pseudonym;  // for Via
  std::string_view client;     // address, for X-Forwarded-For
  ForwardedFor forwarded_for = ForwardedFor::off;
};

// The head to send to the origin: origin-form, HTTP/1.1, Host from the target, Via, the framing of
// request.body. The connection to the origin is kept unless an upgrade is asked for.
void append_request_head(const RequestHead& head, const Request& request,
                         const RequestRewrite& rewrite, std::string& out);

struct ResponseRewrite {
  std::string_view pseudonym;
  Version client = Version::http11;
  Persistence persistence = Persistence::keep_alive;  // said to the client
};

// How a response's body goes on to a client of that version: chunked where it has no length, or to
// the end of the connection for HTTP/1.0.
Body client_body(const Body& from_origin, Version client);

// The header section to send to the client, which frames client_body(). A 101 keeps its Upgrade.
void append_response_head(const ResponseHead& head, const Response& response,
                          const ResponseRewrite& rewrite, std::string& out);

// A trailer field may not frame, route or control (RFC 9110 §6.5.1).
bool may_be_trailer(FieldId id, std::string_view name);

}  // namespace egress::http
