// The A-label spelling of a host name written with other letters, to be offered in error messages:
// nothing is ever looked up or judged by it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace egress {

// "bücher.example" gives "xn--bcher-kva.example" (RFC 3492), "bad。test" gives "bad.test". Maps
// full-width forms and the capitals of Latin-1, Greek and Cyrillic; empty where the text is no
// UTF-8, plain ASCII, or holds what needs the whole of Unicode's tables (combining marks).
std::optional<std::string> ascii_form(std::string_view name);

}  // namespace egress
