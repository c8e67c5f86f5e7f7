// Finds and parses the header section of a request or a response (RFC 9112 §2 to §5). The parser
// owns the text of the message that it read: the views in its head never refer to the caller's
// buffer. Requests are read strictly, since a lenient reader and a strict one behind it can be
// played against each other. Knows no body, no URI, no meaning of a field beyond its name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http-proxy/failure.hpp"

namespace egress::http {

// How a message is read. Requests are always read strictly. Of a response that RFC 9112 lets a
// proxy repair and that has one reading only, the repaired form is parsed and forwarded: LF line
// endings (§2.2), white space before a colon (§5.1), folded lines (§5.2), Content-Length beside
// Transfer-Encoding and equal Content-Lengths (§6.3), the coding `identity` (RFC 2616 §3.6).
enum class Reading : std::uint8_t { strict, repair };

// The defaults are those of Squid, which has a limit for the header section alone.
struct HeadLimits {
  std::size_t head_bytes =
      64U << 10U;  // line ends, the empty line, and empty lines in front included
  std::size_t line_bytes = 64U << 10U;  // its line end included
  std::size_t fields = 500;             // each part of a folded line counts
};
// The settings that hold them, for messages.
inline constexpr std::string_view kHeadBytesVariable = "EGRESS_HTTP_PROXY_HEAD_BYTES";
inline constexpr std::string_view kLineBytesVariable = "EGRESS_HTTP_PROXY_LINE_BYTES";
inline constexpr std::string_view kFieldsVariable = "EGRESS_HTTP_PROXY_FIELDS";

// The fields that a proxy treats on its own; all else is `other`.
enum class FieldId : std::uint8_t {
  other,
  accept,
  authorization,
  connection,
  content_length,
  expect,
  forwarded,
  host,
  http2_settings,
  keep_alive,
  max_forwards,
  proxy,  // of no standard; some programs take it as a variable (CVE-2016-5385)
  proxy_connection,
  proxy_any,  // any other Proxy-...
  proxy_status,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  via,
  www_authenticate,
  x_forwarded_for,
};

FieldId field_id(std::string_view name);  // in any case of letters

struct HeaderField {
  FieldId id = FieldId::other;
  std::string_view name;   // a token, as it came
  std::string_view value;  // without the spaces and tabs around it
};

enum class Version : std::uint8_t { http10, http11 };

enum class Method : std::uint8_t {
  get,
  head,
  post,
  put,
  delete_,
  connect,
  options,
  trace,
  patch,
  other
};
bool is_idempotent(Method method);  // RFC 9110 §9.2.2

struct RequestHead {
  Method method = Method::other;
  std::string_view method_text;
  std::string_view target;
  Version version = Version::http11;
  std::vector<HeaderField> fields;
  std::size_t size = 0;  // bytes of the head with its empty line, and empty lines in front of it

  void clear();  // keeps the memory of `fields`
};

struct ResponseHead {
  Version version = Version::http11;
  unsigned status = 0;  // 100 to 599
  std::string_view reason;
  std::vector<HeaderField> fields;
  std::size_t size = 0;
  // A line of this header section, or of an interim response before it, ended in LF alone. A reader
  // that knows only CRLF finds other messages on this connection.
  bool bare_lf = false;

  void clear();
};

// The first field with this id, else null.
const HeaderField* find_field(const std::vector<HeaderField>& fields, FieldId id);

// Without the spaces and tabs around it (OWS of RFC 9110 §5.6.3).
constexpr std::string_view trim(std::string_view text) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// Calls use(token) for each non-empty element of a comma list (RFC 9110 §5.6.1).
template <class Use>
void for_each_element(std::string_view list, Use use) {
  while (!list.empty()) {
    const auto comma = list.find(',');
    const auto element = trim(list.substr(0, comma));
    list.remove_prefix(comma == list.npos ? list.size() : comma + 1);
    if (!element.empty()) use(element);
  }
}

bool equal_ignoring_case(std::string_view a, std::string_view b);  // ASCII
bool is_token(std::string_view text);                              // RFC 9110 §5.6.2

enum class Progress : std::uint8_t { need_more, complete, failed };

// Looks for the end of a head. Each byte is looked at once, however it arrives.
class HeadScanner {
 public:
  explicit HeadScanner(const HeadLimits& limits, Reading reading = Reading::strict)
      : limits_(limits), reading_(reading) {}

  enum class Fault : std::uint8_t { none, bare_lf, line_too_long, head_too_large, too_many_fields };

  Progress scan(std::string_view input);
  std::size_t size() const { return line_begin_; }  // when complete: bytes of the head
  std::size_t begin() const { return begin_; }      // where its first line begins
  std::size_t lines() const { return lines_; }      // before the empty line
  bool bare_lf() const { return bare_lf_; }         // of Reading::repair: a line ends in LF alone
  bool folded() const { return folded_; }           // a line begins with white space
  Fault fault() const { return fault_; }
  // A sentence. A limit is named with its setting.
  std::string failure() const;
  void reset() { *this = HeadScanner(limits_, reading_); }

 private:
  Progress fail(Fault fault);

  HeadLimits limits_;
  Reading reading_;
  std::size_t scanned_ = 0;
  std::size_t line_begin_ = 0;
  std::size_t begin_ = 0;
  std::size_t lines_ = 0;
  bool bare_lf_ = false;
  bool folded_ = false;
  Fault fault_ = Fault::none;
};

// Called with the same bytes and more behind them (at another address, if the caller moved them)
// until it returns complete or failed; reset() before the next one. head() is valid until then.
class RequestParser {
 public:
  explicit RequestParser(const HeadLimits& limits = {}) : scanner_(limits) {}
  RequestParser(const RequestParser&) = delete;
  RequestParser& operator=(const RequestParser&) = delete;

  Progress parse(std::string_view input);
  // Empty before complete; after a failure, what was read of the request line.
  const RequestHead& head() const { return head_; }
  const Failure& failure() const { return failure_; }  // when failed: 400, 414, 431 or 505
  // A head has begun: with no bytes, or empty lines alone, the connection is idle.
  bool has_begun(std::string_view input) const;
  void reset();

 private:
  Progress fail(Failure failure);
  std::optional<Failure> parse_request_line(std::string_view line);

  HeadScanner scanner_;
  std::string text_;  // that the views of head_ refer to
  RequestHead head_;
  Failure failure_;
};

// reset() keeps what ResponseHead::bare_lf says, for the response behind an interim one; restart()
// is for another exchange.
class ResponseParser {
 public:
  explicit ResponseParser(const HeadLimits& limits = {}, Reading reading = Reading::repair)
      : scanner_(limits, reading), reading_(reading) {}
  ResponseParser(const ResponseParser&) = delete;
  ResponseParser& operator=(const ResponseParser&) = delete;

  Progress parse(std::string_view input);
  const ResponseHead& head() const { return head_; }
  const Failure& failure() const { return failure_; }  // 502
  void reset();
  void restart() {
    reset();
    bare_lf_ = false;
  }

 private:
  Progress fail(ProxyError error, std::string text);
  std::optional<std::string> parse_status_line(std::string_view line);

  HeadScanner scanner_;
  Reading reading_;
  bool bare_lf_ = false;
  std::string text_;  // that the views of head_ refer to
  ResponseHead head_;
  Failure failure_;
};

}  // namespace egress::http
