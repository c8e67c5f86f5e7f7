#include "http-proxy/access_record.hpp"

#include "common/access_line.hpp"
#include "common/endpoint.hpp"
#include "http-proxy/request_target.hpp"

namespace egress::http {
namespace {

constexpr std::size_t kShownTargetBytes = 2048;

std::string shown_target(const AccessRecord& record) {
  auto target = redact_target(record.target);
  if (target.size() <= kShownTargetBytes) return target;
  target.resize(kShownTargetBytes);
  return target + "...";
}

void append_verdict(const AccessRecord& record, AccessLine& line) {
  if (!record.verdict) return line.column("verdict", "");
  const bool would =
      record.enforcement == Enforcement::report_only && *record.verdict == Verdict::deny;
  line.column("verdict", would ? "would-deny" : to_text(*record.verdict));
  if (record.rule_line != 0) line.number("rule", record.rule_line);
  line.text("reason", to_text(record.reason));
}

void append_times(const AccessRecord& record, AccessLine& line) {
  const auto count = [](AccessRecord::Milliseconds time) {
    return static_cast<std::uint64_t>(time.count());
  };
  if (record.resolve) line.number("resolve_ms", count(*record.resolve));
  if (record.connect) line.number("connect_ms", count(*record.connect));
  line.number("total_ms", count(record.total));
}

}  // namespace

std::string_view to_text(SniOutcome outcome) {
  switch (outcome) {
    case SniOutcome::not_looked: return "not_looked";
    case SniOutcome::match: return "match";
    case SniOutcome::mismatch: return "mismatch";
    case SniOutcome::denied: return "denied";
    case SniOutcome::absent: return "absent";
    case SniOutcome::encrypted: return "encrypted";
    case SniOutcome::not_tls: return "not_tls";
    case SniOutcome::malformed: return "malformed";
  }
  return "not_looked";
}

void append_access_line(const AccessRecord& record, AccessLogFormat format, std::string& out) {
  if (format == AccessLogFormat::off) return;
  std::string word;
  AccessLine line(format, out);
  append_time(record.time, word);
  line.column("time", word);
  line.column("client", to_text(Endpoint{record.client, record.client_port}));
  line.column("method", record.method);
  line.column("target", shown_target(record));
  word.clear();
  if (record.status != 0) append_number(record.status, word);
  if (line.is_json()) {
    line.number("status", record.status);
  } else {
    line.column("status", word);
  }
  append_verdict(record, line);
  if (record.upstream)
    line.text("upstream", to_text(Endpoint{*record.upstream, record.upstream_port}));
  line.number("bytes_in", record.bytes_in);
  line.number("bytes_out", record.bytes_out);
  append_times(record, line);
  if (record.error) line.text("error", to_text(*record.error));
  if (record.sni != SniOutcome::not_looked) line.text("sni", to_text(record.sni));
  if (!record.server_name.empty()) line.text("server_name", record.server_name);
  line.end();
}

}  // namespace egress::http
