#include "common/variable.hpp"

#include <array>
#include <catch2/catch.hpp>

namespace egress {
namespace {

constexpr std::array kVariables{Variable{"EGRESS_A", "10s", "how long"},
                                Variable{"EGRESS_B", "", "where to"}};

TEST_CASE("variables as --help shows them") {
  CHECK(to_help_text(kVariables) ==
        "Variables:\n"
        "  EGRESS_A = 10s\n"
        "      how long\n"
        "  EGRESS_B\n"
        "      where to\n");
  CHECK(to_help_text({}) == "Variables:\n");
}

TEST_CASE("meanings are wrapped at 80 columns") {
  const std::string word(36, 'a');  // 6 + 36 + 1 + 37 = 80
  const std::string other(37, 'b');
  const std::string meaning = word + " " + other + " c " + std::string(90, 'd');
  const std::array variables{Variable{"EGRESS_A", "", meaning}};
  CHECK(to_help_text(variables) == "Variables:\n  EGRESS_A\n      " + word + " " + other +
                                       "\n      c\n      " + std::string(90, 'd') + "\n");
}

TEST_CASE("names of variables") {
  CHECK(names_of(kVariables) == std::vector<std::string_view>{"EGRESS_A", "EGRESS_B"});
  CHECK(names_of({}).empty());
}

}  // namespace
}  // namespace egress
