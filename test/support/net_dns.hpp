// DNS messages for tests, made by hand, wrong ones included, and a server on loopback that sends
// them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "common/ip.hpp"

namespace egress::test {

using Bytes = std::vector<std::uint8_t>;

inline constexpr std::uint16_t kA = 1;
inline constexpr std::uint16_t kCname = 5;
inline constexpr std::uint16_t kSoa = 6;
inline constexpr std::uint16_t kAaaa = 28;

struct DnsQuery {
  enum class Transport { udp, tcp };

  std::uint16_t id = 0;
  std::string name;
  std::uint16_t type = kA;
  Transport transport = Transport::udp;
};

// Builds an answer record by record. Names are never compressed.
class DnsReplyBuilder {
 public:
  explicit DnsReplyBuilder(const DnsQuery& query);

  DnsReplyBuilder& rcode(unsigned value);
  DnsReplyBuilder& truncated();
  DnsReplyBuilder& address(const std::string& owner, const IpAddress& address, std::uint32_t ttl);
  DnsReplyBuilder& cname(const std::string& owner, const std::string& target, std::uint32_t ttl);
  DnsReplyBuilder& soa(const std::string& owner, std::uint32_t ttl, std::uint32_t minimum);
  DnsReplyBuilder& raw_record(const Bytes& record);  // counted as an answer
  Bytes build() const;

 private:
  void begin_record(const std::string& owner, std::uint16_t type, std::uint32_t ttl);

  Bytes head_;
  Bytes records_;
  std::uint16_t answers_ = 0;
  std::uint16_t authorities_ = 0;
};

Bytes encode_name(const std::string& name);

// Answers on 127.0.0.1 (or the address given), UDP and TCP on one port, from a thread of its own.
class DnsServer {
 public:
  // All datagrams (or, over TCP, messages) to be sent for a query, in turn; none is silence.
  using Handler = std::function<std::vector<Bytes>(const DnsQuery&)>;

  explicit DnsServer(Handler handler, const std::string& address = "127.0.0.1",
                     std::uint16_t port = 0);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  std::uint16_t port() const { return port_; }
  int queries() const { return queries_; }

 private:
  void run();
  void answer_datagram();
  void answer_stream();

  Handler handler_;
  int udp_ = -1;
  int tcp_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<int> queries_{0};
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace egress::test
