#include "http-proxy/metrics.hpp"

#include <algorithm>
#include <map>
#include <string_view>

namespace egress::http {
namespace {

// Upper bounds of the duration's buckets, in milliseconds.
constexpr std::array<std::uint64_t, 10> kBounds{5, 10, 25, 50, 100, 250, 500, 1000, 5000, 30000};
constexpr std::array<std::string_view, 10> kBoundTexts{"0.005", "0.01", "0.025", "0.05", "0.1",
                                                       "0.25",  "0.5",  "1",     "5",    "30"};
constexpr std::array<std::string_view, 3> kVerdicts{"deny", "allow", "would-deny"};
constexpr std::array<std::string_view, 2> kReuses{"fresh", "pooled"};
constexpr std::size_t kWouldDeny = 2;

std::string milliseconds_as_seconds(std::uint64_t value) {
  std::string rest = std::to_string(value % 1000);
  rest.insert(0, 3 - rest.size(), '0');
  return std::to_string(value / 1000) + "." + rest;
}

}  // namespace

void Metrics::begin_rules(const RuleTable& table) {
  auto fresh = std::make_shared<RuleHits>();
  for (const auto& rule : table.rules) {
    fresh->lines.push_back(rule.line);
    fresh->verdicts.push_back(rule.verdict);
  }
  fresh->hits = std::vector<Count>(table.rules.size());
  const std::lock_guard lock(rules_mutex_);
  rules_ = std::move(fresh);
}

void Metrics::count(const Decision& decision, const Policy& policy) {
  const bool denied = decision.verdict == Verdict::deny;
  const bool would = denied && policy.options().enforcement == Enforcement::report_only;
  verdicts_[would ? kWouldDeny : static_cast<std::size_t>(decision.verdict)].add(1);
  if (denied) denied_[static_cast<std::size_t>(decision.reason)].add(1);
  if (decision.line == 0) return;
  const auto& lines = rules_->lines;
  const auto found = std::lower_bound(lines.begin(), lines.end(), decision.line);
  if (found != lines.end() && *found == decision.line)
    rules_->hits[static_cast<std::size_t>(found - lines.begin())].add(1);
}

void Metrics::count(const AccessRecord& record) {
  status_[std::min<std::size_t>(record.status / 100, status_.size() - 1)].add(1);
  if (record.error) errors_[static_cast<std::size_t>(*record.error)].add(1);
  if (record.sni != SniOutcome::not_looked) sni_[static_cast<std::size_t>(record.sni)].add(1);
  bytes_in_.add(record.bytes_in);
  bytes_out_.add(record.bytes_out);
  const auto took = static_cast<std::uint64_t>(record.total.count());
  const auto bucket = std::lower_bound(kBounds.begin(), kBounds.end(), took) - kBounds.begin();
  duration_[static_cast<std::size_t>(bucket)].add(1);
  duration_sum_.add(took);
}

// Writes families of series, each the sum over all threads.
class Metrics::Writer {
 public:
  explicit Writer(std::span<const Metrics* const> threads) : threads_(threads) {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = "egress_http_proxy_" + std::string(name);
    text_.append("# HELP ").append(name_).append(" ").append(help).append("\n# TYPE ");
    text_.append(name_).append(" ").append(type).append("\n");
  }
  void series(std::string_view suffix, std::string_view labels, const std::string& value) {
    text_.append(name_).append(suffix).append(labels).append(" ").append(value).append("\n");
  }
  template <class Read>
  std::uint64_t sum(Read read) const {
    std::uint64_t total = 0;
    for (const auto* metrics : threads_) total += read(*metrics);
    return total;
  }
  template <class Read>
  void single(Read read) {
    series("", "", std::to_string(sum(read)));
  }
  // One series for each element of an array, the label's value from `name_of`; zeros left out.
  template <class Array, class NameOf>
  void labelled(Array array, std::string_view label, NameOf name_of) {
    for (std::size_t i = 0; i < (threads_.front()->*array).size(); ++i) {
      const auto value = sum([&](const Metrics& one) { return (one.*array)[i].read(); });
      if (value == 0) continue;
      const std::string labels =
          "{" + std::string(label) + "=\"" + std::string(name_of(i)) + "\"}";
      series("", labels, std::to_string(value));
    }
  }
  void durations();
  void rules();
  std::string take() { return std::move(text_); }

