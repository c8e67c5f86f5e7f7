#include "http-proxy/metrics.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <string_view>

namespace egress::http {
namespace {

using net::MetricsText;
using Type = MetricsText::Type;

constexpr std::array<std::string_view, 6> kClasses{"none", "1xx", "2xx", "3xx", "4xx", "5xx"};
constexpr std::array<std::string_view, 3> kVerdicts{"deny", "allow", "would-deny"};
constexpr std::array<std::string_view, 2> kReuses{"fresh", "pooled"};
constexpr std::array<std::string_view, 7> kResolverEvents{"cached",  "asked",  "merged",   "stale",
                                                          "timeout", "failed", "not_found"};
constexpr std::size_t kWouldDeny = 2;

using Threads = std::span<const Metrics* const>;

template <class Read>
std::uint64_t sum(Threads threads, Read read) {
  std::uint64_t total = 0;
  for (const auto* metrics : threads) total += read(*metrics);
  return total;
}

// A sample for each element of an array of counts, zeros too: of a counter that begins above zero
// no rate can be told.
template <class ArrayOf, class NameOf>
void append_labelled(MetricsText& out, Threads threads, std::string_view label, ArrayOf array_of,
                     NameOf name_of) {
  for (std::size_t i = 0; i < array_of(*threads.front()).size(); ++i) {
    const auto value = sum(threads, [&](const Metrics& one) { return array_of(one)[i].read(); });
    out.sample({{label, name_of(i)}}, value);
  }
}

}  // namespace

void Metrics::begin_rules(const RuleTable& table) {
  auto fresh = std::make_shared<RuleHits>();
  for (const auto& rule : table.rules) {
    fresh->lines.push_back(rule.line);
    fresh->verdicts.push_back(rule.verdict);
  }
  fresh->hits = std::vector<net::Count>(table.rules.size());
  const std::lock_guard lock(rules_mutex_);
  rules_ = std::move(fresh);
}

void Metrics::count(const Decision& decision, const Policy& policy) {
  const bool denied = decision.verdict == Verdict::deny;
  const bool would = denied && policy.options().enforcement == Enforcement::report_only;
  verdicts_[would ? kWouldDeny : static_cast<std::size_t>(decision.verdict)].add();
  if (denied) denied_[static_cast<std::size_t>(decision.reason)].add();
  if (decision.line == 0) return;
  const auto& lines = rules_->lines;
  const auto found = std::lower_bound(lines.begin(), lines.end(), decision.line);
  if (found != lines.end() && *found == decision.line)
    rules_->hits[static_cast<std::size_t>(found - lines.begin())].add();
}

void Metrics::count(const AccessRecord& record) {
  status_[std::min<std::size_t>(record.status / 100, status_.size() - 1)].add();
  if (record.error) errors_[static_cast<std::size_t>(*record.error)].add();
  if (record.sni != SniOutcome::not_looked) sni_[static_cast<std::size_t>(record.sni)].add();
  bytes_in_.add(record.bytes_in);
  bytes_out_.add(record.bytes_out);
  duration_.add(static_cast<std::uint64_t>(record.total.count()) * 1000);
}

void Metrics::set_resolver(const net::ResolverCounts& counts) {
  const std::uint64_t values[] = {counts.hits,     counts.questions, counts.merged,   counts.stale,
                                  counts.timeouts, counts.failures,  counts.not_found};
  for (std::size_t i = 0; i < resolver_.size(); ++i) resolver_[i].set(values[i]);
}

void Metrics::append_rules(MetricsText& out, Threads threads) {
  std::map<std::size_t, std::pair<Verdict, std::uint64_t>> by_line;
  for (const auto* metrics : threads) {
    std::shared_ptr<RuleHits> rules;
    {
      const std::lock_guard lock(metrics->rules_mutex_);
      rules = metrics->rules_;
    }
    for (std::size_t i = 0; i < rules->lines.size(); ++i) {
      const auto hits = rules->hits[i].read();
      if (hits == 0) continue;
      auto& [verdict, count] = by_line[rules->lines[i]];
      verdict = rules->verdicts[i];
      count += hits;
    }
  }
  for (const auto& [line, hits] : by_line)
    out.sample({{"line", std::to_string(line)}, {"verdict", to_text(hits.first)}}, hits.second);
}

void Metrics::append_to(MetricsText& out, Threads threads) {
  const auto labelled = [&](std::string_view label, auto array, auto name_of) {
    append_labelled(
        out, threads, label, [array](const Metrics& one) -> const auto& { return one.*array; },
        name_of);
  };
  const auto single = [&](auto count) {
    out.sample({}, sum(threads, [count](const Metrics& one) { return (one.*count).read(); }));
  };
  const auto counter = [&](std::string_view name, std::string_view help) {
    out.family("egress_http_proxy_" + std::string(name), Type::counter, help);
  };
  const auto gauge = [&](std::string_view name, std::string_view help) {
    out.family("egress_http_proxy_" + std::string(name), Type::gauge, help);
  };

  counter("responses_total", "Requests and tunnels at their end, by class of status.");
  labelled("class", &Metrics::status_, [](std::size_t i) { return kClasses[i]; });
  counter("decisions_total", "What the rules said.");
  labelled("verdict", &Metrics::verdicts_, [](std::size_t i) { return kVerdicts[i]; });
  counter("denials_total", "Denials by reason.");
  labelled("reason", &Metrics::denied_,
           [](std::size_t i) { return to_text(static_cast<Reason>(i)); });
  counter("rule_hits_total", "Decisions by the line of the rule that made them.");
  append_rules(out, threads);
  counter("errors_total", "Failures by proxy error type (RFC 9209).");
  labelled("error", &Metrics::errors_,
           [](std::size_t i) { return to_text(static_cast<ProxyError>(i)); });
  counter("tls_names_total", "Tunnels by what their TLS hello said.");
  labelled("outcome", &Metrics::sni_,
           [](std::size_t i) { return to_text(static_cast<SniOutcome>(i)); });
  counter("upstream_requests_total", "Requests by the connection that they went over.");
  labelled("connection", &Metrics::upstreams_, [](std::size_t i) { return kReuses[i]; });
  counter("retries_total", "Requests sent again, as a kept connection had gone.");
  single(&Metrics::retries_);
  counter("resolutions_total", "Events of name resolution.");
  labelled("event", &Metrics::resolver_, [](std::size_t i) { return kResolverEvents[i]; });
  counter("received_bytes_total", "From clients.");
  single(&Metrics::bytes_in_);
  counter("sent_bytes_total", "To clients.");
  single(&Metrics::bytes_out_);
  counter("connections_total", "Connections of clients.");
  single(&Metrics::connections);
  counter("connections_refused_total", "Over the limit of one client address.");
  single(&Metrics::connections_refused);
  counter("sessions_failed_total", "Connections ended for want of memory.");
  single(&Metrics::sessions_failed);
  counter("tunnels_total", "Tunnels.");
  single(&Metrics::tunnels_opened);
  gauge("tunnels", "Tunnels, open now.");
  out.sample({}, sum(threads, [](const Metrics& one) {
               return one.tunnels_opened.read() - one.tunnels_closed.read();
             }));
  gauge("pooled_connections", "Idle connections to origins.");
  single(&Metrics::pooled);
  out.family("egress_http_proxy_request_duration_seconds", Type::histogram,
             "From the head of a request to its end, tunnels included.");
  std::vector<const net::DurationHistogram*> durations;
  for (const auto* metrics : threads) durations.push_back(&metrics->duration_);
  out.histogram({}, durations);
}

}  // namespace egress::http
