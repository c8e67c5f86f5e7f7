#include "http-proxy/message.hpp"

#include <algorithm>
#include <utility>

namespace egress::http {
namespace {

// No spaces and no control characters; the URI's own grammar is read later.
bool is_target(std::string_view text) {
  unsigned bad = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned>(byte <= 0x20) | static_cast<unsigned>(byte == 0x7f);
  }
  return bad == 0 && !text.empty();
}

constexpr bool is_digit(char c) { return c >= '0' && c <= '9'; }

Method parse_method(std::string_view text) {
  switch (text.size()) {
    case 3: return text == "GET" ? Method::get : text == "PUT" ? Method::put : Method::other;
    case 4: return text == "POST" ? Method::post : text == "HEAD" ? Method::head : Method::other;
    case 5:
      return text == "PATCH" ? Method::patch : text == "TRACE" ? Method::trace : Method::other;
    case 6: return text == "DELETE" ? Method::delete_ : Method::other;
    case 7:
      return text == "CONNECT"   ? Method::connect
             : text == "OPTIONS" ? Method::options
                                 : Method::other;
    default: return Method::other;
  }
}

struct ParsedVersion {
  char major;
  char minor;
};

// RFC 9112 §2.3: "HTTP/" DIGIT "." DIGIT.
std::optional<ParsedVersion> parse_version(std::string_view text) {
  if (text.size() != 8 || !text.starts_with("HTTP/") || !is_digit(text[5]) || text[6] != '.' ||
      !is_digit(text[7])) {
    return std::nullopt;
  }
  return ParsedVersion{text[5], text[7]};
}

Failure head_failure(const HeadScanner& scanner) {
  Failure failure = bad_request(scanner.failure());
  const bool in_first_line = scanner.lines() == 0;
  if (scanner.fault() == HeadScanner::Fault::line_too_long && in_first_line)
    failure.status = 414;
  else if (scanner.fault() != HeadScanner::Fault::bare_lf)
    failure.status = 431;
  return failure;
}

}  // namespace

bool is_idempotent(Method method) {
  return method == Method::get || method == Method::head || method == Method::put ||
         method == Method::delete_ || method == Method::options || method == Method::trace;
}

void RequestHead::clear() {
  auto kept = std::move(fields);
  kept.clear();
  *this = RequestHead{};
  fields = std::move(kept);
}

void ResponseHead::clear() {
  auto kept = std::move(fields);
  kept.clear();
  *this = ResponseHead{};
  fields = std::move(kept);
}

Progress RequestParser::fail(Failure failure) {
  failure_ = std::move(failure);
  return Progress::failed;
}

bool RequestParser::has_begun(std::string_view input) const {
  return input.find_first_not_of("\r\n") != input.npos;
}

void RequestParser::reset() {
  scanner_.reset();
  head_.clear();
  text_.clear();
}

Progress RequestParser::parse(std::string_view input) {
  const Progress progress = scanner_.scan(input);
  const std::size_t begin = scanner_.begin();
  if (begin < input.size() && input[begin] != '\r' && !is_token(input.substr(begin, 1))) {
    const bool tls = input[begin] == 0x16;  // RFC 8446 §5.1: a handshake record
    return fail(
        bad_request(tls ? "This is TLS: speak plain HTTP to the proxy, and use CONNECT for https."
                        : "This is no HTTP request."));
  }
  if (progress == Progress::failed) return fail(head_failure(scanner_));
  if (progress == Progress::need_more) return progress;
  text_ = input.substr(0, scanner_.size());
  const std::string_view head = text_;
  std::size_t at = begin;
  if (auto failure = parse_request_line(take_line(head, at))) return fail(std::move(*failure));
  if (auto fault = parse_fields(head, at, FieldSyntax::request, head_.fields)) {
    return fail(bad_request(std::move(*fault)));
  }
  head_.size = head.size();
  return Progress::complete;
}

