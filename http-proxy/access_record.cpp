#include "http-proxy/access_record.hpp"

#include <charconv>
#include <cstdio>
#include <ctime>

#include "common/escape.hpp"
#include "http-proxy/request_target.hpp"

namespace egress::http {
namespace {

constexpr std::size_t kShownTargetBytes = 2048;

void append_number(std::uint64_t number, std::string& out) {
  char text[20];
  out.append(text, std::to_chars(text, text + sizeof text, number).ptr);
}

// RFC 3339 in UTC with milliseconds. The second's text is kept: most lines share it with the one
// before.
void append_time(std::chrono::system_clock::time_point time, std::string& out) {
  using namespace std::chrono;
  thread_local std::time_t last = -1;
  thread_local char text[24] = {};
  const auto milli = duration_cast<milliseconds>(time.time_since_epoch()).count();
  const std::time_t second = static_cast<std::time_t>(milli / 1000);
  if (second != last) {
    std::tm parts{};
    ::gmtime_r(&second, &parts);
    std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &parts);
    last = second;
  }
  const auto rest = static_cast<unsigned>(milli % 1000);
  const char digits[] = {'.', static_cast<char>('0' + rest / 100),
                         static_cast<char>('0' + rest / 10 % 10),
                         static_cast<char>('0' + rest % 10), 'Z'};
  out.append(text).append(digits, sizeof digits);
}

bool is_plain(std::string_view text) {
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\') return false;
  }
  return true;
}

// A word of the text form: in quotes where it would not stand as one word.
void append_word(std::string_view text, std::string& out) {
  if (text.empty()) {
    out += '-';
  } else if (is_plain(text)) {
    out += text;
  } else {
    out += '"';
    for (const char c : escape(text)) {
      if (c == '"') out += '\\';
      out += c;
    }
    out += '"';
  }
}

// RFC 8259 §7. Other bytes than ASCII come escaped already, as \xHH and <U+HHHH>.
void append_json_string(std::string_view text, std::string& out) {
  out += '"';
  if (is_plain(text)) {
    out += text;
  } else {
    for (const char c : escape(text)) {
      if (c == '"' || c == '\\') out += '\\';
      out += c;
    }
  }
  out += '"';
}

std::string shown_target(const AccessRecord& record) {
  auto target = redact_target(record.target);
  if (target.size() <= kShownTargetBytes) return target;
  target.resize(kShownTargetBytes);
  return target + "...";
}

void append_endpoint(const IpAddress& address, std::uint16_t port, std::string& out) {
  out += to_text(Host(address));
  out += ':';
  append_number(port, out);
}

// Writes `name=value` or `"name":value`, with what separates it from the one before.
class Line {
 public:
  Line(AccessLogFormat format, std::string& out)
      : json_(format == AccessLogFormat::json), out_(out) {
    if (json_) out_ += '{';
  }
  void end() { out_ += json_ ? "}\n" : "\n"; }

  // In the text form the first columns stand without a name.
  void column(std::string_view name, std::string_view value) {
    if (json_) return text(name, value);
    separate(' ');
    append_word(value, out_);
  }
  void text(std::string_view name, std::string_view value) {
    key(name);
    json_ ? append_json_string(value, out_) : append_word(value, out_);
  }
  void number(std::string_view name, std::uint64_t value) {
    key(name);
    append_number(value, out_);
  }
  bool json() const { return json_; }

 private:
  void separate(char separator) {
    if (!first_) out_ += separator;
    first_ = false;
  }
  void key(std::string_view name) {
    separate(json_ ? ',' : ' ');
    if (json_) {
      out_.append("\"").append(name).append("\":");
    } else {
      out_.append(name).append("=");
    }
  }

  bool json_;
  bool first_ = true;
  std::string& out_;
};

void append_verdict(const AccessRecord& record, Line& line) {
  if (!record.verdict) return line.column("verdict", "");
  const bool would =
      record.enforcement == Enforcement::report_only && *record.verdict == Verdict::deny;
  line.column("verdict", would ? "would-deny" : to_text(*record.verdict));
  if (record.rule_line != 0) line.number("rule", record.rule_line);
  line.text("reason", to_text(record.reason));
}

void append_times(const AccessRecord& record, Line& line) {
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
  Line line(format, out);
  append_time(record.time, word);
  line.column("time", word);
  word.clear();
  append_endpoint(record.client, record.client_port, word);
  line.column("client", word);
  line.column("method", record.method);
  line.column("target", shown_target(record));
  word.clear();
  if (record.status != 0) append_number(record.status, word);
  if (line.json()) {
    line.number("status", record.status);
  } else {
    line.column("status", word);
  }
  append_verdict(record, line);
  if (record.upstream) {
    word.clear();
    append_endpoint(*record.upstream, record.upstream_port, word);
    line.text("upstream", word);
  }
  line.number("bytes_in", record.bytes_in);
  line.number("bytes_out", record.bytes_out);
  append_times(record, line);
  if (record.error) line.text("error", to_text(*record.error));
  if (record.sni != SniOutcome::not_looked) line.text("sni", to_text(record.sni));
  if (!record.server_name.empty()) line.text("server_name", record.server_name);
  line.end();
}

}  // namespace egress::http
