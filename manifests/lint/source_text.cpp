#include "manifests/lint/source_text.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "common/escape.hpp"
#include "common/look_alike.hpp"

namespace egress::lint {
namespace {

std::string_view first_character(std::string_view text) {
  return text.substr(0, std::max(utf8_length(text), std::size_t{1}));
}

// The column, from 0, of the closing quote that belongs to one like `plain` before `text`.
bool closes_later(std::string_view text, std::string_view plain) {
  while (!text.empty()) {
    const auto character = first_character(text);
    if (character == plain || plain_for(character) == plain) return true;
    text.remove_prefix(character.size());
  }
  return false;
}

// Where the mapping or the sequence stands that a line of a block begins: after its "- ".
std::size_t indentation(std::string_view line) {
  std::size_t at = 0;
  std::size_t last = 0;
  for (;;) {
    at = std::min(line.find_first_not_of(' ', at), line.size());
    last = at;
    if (!line.substr(at).starts_with("- ")) return last;
    const auto next = line.find_first_not_of(' ', at + 2);
    // "- |": the block belongs to the item itself.
    if (next == line.npos || line[next] == '|' || line[next] == '>') return at;
    at = next;
  }
}

// "key: |", "- >-": a block scalar begins.
bool begins_block(std::string_view mended) {
  const auto comment = mended.find(" #");
  if (comment != mended.npos) mended = mended.substr(0, comment);
  const auto end = mended.find_last_not_of(" \r");
  if (end == mended.npos) return false;
  const auto indicator = mended.find_last_not_of("+-0123456789", end);
  if (indicator == mended.npos || (mended[indicator] != '|' && mended[indicator] != '>'))
    return false;
  return indicator == 0 || mended[indicator - 1] == ' ';
}

bool is_blank(std::string_view line) { return line.find_first_not_of(" \r") == line.npos; }

}  // namespace

SourceText::SourceText(std::string name, std::string text)
    : name_(std::move(name)), text_(std::move(text)) {
  std::string_view rest = text_;
  if (rest.starts_with("\xef\xbb\xbf")) rest.remove_prefix(3);  // a byte order mark
  std::optional<std::size_t> block;  // the indentation of what a block scalar belongs to
  while (!rest.empty()) {
    const auto end = std::min(rest.find('\n'), rest.size());
    const auto line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    lines_.push_back(line.ends_with('\r') ? line.substr(0, line.size() - 1) : line);
    const auto indent = std::min(line.find_first_not_of(' '), line.size());
    if (block && (is_blank(line) || indent > *block)) {
      mended_.emplace_back(line);
      continue;
    }
    block.reset();
    mended_.push_back(mend(lines_.size(), lines_.back()));
    if (begins_block(mended_.back())) block = indentation(mended_.back());
  }
}

std::string_view SourceText::line(std::size_t number) const {
  return number >= 1 && number <= lines_.size() ? lines_[number - 1] : std::string_view();
}

// Outside of a block scalar. A dash is mended where an item begins, quotes where a value begins and
// where it ends, spaces wherever they are; elsewhere a look-alike is only noted.
std::string SourceText::mend(std::size_t number, std::string_view line) {
  std::string mended;
  bool value_begins = true;
  bool only_items = true;    // nothing but spaces and "- " so far
  std::string_view closing;  // of a typographic quotation
  std::size_t at = 0;
  const auto put = [&](std::string_view character, std::string_view plain, bool mends) {
    look_alikes_.push_back({number, at + 1, character.size(), plain == " " ? "space" : plain, mends,
                            !closing.empty()});
    mended += mends ? plain : character;
  };
  while (at < line.size()) {
    const auto character = first_character(line.substr(at));
    const auto plain = plain_for(character);
    const auto after = line.substr(at + character.size());
    const bool begins_item =
        plain == "-" && only_items &&
        (after.empty() || after[0] == ' ' || plain_for(first_character(after)) == " ");
    if (!closing.empty()) {
      if (plain == closing) {
        put(character, *plain, true);
        closing = {};
      } else {
        mended += character;
      }
    } else if (plain == " " || begins_item) {
      put(character, *plain, true);
    } else if (plain && *plain != "-" && value_begins && closes_later(after, *plain)) {
      put(character, *plain, true);
      closing = *plain;
      value_begins = only_items = false;
    } else if (plain) {
      put(character, *plain, false);
      value_begins = only_items = false;
    } else if (character == "#" && (at == 0 || line[at - 1] == ' ')) {
      return mended + std::string(line.substr(at));
    } else if (value_begins && (character == "\"" || character == "'")) {
      const auto end = after.find(character);
      const auto quoted = line.substr(at, end == after.npos ? line.npos : end + 2);
      mended += quoted;
      at += quoted.size();
      value_begins = only_items = false;
      continue;
    } else {
      mended += character;
      const bool is_space = character == " ";
      const char before = at == 0 ? ' ' : line[at - 1];
      if (is_space)
        value_begins = value_begins || before == ':' || before == '-' || before == ',';
      else
        value_begins = character == "[" || character == "{" || character == ",";
      only_items = only_items && (is_space || (character == "-" && after.starts_with(' ')));
      if (character == "-" && only_items) value_begins = true;
    }
    at += character.size();
  }
  return mended;
}

Place SourceText::place(std::size_t line, std::size_t mended_column, std::size_t length) const {
  // Each mended character stands for more bytes than it has itself.
  std::size_t column = mended_column;
  for (const auto& one : look_alikes_) {
    if (one.line == line && one.mended && one.column < column) column += one.length - 1;
  }
  return {this, line, column, length};
}

}  // namespace egress::lint