std::optional<Failure> RequestParser::parse_request_line(std::string_view line) {
  const auto first = line.find(' ');
  const auto last = line.rfind(' ');
  if (first == line.npos || first == last) {
    return bad_request("The request line " + quoted(line) +
                       " is not METHOD TARGET HTTP/1.1, with one space between each.");
  }
  head_.method_text = line.substr(0, first);
  head_.target = line.substr(first + 1, last - first - 1);
  const auto version = parse_version(line.substr(last + 1));
  if (!is_token(head_.method_text))
    return bad_request("The method " + quoted(head_.method_text) + " is not a token.");
  if (!is_target(head_.target))
    return bad_request("The request target " + quoted(head_.target) +
                       " is empty or holds a space or control character.");
  if (!version)
    return bad_request("The version " + quoted(line.substr(last + 1)) +
                       " is not HTTP/1.1 or HTTP/1.0.");
  if (version->major != '1') {
    if (head_.method_text == "PRI") return bad_request("HTTP/2 is not spoken here: use HTTP/1.1.");
    return Failure{505,
                   ProxyError::http_request_error,
                   "Only HTTP/1.1 and HTTP/1.0 are spoken here.",
                   Persistence::close,
                   {},
                   {},
                   0};
  }
  head_.version = version->minor == '0' ? Version::http10 : Version::http11;
  head_.method = parse_method(head_.method_text);
  return std::nullopt;
}

Progress ResponseParser::fail(ProxyError error, std::string text) {
  failure_ = bad_response(error, std::move(text));
  return Progress::failed;
}

void ResponseParser::reset() {
  scanner_.reset();
  head_.clear();
  text_.clear();
}

Progress ResponseParser::parse(std::string_view input) {
  constexpr std::string_view kBeginning = "HTTP/1.";
  if (input.substr(0, kBeginning.size()) != kBeginning.substr(0, input.size())) {
    return fail(ProxyError::http_protocol_error, "What the origin sent is no HTTP/1.1 response.");
  }
  const Progress progress = scanner_.scan(input);
  if (progress == Progress::failed) {
    const bool size = scanner_.fault() != HeadScanner::Fault::bare_lf;
    return fail(
        size ? ProxyError::http_response_header_section_size : ProxyError::http_protocol_error,
        "From the origin: " + scanner_.failure());
  }
  if (progress == Progress::need_more) return progress;
  text_ = input.substr(0, scanner_.size());
  const bool repairs = reading_ == Reading::repair;
  bare_lf_ = bare_lf_ || scanner_.bare_lf();
  std::optional<std::string> fault;
  if (repairs && scanner_.folded()) fault = unfold(text_);
  std::size_t at = 0;
  if (!fault) fault = parse_status_line(take_line(text_, at));
  if (!fault) {
    fault = parse_fields(
        text_, at, repairs ? FieldSyntax::repaired_response : FieldSyntax::response, head_.fields);
  }
  if (fault) return fail(ProxyError::http_protocol_error, "From the origin: " + *fault);
  head_.size = text_.size();
  head_.bare_lf = bare_lf_;
  return Progress::complete;
}

std::optional<std::string> ResponseParser::parse_status_line(std::string_view line) {
  constexpr std::size_t kShortest = 12;  // "HTTP/1.1 200"
  const bool formed = line.size() >= kShortest && parse_version(line.substr(0, 8)) &&
                      line[8] == ' ' && is_digit(line[9]) && is_digit(line[10]) &&
                      is_digit(line[11]) && (line.size() == kShortest || line[kShortest] == ' ');
  if (!formed || line[9] < '1' || line[9] > '5') {
    return "The status line " + quoted(line) + " is malformed.";
  }
  head_.version = line[7] == '0' ? Version::http10 : Version::http11;
  head_.status =
      static_cast<unsigned>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  head_.reason = line.substr(std::min(line.size(), kShortest + 1));
  if (!is_field_value(head_.reason)) return "The reason phrase holds a control character.";
  return std::nullopt;
}

}  // namespace egress::http
