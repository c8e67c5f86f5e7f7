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
#include "http-proxy/header_section.hpp"

namespace egress::http {

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
  std::string_view method_text{};
  std::string_view target{};
  Version version = Version::http11;
  std::vector<HeaderField> fields;
  std::size_t size = 0;  // bytes of the head with its empty line, and empty lines in front of it

  void clear();  // keeps the memory of `fields`
};

struct ResponseHead {
  Version version = Version::http11;
  unsigned status = 0;  // 100 to 599
  std::string_view reason{};
  std::vector<HeaderField> fields;
  std::size_t size = 0;
  // A line of this header section, or of an interim response before it, ended in LF alone. A reader
  // that knows only CRLF finds other messages on this connection.
  bool bare_lf = false;

  void clear();
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
