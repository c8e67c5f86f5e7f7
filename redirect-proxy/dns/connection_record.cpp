#include "redirect-proxy/dns/connection_record.hpp"

namespace egress::dns {

void append_connection_line(const ConnectionRecord& record, AccessLogFormat format,
                            std::string& out) {
  if (format == AccessLogFormat::off) return;
  const auto count = [](ConnectionRecord::Milliseconds time) {
    return static_cast<std::uint64_t>(time.count());
  };
  std::string time;
  append_time(record.time, time);
  AccessLine line(format, out);
  line.column("time", time);
  line.column("client", to_text(record.client));
  line.column("entry", to_text(record.local));
  line.column("end", record.end);
  if (!record.host.empty()) line.text("host", record.host);
  if (record.upstream) line.text("upstream", to_text(*record.upstream));
  line.number("bytes_in", record.to_upstream);
  line.number("bytes_out", record.to_client);
  if (record.connect) line.number("connect_ms", count(*record.connect));
  line.number("total_ms", count(record.total));
  if (!record.failed.empty()) line.text("failed", record.failed);
  line.end();
}

}  // namespace egress::dns