 private:
  std::span<const Metrics* const> threads_;
  std::string name_;
  std::string text_;
};

void Metrics::Writer::durations() {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i <= kBuckets; ++i) {
    below += sum([i](const Metrics& one) { return one.duration_[i].read(); });
    const auto bound = i < kBuckets ? kBoundTexts[i] : std::string_view("+Inf");
    series("_bucket", "{le=\"" + std::string(bound) + "\"}", std::to_string(below));
  }
  series("_sum", "",
         milliseconds_as_seconds(sum([](const Metrics& one) { return one.duration_sum_.read(); })));
  series("_count", "", std::to_string(below));
}

void Metrics::Writer::rules() {
  std::map<std::size_t, std::pair<Verdict, std::uint64_t>> by_line;
  for (const auto* metrics : threads_) {
    std::shared_ptr<RuleHits> rules;
    {
      const std::lock_guard lock(metrics->rules_mutex_);
      rules = metrics->rules_;
    }
    for (std::size_t i = 0; i < rules->lines.size(); ++i) {
      if (const auto hits = rules->hits[i].read(); hits > 0) {
        auto& [verdict, count] = by_line[rules->lines[i]];
        verdict = rules->verdicts[i];
        count += hits;
      }
    }
  }
  for (const auto& [line, hits] : by_line) {
    series("", "{line=\"" + std::to_string(line) + "\",verdict=\"" +
                   std::string(to_text(hits.first)) + "\"}",
           std::to_string(hits.second));
  }
}

std::string Metrics::to_prometheus(std::span<const Metrics* const> threads) {
  Writer out(threads);
  const auto enumerated = [](auto value_of) {
    return [value_of](std::size_t i) { return to_text(value_of(i)); };
  };
  out.family("responses_total", "counter", "Requests and tunnels at their end, by status class.");
  out.labelled(&Metrics::status_, "class",
               [](std::size_t i) { return i == 0 ? std::string("none") : std::to_string(i) + "xx"; });
  out.family("decisions_total", "counter", "What the rules said.");
  out.labelled(&Metrics::verdicts_, "verdict", [](std::size_t i) { return kVerdicts[i]; });
  out.family("denials_total", "counter", "Denials by reason.");
  out.labelled(&Metrics::denied_, "reason",
               enumerated([](std::size_t i) { return static_cast<Reason>(i); }));
  out.family("rule_hits_total", "counter", "Decisions by the line of the rule that made them.");
  out.rules();
  out.family("errors_total", "counter", "Failures by proxy error type (RFC 9209).");
  out.labelled(&Metrics::errors_, "error",
               enumerated([](std::size_t i) { return static_cast<ProxyError>(i); }));
  out.family("tls_names_total", "counter", "Server names seen in tunnels, by outcome.");
  out.labelled(&Metrics::sni_, "outcome",
               enumerated([](std::size_t i) { return static_cast<SniOutcome>(i); }));
  out.family("upstream_requests_total", "counter", "Requests by the connection they went over.");
  out.labelled(&Metrics::upstreams_, "connection", [](std::size_t i) { return kReuses[i]; });
  out.family("retries_total", "counter", "Requests repeated after a kept connection had gone.");
  out.single([](const Metrics& one) { return one.retries_.read(); });
  out.family("request_duration_seconds", "histogram", "From the head of a request to its end.");
  out.durations();
  out.family("received_bytes_total", "counter", "From clients.");
  out.single([](const Metrics& one) { return one.bytes_in_.read(); });
  out.family("sent_bytes_total", "counter", "To clients.");
  out.single([](const Metrics& one) { return one.bytes_out_.read(); });
  out.family("connections_total", "counter", "Connections of clients.");
  out.single([](const Metrics& one) { return one.connections_opened.read(); });
  out.family("connections", "gauge", "Connections of clients, open now.");
  out.single([](const Metrics& one) {
    return one.connections_opened.read() - one.connections_closed.read();
  });
  out.family("connections_refused_total", "counter", "Over the limit of one client address.");
  out.single([](const Metrics& one) { return one.connections_refused.read(); });
  out.family("tunnels_total", "counter", "Tunnels.");
  out.single([](const Metrics& one) { return one.tunnels_opened.read(); });
  out.family("tunnels", "gauge", "Tunnels, open now.");
  out.single([](const Metrics& one) {
    return one.tunnels_opened.read() - one.tunnels_closed.read();
  });
  return out.take();
}

}  // namespace egress::http
