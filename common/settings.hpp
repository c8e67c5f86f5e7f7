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
  // "500ms", "30s", "15m", "1h"; "0" is "0s".
  void duration(std::string_view name, DurationRange range, std::chrono::milliseconds& value);

  struct CountRange {
    std::size_t least;
    std::size_t most;
  };
  void count(std::string_view name, CountRange range, std::size_t& value);
  // Bytes, or with the suffix k or m (of 1024).
  void bytes(std::string_view name, CountRange range, std::size_t& value);

  // One of the words; `value` becomes what stands beside it.
  template <class Value>
  void choice(std::string_view name,
              std::initializer_list<std::pair<std::string_view, Value>> choices, Value& value) {
    const auto text = environment_.get(name);
    if (!text) return;
    std::string expected;
    for (const auto& [word, meaning] : choices) {
      if (word == *text) {
        value = meaning;
        return;
      }
      expected += (expected.empty() ? "" : " or ") + std::string(word);
    }
    error(name, *text, expected);
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
