// A row of a program's table of variables: what --help and the README print. Nothing reads the
// environment here.
#pragma once

#include <string_view>

namespace egress {

struct Variable {
  std::string_view name;
  std::string_view default_value;
  std::string_view meaning;
};

}  // namespace egress
