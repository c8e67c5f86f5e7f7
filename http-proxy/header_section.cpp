#include "http-proxy/header_section.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "http-proxy/failure.hpp"

namespace egress::http {
namespace {

// RFC 9110 §5.6.2.
constexpr std::array<bool, 256> kTokenBytes = [] {
  std::array<bool, 256> table{};
  for (const char c : std::string_view("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ")) {
    table[static_cast<unsigned char>(c)] = true;
  }
  return table;
}();

constexpr bool is_blank(char c) { return c == ' ' || c == '\t'; }

bool frames(FieldId id) {
  return id == FieldId::content_length || id == FieldId::transfer_encoding;
}

bool is_plain(std::string_view raw, std::string_view value) {
  return raw == value || (raw.size() == value.size() + 1 && raw.front() == ' ' && !value.empty());
}

// What is wrong with the line, or nothing.
std::optional<std::string> parse_field_line(std::string_view line, FieldSyntax syntax,
                                            HeaderField& field) {
  if (is_blank(line.front()))
    return "A header line begins with a space: folded lines are obsolete (RFC 9112 5.2).";
  const auto colon = line.find(':');
  if (colon == line.npos) return "The header line " + quoted(line) + " has no colon.";
  field.name = line.substr(0, colon);
  if (syntax == FieldSyntax::repaired_response) {
    const auto name = trim(field.name);
    // Who takes the white space for a part of the name finds another body.
    if (!frames(field_id(name))) field.name = name;
  }
  if (!is_token(field.name)) {
    return "The header name " + quoted(field.name) +
           " holds a character that no name may, such as a space before the colon.";
  }
  const auto raw = line.substr(colon + 1);
  field.value = trim(raw);
  field.id = field_id(field.name);
  if (!is_field_value(field.value))
    return "The value of " + quoted(field.name) + " holds a control character.";
  if (field.id == FieldId::transfer_encoding && syntax == FieldSyntax::request &&
      !is_plain(raw, field.value)) {
    return "Transfer-Encoding has white space other than one space before its value.";
  }
  return std::nullopt;
}

}  // namespace

bool is_token(std::string_view text) {
  bool good = !text.empty();
  for (const char c : text) good = good && kTokenBytes[static_cast<unsigned char>(c)];
  return good;
}

// Without branches, for the compiler to take many bytes at once.
bool is_field_value(std::string_view text) {
  unsigned bad = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned>(byte < 0x20) & static_cast<unsigned>(byte != '\t');
    bad |= static_cast<unsigned>(byte == 0x7f);
  }
  return bad == 0;
}

std::string_view take_line(std::string_view head, std::size_t& at) {
  const auto end = head.find('\n', at);
  auto line = head.substr(at, end - at);
  at = end + 1;
  if (line.ends_with('\r')) line.remove_suffix(1);
  return line;
}

std::optional<std::string> parse_fields(std::string_view head, std::size_t at, FieldSyntax syntax,
                                        std::vector<HeaderField>& fields) {
  fields.clear();
  for (;;) {
    const auto line = take_line(head, at);
    if (line.empty()) return std::nullopt;
    if (auto fault = parse_field_line(line, syntax, fields.emplace_back())) return fault;
  }
}

std::optional<std::string> unfold(std::string& head) {
  std::size_t field = head.find('\n') + 1;
  for (std::size_t at = field;;) {
    const auto end = head.find('\n', at);
    const auto next = end + 1;
    if (next >= head.size()) return std::nullopt;
    if (!is_blank(head[next])) {
      field = at = next;
      continue;
    }
    const auto name = std::string_view(head).substr(field, head.find(':', field) - field);
    if (at == field && (name.size() >= end - field || frames(field_id(trim(name)))))
      return "A folded line stands where it could change the framing (RFC 9112 5.2).";
    if (head.find_first_not_of(" \t\r", next) == head.find('\n', next))
      return "A folded line holds nothing but white space.";
    head[end] = ' ';
    if (head[end - 1] == '\r') head[end - 1] = ' ';
    at = next;
  }
}

Progress HeadScanner::fail(Fault fault) {
  fault_ = fault;
  return Progress::failed;
}

Progress HeadScanner::scan(std::string_view input) {
  if (fault_ != Fault::none) return Progress::failed;
  while (scanned_ < input.size()) {
    const auto* const newline = static_cast<const char*>(
        std::memchr(input.data() + scanned_, '\n', input.size() - scanned_));
    const std::size_t end =
        newline == nullptr ? input.size() : static_cast<std::size_t>(newline - input.data());
    const std::size_t line_limit = line_begin_ + limits_.line_bytes;
    if (end >= std::min(line_limit, limits_.head_bytes)) {
      return fail(line_limit <= limits_.head_bytes ? Fault::line_too_long : Fault::head_too_large);
    }
    scanned_ = end + (newline == nullptr ? 0 : 1);
    if (newline == nullptr) break;
    const bool crlf = end > line_begin_ && input[end - 1] == '\r';
    if (!crlf && reading_ == Reading::strict) return fail(Fault::bare_lf);
    bare_lf_ = bare_lf_ || !crlf;
    const bool empty = end - line_begin_ == (crlf ? 1 : 0);
    folded_ = folded_ || input[line_begin_] == ' ' || input[line_begin_] == '\t';
    line_begin_ = scanned_;
    if (empty && lines_ > 0) return Progress::complete;
    if (empty) begin_ = scanned_;  // RFC 9112 §2.2: empty lines in front are skipped
    if (!empty && ++lines_ > limits_.fields + 1) return fail(Fault::too_many_fields);
  }
  return Progress::need_more;
}

std::string HeadScanner::failure() const {
  const auto over = [](std::string what, std::size_t most, std::string_view unit,
                       std::string_view variable) {
    return std::move(what) + std::to_string(most) + std::string(unit) + " (" +
           std::string(variable) + ").";
  };
  switch (fault_) {
    case Fault::none: break;
    case Fault::bare_lf: return "A line of the header section ends in LF without CR.";
    case Fault::line_too_long:
      return over(lines_ == 0 ? "The first line is longer than " : "A header line is longer than ",
                  limits_.line_bytes, " bytes", kLineBytesVariable);
    case Fault::head_too_large:
      return over("The header section is larger than ", limits_.head_bytes, " bytes",
                  kHeadBytesVariable);
    case Fault::too_many_fields:
      return over("The header section has more than ", limits_.fields, " fields", kFieldsVariable);
  }
  return {};
}

}  // namespace egress::http
