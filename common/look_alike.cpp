#include "common/look_alike.hpp"

#include <algorithm>
#include <utility>

#include "common/escape.hpp"

namespace egress {
namespace {

constexpr std::pair<std::string_view, std::string_view> kLookAlikes[] = {
    {"\u2010", "-"},  {"\u2011", "-"},  {"\u2012", "-"},  {"\u2013", "-"},  {"\u2014", "-"},
    {"\u2015", "-"},  {"\u2212", "-"},  {"\u201c", "\""}, {"\u201d", "\""}, {"\u201e", "\""},
    {"\u201f", "\""}, {"\u00ab", "\""}, {"\u00bb", "\""}, {"\u2018", "'"},  {"\u2019", "'"},
    {"\u201a", "'"},  {"\u00a0", " "},  {"\u202f", " "}};

}  // namespace

std::optional<std::string_view> plain_for(std::string_view character) {
  for (const auto& [typographic, plain] : kLookAlikes) {
    if (typographic == character) return plain;
  }
  return std::nullopt;
}

std::optional<std::string_view> first_plain_for(std::string_view text) {
  while (!text.empty()) {
    const auto length = std::max(utf8_length(text), std::size_t{1});
    if (const auto plain = plain_for(text.substr(0, length))) return plain;
    text.remove_prefix(length);
  }
  return std::nullopt;
}

}  // namespace egress
