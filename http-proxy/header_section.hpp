// The lines of a header section (RFC 9112 §2 and §5): finds its end, parses its fields, and repairs
// those of a response. Knows the fields that a proxy treats on its own, no start line and no body.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace egress::http {

// How a message is read. Requests are always read strictly. Of a response that RFC 9112 lets a
// proxy repair and that has one reading only, the repaired form is parsed and forwarded: LF line
// endings (§2.2), white space before a colon (§5.1), folded lines (§5.2), Content-Length beside
// Transfer-Encoding and equal Content-Lengths (§6.3), the coding `identity` (RFC 2616 §3.6).
enum class Reading : std::uint8_t { strict, repair };

// The defaults are those of Squid, which has a limit for the header section alone.
struct HeadLimits {
  std::size_t head_bytes = 64U << 10U;  // with empty lines in front
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

enum class FieldSyntax : std::uint8_t {
  request,  // Transfer-Encoding as every client writes it: a peer must not read another coding
  response,
  repaired_response,  // white space before the colon is removed (RFC 9112 §5.1)
};

// The line of a complete header section that begins at `at`, without its end; moves `at` behind it.
std::string_view take_line(std::string_view head, std::size_t& at);
// The lines from `at` on, up to the empty one. What is wrong with them, or nothing.
std::optional<std::string> parse_fields(std::string_view head, std::size_t at, FieldSyntax syntax,
                                        std::vector<HeaderField>& fields);
// RFC 9112 §5.2: spaces in place of each fold make a field one line again. What is wrong with the
// folds, or nothing: one that a reader could take for something else is not repaired.
std::optional<std::string> unfold(std::string& head);
// RFC 9110 §5.5: visible ASCII, space, tab and bytes above ASCII.
bool is_field_value(std::string_view text);

}  // namespace egress::http
