#include "common/dns_settings.hpp"

namespace egress {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::seconds;

DnsSettings parse_dns_settings(SettingsReader& reader, Diagnostics& diagnostics,
                               const DnsSettings& defaults) {
  DnsSettings dns = defaults;
  reader.duration("EGRESS_DNS_TIMEOUT", {milliseconds(100), seconds(60)}, dns.timeout);
  reader.duration("EGRESS_DNS_LEAST_TTL", {milliseconds(0), hours(1)}, dns.least_ttl);
  reader.duration("EGRESS_DNS_MOST_TTL", {milliseconds(0), hours(24)}, dns.most_ttl);
  reader.duration("EGRESS_DNS_MOST_NEGATIVE_TTL", {milliseconds(0), hours(1)},
                  dns.most_negative_ttl);
  reader.duration("EGRESS_DNS_SERVE_STALE", {milliseconds(0), hours(24)}, dns.serve_stale);
  reader.count("EGRESS_DNS_CACHE_ENTRIES", {1, 1'000'000}, dns.cache_entries);
  if (dns.least_ttl > dns.most_ttl) {
    diagnostics.error("EGRESS_DNS_LEAST_TTL",
                      "is over EGRESS_DNS_MOST_TTL, expected no more than that");
  }
  return dns;
}

}  // namespace egress
