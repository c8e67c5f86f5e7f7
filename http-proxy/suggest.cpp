#include "http-proxy/suggest.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

#include "http-proxy/request_target.hpp"

namespace egress::http {
namespace {

// What a line tells, in either format.
struct Asked {
  std::string method;
  std::string target;
  std::string verdict;
  bool reached = false;
};

std::optional<Asked> read_json(std::string_view line) {
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto text = [&json](const char* key) {
    const auto found = json.find(key);
    return found != json.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  return Asked{text("method"), text("target"), text("verdict"), json.contains("upstream")};
}

// The words of a text line. A word in quotes holds what no host does, so it need not be unescaped.
std::vector<std::string_view> split_words(std::string_view line) {
  constexpr std::size_t kMostWords = 32;
  std::vector<std::string_view> words;
  std::size_t at = 0;
  while (words.size() < kMostWords && (at = line.find_first_not_of(' ', at)) != line.npos) {
    std::size_t end = at;
    bool quoted = false;
    while (end < line.size() && (quoted || line[end] != ' ')) {
      if (line[end] == '\\' && quoted)
        ++end;
      else if (line[end] == '"')
        quoted = !quoted;
      ++end;
    }
    end = std::min(end, line.size());
    words.push_back(line.substr(at, end - at));
    at = end;
  }
  return words;
}

std::optional<Asked> read_text(std::string_view line) {
  constexpr std::size_t kColumns = 6;  // time, client, method, target, status, verdict
  const auto words = split_words(line);
  if (words.size() < kColumns) return std::nullopt;
  const bool reached =
      std::any_of(words.begin() + kColumns, words.end(),
                  [](std::string_view word) { return word.starts_with("upstream="); });
  return Asked{std::string(words[2]), std::string(words[3]), std::string(words[5]), reached};
}

// Labels from the last to the first, so that a domain's names stand together; addresses behind
// names.
std::string sort_key(const Host& host) {
  if (host.is_address()) return std::string("~").append(egress::to_text(host.address()));
  std::string key;
  std::string_view rest = host.name();
  while (!rest.empty()) {
    const auto dot = rest.rfind('.');
    key.append(rest.substr(dot == rest.npos ? 0 : dot + 1)).append(" ");
    rest = rest.substr(0, dot == rest.npos ? 0 : dot);
  }
  return key;
}

std::string count(std::uint64_t number) {
  return std::to_string(number) + (number == 1 ? " request" : " requests");
}

}  // namespace

void Suggestion::add_line(std::string_view line) {
  const auto begin = line.find_first_not_of(" \t\r");
  if (begin == line.npos) return;
  const auto asked = line[begin] == '{' ? read_json(line) : read_text(line);
  const Method method = asked && asked->method == "CONNECT" ? Method::connect : Method::get;
  const auto target = asked ? parse_request_target(method, asked->target) : bad_request({});
  const bool judged = asked && (asked->verdict == "allow" || asked->verdict == "deny" ||
                                asked->verdict == "would-deny");
  if (!target || !judged) {
    ++skipped_;
    return;
  }
  const Host& host = target->authority.host;
  const auto key = sort_key(host);
  if (hosts_.size() >= kMostHosts && !hosts_.contains(key)) {
    ++dropped_;
    return;
  }
  Seen& seen = hosts_[key];
  if (seen.host.empty())
    seen.host = host.is_address() ? egress::to_text(host.address()) : host.name();
  ++(asked->verdict == "deny" ? seen.denied : asked->reached ? seen.reached : seen.failed);
}

std::string Suggestion::to_text() const {
  std::string rules, others;
  for (const auto& [key, seen] : hosts_) {
    if (seen.reached > 0) {
      rules += seen.host + "  # " + count(seen.reached) + "\n";
    } else if (seen.denied > 0) {
      others += "# denied: " + seen.host + ", " + count(seen.denied) + "\n";
    } else {
      others += "# never reached: " + seen.host + ", " + count(seen.failed) + "\n";
    }
  }
  return rules + others;
}

}  // namespace egress::http
