#include "common/diagnostic.hpp"

#include <algorithm>
#include <utility>

#include "common/escape.hpp"
#include "common/look_alike.hpp"

namespace egress {
namespace {

constexpr std::size_t kExcerptBytes = 96;  // of the source line, around the spot
constexpr std::size_t kLead = 40;          // of these, at most so many before the spot
constexpr std::size_t kFoundBytes = 64;

std::string label(Severity severity) {
  return severity == Severity::error ? "error: " : "warning: ";
}

// The first `most` bytes, or fewer, so that no character is cut in two.
std::string_view whole_characters(std::string_view text, std::size_t most) {
  std::size_t size = 0;
  while (size < text.size()) {
    const std::size_t length = std::max(utf8_length(text.substr(size)), std::size_t{1});
    if (size + length > most) break;
    size += length;
  }
  return text.substr(0, size);
}

std::string place(const Spot& spot) {
  return escape(spot.source) + ":" + std::to_string(spot.line) + ":" + std::to_string(spot.column) +
         ": ";
}

}  // namespace

// What stands before the spot is escaped as it is printed, so the caret is placed by the escaped
// length.
std::string excerpt(const Spot& spot) {
  const std::size_t at = std::min(spot.column - 1, spot.line_text.size());
  const std::size_t begin = at > kLead ? at - kLead : 0;
  const std::size_t end = std::min(begin + kExcerptBytes, spot.line_text.size());
  const std::size_t marked_end = std::clamp(at + spot.length, at, end);
  const std::string before =
      (begin > 0 ? "..." : "") + escape(spot.line_text.substr(begin, at - begin));
  const std::string marked = escape(spot.line_text.substr(at, marked_end - at));
  const std::string after = escape(spot.line_text.substr(marked_end, end - marked_end)) +
                            (end < spot.line_text.size() ? "..." : "");
  const std::string number = std::to_string(spot.line);
  const std::size_t tildes = marked.empty() ? 0 : marked.size() - 1;
  return "  " + number + " | " + before + marked + after + "\n  " +
         std::string(number.size(), ' ') + " | " + std::string(before.size(), ' ') + "^" +
         std::string(tildes, '~');
}

std::string found_expected(std::string_view found, std::string_view expected) {
  const bool cut = found.size() > kFoundBytes;
  const auto plain = first_plain_for(found);
  return "found \"" + escape(whole_characters(found, kFoundBytes)) + (cut ? "..." : "") +
         "\", expected " + std::string(expected) +
         (plain ? " (a typographic character: type a plain " +
                      std::string(*plain == " " ? "space" : *plain) + ")"
                : "");
}

void Diagnostics::add(Diagnostic diagnostic) {
  std::size_t& count = diagnostic.severity == Severity::error ? errors_ : warnings_;
  if (++count <= kKept) kept_.push_back(std::move(diagnostic));
}

void Diagnostics::add(Severity severity, const Spot& spot, std::string_view message) {
  add({severity, place(spot) + label(severity) + std::string(message) + "\n" + excerpt(spot),
       std::string(spot.source), spot.line, spot.column, spot.length, std::string(message)});
}

void Diagnostics::add(Severity severity, std::string_view object, std::string_view message) {
  add({severity, escape(object) + ": " + label(severity) + std::string(message),
       std::string(object), 0, 0, 0, std::string(message)});
}

void Diagnostics::error(const Spot& spot, std::string_view message) {
  add(Severity::error, spot, message);
}

void Diagnostics::warning(const Spot& spot, std::string_view message) {
  add(Severity::warning, spot, message);
}

void Diagnostics::error(std::string_view object, std::string_view message) {
  add(Severity::error, object, message);
}

void Diagnostics::warning(std::string_view object, std::string_view message) {
  add(Severity::warning, object, message);
}

std::string Diagnostics::to_text(Severity severity) const {
  std::string text;
  std::size_t shown = 0;
  for (const auto& diagnostic : kept_) {
    if (diagnostic.severity != severity) continue;
    text += diagnostic.text + "\n";
    ++shown;
  }
  const std::size_t all = severity == Severity::error ? errors_ : warnings_;
  if (all > shown) {
    text += label(severity) + "and " + std::to_string(all - shown) + " more\n";
  }
  return text;
}

}  // namespace egress
