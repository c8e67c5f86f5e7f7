// Finds the end of a head.
#include <algorithm>
#include <cstring>
#include <utility>

#include "http-proxy/message.hpp"

namespace egress::http {

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
