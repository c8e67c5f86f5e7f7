// A manifest's text: as it lies on disk, for messages, and as YAML can read it, with the
// typographic characters of a blog or a word processor mended, so that one of them does not hide
// all else.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace egress::lint {

class SourceText;

// Where something stands, on disk. Lines and columns count from 1, columns in bytes.
struct Place {
  const SourceText* text = nullptr;
  std::size_t line = 0;
  std::size_t column = 0;
  std::size_t length = 1;
};

class SourceText {
 public:
  // A typographic character outside of comments, quotes and block scalars.
  struct LookAlike {
    std::size_t line = 0;
    std::size_t column = 0;
    std::size_t length = 0;
    std::string_view plain;  // what to type instead: "-", "\"", "'" or "space"
    bool mended = false;     // YAML reads it as something else than what was meant
    bool closes = false;     // a quotation that another one begins
  };

  SourceText(std::string name, std::string text);
  SourceText(const SourceText&) = delete;  // its lines are views, and places point at it
  SourceText& operator=(const SourceText&) = delete;

  const std::string& name() const { return name_; }
  std::size_t lines() const { return lines_.size(); }
  std::string_view line(std::size_t number) const;  // without its end; empty past the last
  // Of a line's first byte in the text.
  std::size_t offset(std::size_t number) const {
    return static_cast<std::size_t>(lines_[number - 1].data() - text_.data());
  }
  const std::string& mended_line(std::size_t number) const { return mended_[number - 1]; }
  const std::vector<LookAlike>& look_alikes() const { return look_alikes_; }

  // Of a place in the mended text.
  Place place(std::size_t line, std::size_t mended_column, std::size_t length = 1) const;

 private:
  std::string mend(std::size_t number, std::string_view line);

  std::string name_;
  std::string text_;
  std::vector<std::string_view> lines_;
  std::vector<std::string> mended_;
  std::vector<LookAlike> look_alikes_;  // in the order of the text
};

}  // namespace egress::lint
