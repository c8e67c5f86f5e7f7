#include "common/environment.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "test/support/parse.hpp"

namespace egress {
namespace {

using test::environment;

// A file that vanishes with the test.
class File {
 public:
  explicit File(const std::string& content) {
    char name[] = "/tmp/egress-test-XXXXXX";
    ::close(::mkstemp(name));
    path_ = name;
    std::ofstream(path_, std::ios::binary) << content;
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  ~File() { std::filesystem::remove(path_); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string refusal(const Environment& given) {
  Diagnostics diagnostics;
  CHECK_FALSE(read_table_variable(given, "EGRESS_T", diagnostics));
  return diagnostics.to_text(Severity::error);
}

TEST_CASE("a variable set to nothing is not set") {
  const auto given = environment({{"EGRESS_A", "1"}, {"EGRESS_B", ""}, {"EGRESS_C", " "}});
  CHECK(given.get("EGRESS_A") == "1");
  CHECK_FALSE(given.get("EGRESS_B"));
  CHECK(given.get("EGRESS_C") == " ");
  CHECK_FALSE(given.get("EGRESS_D"));
  CHECK_FALSE(given.get("egress_a"));
  CHECK_FALSE(given.get(""));
}

TEST_CASE("the process's variables") {
  ::setenv("EGRESS_TEST_EQUALS", "a=b=c\n", 1);
  ::setenv("EGRES_TEST", "x", 1);
  const auto given = Environment::of_process();
  CHECK(given.get("EGRESS_TEST_EQUALS") == "a=b=c\n");
  CHECK_FALSE(given.get("EGRES_TEST"));
  CHECK_FALSE(given.get("PATH"));
  // What setenv refuses, execve passes on: no equals sign, and a name twice.
  char no_value[] = "EGRESS_NO_EQUALS";
  char first[] = "EGRESS_TWICE=first";
  char second[] = "EGRESS_TWICE=second";
  char unnamed[] = "=x";
  std::array<char*, 5> entries{no_value, first, second, unnamed, nullptr};
  char** before = std::exchange(environ, entries.data());
  const auto odd = Environment::of_process();
  environ = nullptr;
  const auto none = Environment::of_process();
  environ = before;
  CHECK(odd.all() == std::map<std::string, std::string, std::less<>>{{"EGRESS_TWICE", "first"}});
  CHECK(none.all().empty());
}

TEST_CASE("a table out of its variable or its file") {
  Diagnostics diagnostics;
  const File file(std::string("80 tcp\r\n\0\xff", 10));
  const auto by_name =
      read_table_variable(environment({{"EGRESS_T", "80"}}), "EGRESS_T", diagnostics);
  REQUIRE(by_name);
  CHECK(by_name->name == "EGRESS_T");
  CHECK(by_name->text == "80");
  const auto by_file =
      read_table_variable(environment({{"EGRESS_T_FILE", file.path()}}), "EGRESS_T", diagnostics);
  REQUIRE(by_file);
  CHECK(by_file->name == file.path());
  CHECK(by_file->text == std::string("80 tcp\r\n\0\xff", 10));
  // One of the two set to nothing is none of two.
  CHECK(read_table_variable(environment({{"EGRESS_T", ""}, {"EGRESS_T_FILE", file.path()}}),
                            "EGRESS_T", diagnostics)
            ->name == file.path());
  const File empty("");
  CHECK(read_table_variable(environment({{"EGRESS_T_FILE", empty.path()}}), "EGRESS_T", diagnostics)
            ->text.empty());
  CHECK_FALSE(read_table_variable(environment({}), "EGRESS_T", diagnostics));
  CHECK_FALSE(diagnostics.has_errors());
}

TEST_CASE("tables that cannot be read") {
  CHECK(refusal(environment({{"EGRESS_T", "80"}, {"EGRESS_T_FILE", "/x"}})) ==
        "EGRESS_T: error: both EGRESS_T and EGRESS_T_FILE are set, expected one of them\n");
  CHECK(refusal(environment({{"EGRESS_T_FILE", "/no/such/file"}})) ==
        "EGRESS_T_FILE: error: cannot read \"/no/such/file\": ENOENT (No such file or "
        "directory)\n");
  CHECK(refusal(environment({{"EGRESS_T_FILE", "/no\x1b[0m\n"}})) ==
        "EGRESS_T_FILE: error: cannot read \"/no\\x1b[0m\\n\": ENOENT (No such file or "
        "directory)\n");
  CHECK(refusal(environment({{"EGRESS_T_FILE", "/tmp"}})) ==
        "EGRESS_T_FILE: error: cannot read \"/tmp\": EISDIR (Is a directory)\n");
  CHECK(refusal(environment({{"EGRESS_T_FILE", "/proc/self/mem"}}))
            .starts_with("EGRESS_T_FILE: error: cannot read \"/proc/self/mem\": E"));
}

TEST_CASE("a file without an end, and the largest that is read") {
  CHECK(refusal(environment({{"EGRESS_T_FILE", "/dev/zero"}})) ==
        "EGRESS_T_FILE: error: cannot read \"/dev/zero\": larger than 64 MiB\n");
  const File file("");
  const auto given = environment({{"EGRESS_T_FILE", file.path()}});
  std::filesystem::resize_file(file.path(), kMostTextBytes);
  Diagnostics diagnostics;
  CHECK(read_table_variable(given, "EGRESS_T", diagnostics)->text.size() == kMostTextBytes);
  std::filesystem::resize_file(file.path(), kMostTextBytes + 1);
  CHECK(refusal(given).ends_with("larger than 64 MiB\n"));
}

TEST_CASE("a table out of a pipe, which holds nobody up") {
  std::array<int, 2> ends{};
  REQUIRE(::pipe(ends.data()) == 0);
  const auto read = [&](Diagnostics& diagnostics) {
    return read_table_variable(
        environment({{"EGRESS_T_FILE", "/dev/fd/" + std::to_string(ends[0])}}), "EGRESS_T",
        diagnostics);
  };
  Diagnostics silent;
  CHECK_FALSE(read(silent));  // a writer, and nothing written
  CHECK(silent.to_text(Severity::error).find("nothing was written to it for 5 s") !=
        std::string::npos);

  REQUIRE(::write(ends[1], "80", 2) == 2);
  ::close(ends[1]);
  Diagnostics none;
  const auto text = read(none);
  REQUIRE(text);
  CHECK(text->text == "80");
  ::close(ends[0]);
}

TEST_CASE("slips in names of variables") {
  constexpr std::array<std::string_view, 3> kKnown{"EGRESS_SOURCE", "EGRESS_GATEWAY",
                                                   "EGRESS_LOG_LEVEL"};
  const struct {
    std::string name;
    std::string meant;  // empty: no warning
  } cases[] = {
      {"EGRESS_GATEWAY", ""},
      {"EGRESS_GATWAY", "EGRESS_GATEWAY"},    // one left out
      {"EGRESS_GATEEWAY", "EGRESS_GATEWAY"},  // one too many
      {"EGRESS_GATEWAX", "EGRESS_GATEWAY"},   // another
      {"EGRESS_GTAEWAY", "EGRESS_GATEWAY"},   // two swapped
      {"EGRESS_GATEWAYS1", "EGRESS_GATEWAY"},
      {"EGRESS_GATEWAYS12", ""},
      {"EGRESS_SOURCE_IP", ""},
      {"EGRESS_LOGLEVEL", "EGRESS_LOG_LEVEL"},
      {"EGRESS_ROUTER_SERVICE_HOST", ""},
      {"EGRESS_", ""},
  };
  for (const auto& [name, meant] : cases) {
    CAPTURE(name);
    Diagnostics diagnostics;
    warn_of_misspelt(environment({{name, "x"}}), kKnown, diagnostics);
    CHECK_FALSE(diagnostics.has_errors());
    CHECK(diagnostics.to_text(Severity::warning) ==
          (meant.empty() ? ""
                         : name + ": warning: no such variable, it is ignored; did you mean " +
                               meant + "?\n"));
  }
}

}  // namespace
}  // namespace egress
