#include "manifests/lint/fix.hpp"

#include <filesystem>
#include <fstream>

#include "manifests/lint/source_text.hpp"

namespace egress::lint {

Fixed fix_typographic_characters(const std::string& text) {
  const SourceText source("", text);
  Fixed fixed;
  std::size_t copied = 0;
  for (const auto& one : source.look_alikes()) {
    if (!one.mended) continue;
    const std::size_t at = source.offset(one.line) + one.column - 1;
    fixed.text.append(text, copied, at - copied);
    fixed.text += one.plain == "space" ? " " : one.plain;
    copied = at + one.length;
    ++fixed.replaced;
  }
  fixed.text.append(text, copied);
  return fixed;
}

std::string replace_file(const std::string& path, const std::string& text) {
  namespace fs = std::filesystem;
  std::error_code error;
  const auto target = fs::canonical(path, error);
  const fs::path temporary = target.string() + ".egress-lint";
  if (!error) {
    std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
    file << text << std::flush;
    if (!file) error = std::make_error_code(std::errc::io_error);
  }
  if (!error) fs::permissions(temporary, fs::status(target).permissions(), error);
  if (!error) fs::rename(temporary, target, error);
  if (!error) return {};
  std::error_code ignored;
  if (!temporary.empty()) fs::remove(temporary, ignored);
  return error.message();
}

}  // namespace egress::lint
