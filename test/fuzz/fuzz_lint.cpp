// A manifest: any bytes give a report that is printable, never a crash, and JSON that holds as
// much.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "manifests/lint/lint.hpp"

using namespace egress::lint;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const auto report = lint({{{"manifest", text}}}, {});
  for (const char c : report.text) {
    if (c != '\n' && (c < ' ' || c > '~')) std::abort();
  }
  if (lint({{{"manifest", text}}}, {Format::json}).has_errors != report.has_errors) std::abort();
  return 0;
}
