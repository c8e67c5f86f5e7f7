// Reads the simple variables of a configuration: durations, counts, sizes, choices, lists. What is
// wrong goes to the diagnostics, in words that name what was expected; the value then stays what it
// was.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/diagnostic.hpp"
#include "common/environment.hpp"
#include "common/host.hpp"
#include "common/port.hpp"

namespace egress {

class SettingsReader {
 public:
  // Both must outlive the reader.
  SettingsReader(const Environment& environment, Diagnostics& diagnostics)
      : environment_(environment), diagnostics_(diagnostics) {}

  struct DurationRange {
    std::chrono::milliseconds least;
    std::chrono::milliseconds most;
  };
  // "500ms", "30s", "15m", "1h"; "0" is "0s". `or_else` is what else may stand there, for messages:
  // ", or off".
  void duration(std::string_view name, DurationRange range, std::chrono::milliseconds& value,
                std::string_view or_else = "");

  struct CountRange {
    std::size_t least;
    std::size_t most;
  };
  void count(std::string_view name, CountRange range, std::size_t& value);
  // Bytes, or with the suffix k or m (of 1024).
  void bytes(std::string_view name, CountRange range, std::size_t& value);

  // One of the words; `value` becomes what stands beside it.
  template <class Value>
  void choice(std::string_view name, std::span<const std::pair<std::string_view, Value>> choices,
              Value& value) {
    const auto text = environment_.get(name);
    if (!text) return;
    std::string expected;
    for (const auto& one : choices) {
      if (one.first == *text) {
        value = one.second;
        return;
      }
      if (!expected.empty()) expected += &one == &choices.back() ? " or " : ", ";
      expected += one.first;
    }
    error(name, *text, expected);
  }
  template <class Value>
  void choice(std::string_view name,
              std::initializer_list<std::pair<std::string_view, Value>> choices, Value& value) {
    choice(name,
           std::span<const std::pair<std::string_view, Value>>(choices.begin(), choices.size()),
           value);
  }
  void on_or_off(std::string_view name, bool& value) {
    choice(name, {{"on", true}, {"off", false}}, value);
  }

  // Lists, separated by commas, spaces or both.
  void port_ranges(std::string_view name, std::vector<PortRange>& value);
  void listen_addresses(std::string_view name, std::vector<ListenAddress>& value);
  void text(std::string_view name, std::string& value);

 private:
  void error(std::string_view name, std::string_view value, std::string_view expected);

  const Environment& environment_;
  Diagnostics& diagnostics_;
};

}  // namespace egress
