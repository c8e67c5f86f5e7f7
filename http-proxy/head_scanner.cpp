// Finds the end of a head.
#include <cstring>

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
    if (end - line_begin_ > limits_.line_bytes) return fail(Fault::line_too_long);
    if (end >= limits_.head_bytes) return fail(Fault::head_too_large);
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

}  // namespace egress::http
