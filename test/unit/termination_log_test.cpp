#include "common/termination_log.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace egress {
namespace {

std::string new_folder() {
  char name[] = "/tmp/egress-test-XXXXXX";
  REQUIRE(::mkdtemp(name) != nullptr);
  return name;
}

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), {});
}

// What stands in a file that held something longer.
std::string written(std::string_view message) {
  const std::string folder = new_folder();
  const std::string path = folder + "/log";
  std::ofstream(path) << std::string(10'000, 'x');
  write_termination_log(message, path);
  const std::string text = content(path);
  std::filesystem::remove_all(folder);
  return text;
}

TEST_CASE("the last error is left, cut at a character") {
  const std::string full(4096, 'a');
  const std::string almost(4094, 'a');
  CHECK(written("why\n") == "why\n");
  CHECK(written("") == "");
  CHECK(written(std::string_view("a\0b", 3)) == std::string("a\0b", 3));
  CHECK(written(full) == full);
  CHECK(written(full + "b") == full);
  CHECK(written(almost + "\xc3\xa9") == almost + "\xc3\xa9");
  CHECK(written(almost + "\xe2\x82\xac") == almost);
  CHECK(written(almost + "\xf0\x9f\x98\x80 and more") == almost);
  CHECK(written(almost + "a\xc3\xa9") == almost + "a");
  // No text at all: cut as bytes.
  CHECK(written(std::string(5000, '\x80')).size() >= 4092);
}

TEST_CASE("where it cannot be written nothing happens") {
  const std::string folder = new_folder();
  write_termination_log("x", folder + "/missing");
  CHECK_FALSE(std::filesystem::exists(folder + "/missing"));
  write_termination_log("x", folder);
  write_termination_log("x", folder + "/no/folder");
  write_termination_log("x", "");
  write_termination_log("x", "/dev/full");
  // A pipe that nobody reads would hold the program.
  const std::string pipe = folder + "/pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  write_termination_log("x", pipe);
  CHECK(std::filesystem::is_fifo(pipe));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace egress
