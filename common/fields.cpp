#include "common/fields.hpp"

namespace egress {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

void split_fields(std::string_view text, std::vector<Field>& fields) {
  fields.clear();
  std::size_t at = 0;
  while ((at = text.find_first_not_of(" \t", at)) != text.npos && text[at] != '#') {
    const std::size_t end = std::min(text.find_first_of(" \t", at), text.size());
    fields.push_back({text.substr(at, end - at), at + 1});
    at = end;
  }
}

}  // namespace

LineScanner::LineScanner(std::string_view text) : rest_(text) {
  if (rest_.starts_with(kByteOrderMark)) rest_.remove_prefix(kByteOrderMark.size());
}

const Line* LineScanner::next() {
  while (!rest_.empty()) {
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    line_.text = rest_.substr(0, end);
    line_.number = ++number_;
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    if (line_.text.ends_with('\r')) line_.text.remove_suffix(1);
    split_fields(line_.text, line_.fields);
    if (!line_.fields.empty()) return &line_;
  }
  return nullptr;
}

}  // namespace egress
