// What a word processor or a blog makes of plain characters: quotes, dashes and spaces that look
// right and are not.
#pragma once

#include <optional>
#include <string_view>

namespace egress {

// What to type instead of one typographic UTF-8 character: "-", "\"", "'" or " ". Nothing where it
// is none.
std::optional<std::string_view> plain_for(std::string_view character);

// The same of the first one in a text.
std::optional<std::string_view> first_plain_for(std::string_view text);

}  // namespace egress
