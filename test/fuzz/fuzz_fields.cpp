// Any bytes are lines of fields: each lies where its line and column say, and nothing is lost but
// blanks, comments and line ends.
#include <cstdint>
#include <cstdlib>

#include "common/fields.hpp"

using namespace egress;

namespace {

void check(const Line& line, std::string_view text) {
  if (line.fields.empty() || line.text.find('\n') != line.text.npos) std::abort();
  if (line.text.data() < text.data() ||
      line.text.data() + line.text.size() > text.data() + text.size()) {
    std::abort();
  }
  std::size_t after = 0;
  for (const auto& field : line.fields) {
    if (field.text.empty() || field.text.front() == '#') std::abort();
    if (field.text.find_first_of(" \t\n") != field.text.npos) std::abort();
    if (line.text.substr(field.column - 1, field.text.size()) != field.text) std::abort();
    const auto between = line.text.substr(after, field.column - 1 - after);
    if (between.find_first_not_of(" \t") != between.npos) std::abort();
    after = field.column - 1 + field.text.size();
  }
  const auto rest = line.text.substr(after);
  const auto begin = rest.find_first_not_of(" \t");
  if (begin != rest.npos && (begin == 0 || rest[begin] != '#')) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  LineScanner scanner(text);
  std::size_t number = 0;
  while (const Line* line = scanner.next()) {
    if (line->number <= number) std::abort();
    number = line->number;
    check(*line, text);
  }
  return 0;
}
