// What is wrong with a configuration, collected so that all of it is reported at once, each with
// its place, the line it stands in and a caret under the spot.
#pragma once

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

namespace egress {

enum class Severity { error, warning };

// Where something stands in a source text. Lines and columns count from 1, columns in bytes.
struct Spot {
  std::string_view source;  // name of a variable, or path of a file
  std::size_t line = 1;
  std::size_t column = 1;
  std::string_view line_text;  // the whole line, without its end
  std::size_t length = 1;      // bytes to underline
};

struct Diagnostic {
  Severity severity = Severity::error;
  std::string text;  // complete and safe to print: "NAME:3:6: error: found ..., expected ...",
                     // excerpt, caret

  // The same in parts, for who knows a better place: where that text itself stands.
  std::string object;      // as Spot::source
  std::size_t line = 0;    // 0: it has no place
  std::size_t column = 0;  // 0: it has no place
  std::size_t length = 0;
  std::string message;  // safe to print

  bool operator==(const Diagnostic&) const = default;
};

// The line and, under it, the caret, without a last line end. A long line is cut on both sides.
std::string excerpt(const Spot& spot);

// Keeps the first kKept errors and the first kKept warnings in full and counts the rest, so that a
// table of a million bad lines costs no more.
class Diagnostics {
 public:
  static constexpr std::size_t kKept = 50;

  void error(const Spot& spot, std::string_view message);
  void warning(const Spot& spot, std::string_view message);
  // About something that has no place in a text, such as a variable that is not set.
  void error(std::string_view object, std::string_view message);
  void warning(std::string_view object, std::string_view message);

  bool has_errors() const { return errors_ > 0; }
  std::size_t errors() const { return errors_; }
  const std::vector<Diagnostic>& kept() const { return kept_; }  // in the order they came

  // All that was kept of one severity, a line end after each, then how many more there were.
  std::string to_text(Severity severity) const;

 private:
  void add(Diagnostic diagnostic);
  void add(Severity severity, const Spot& spot, std::string_view message);
  void add(Severity severity, std::string_view object, std::string_view message);

  std::vector<Diagnostic> kept_;
  std::size_t errors_ = 0;
  std::size_t warnings_ = 0;
};

// Runs `parse`. What it throws becomes an error about `object`, with an empty result: a fault in a
// parser must not end a program that serves with an older configuration.
template <class Parse>
auto parse_contained(std::string_view object, Diagnostics& diagnostics, Parse parse)
    -> decltype(parse()) {
  try {
    return parse();
  } catch (const std::exception& failure) {
    diagnostics.error(object, std::string("internal error while parsing: ") + failure.what());
    return {};
  }
}

// `found "tcpp", expected tcp, udp or sctp`, with `found` escaped and cut to a readable length.
std::string found_expected(std::string_view found, std::string_view expected);

}  // namespace egress
