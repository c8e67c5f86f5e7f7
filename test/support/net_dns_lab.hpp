// A resolver, its files and a DNS server whose answers a test changes while it runs.
#pragma once

#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "common/net/resolver.hpp"
#include "test/support/net_dns.hpp"
#include "test/support/net_loop.hpp"
#include "test/support/parse.hpp"

namespace egress::test {

class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& text) {
    char name[] = "/tmp/egress-net-test-XXXXXX";
    const int fd = ::mkstemp(name);
    if (fd < 0) throw std::runtime_error("no temporary file");
    ::close(fd);
    path = name;
    write(text);
  }
  ~TemporaryFile() { ::unlink(path.c_str()); }
  void write(const std::string& text) { std::ofstream(path) << text; }
  std::string path;
};

// What the answers of a test are, changed while the server runs.
class Zone {
 public:
  void set(DnsServer::Handler handler) {
    const std::lock_guard lock(mutex_);
    handler_ = std::move(handler);
  }
  DnsServer::Handler handler() {
    return [this](const DnsQuery& query) {
      const std::lock_guard lock(mutex_);
      ++asked[query.name];
      return handler_ ? handler_(query) : std::vector<Bytes>{};
    };
  }
  int times(const std::string& name) {
    const std::lock_guard lock(mutex_);
    return asked[name];
  }

 private:
  std::mutex mutex_;
  DnsServer::Handler handler_;
  std::map<std::string, int> asked;
};

// One IPv4 address for every name, no IPv6.
inline std::vector<Bytes> answer_v4(const DnsQuery& query, const std::string& address,
                                    std::uint32_t ttl = 60) {
  DnsReplyBuilder builder(query);
  if (query.type == kA) builder.address(query.name, ip(address), ttl);
  return {builder.build()};
}

inline std::vector<Bytes> answer_missing(const DnsQuery& query) {
  return {DnsReplyBuilder(query).rcode(3).soa("test", 5, 5).build()};
}

struct DnsLab {
  explicit DnsLab(const std::string& resolv_conf = "nameserver 127.0.0.1\n",
                  const std::string& hosts_text = "")
      : resolv(resolv_conf), hosts(hosts_text), server(zone.handler()) {
    options.resolv_conf = resolv.path;
    options.hosts = hosts.path;
    options.port = server.port();
    options.timeout = std::chrono::milliseconds(1500);
    options.try_timeout = std::chrono::milliseconds(200);
    options.family_wait = std::chrono::milliseconds(150);
    options.stale_wait = std::chrono::milliseconds(100);
    options.least_ttl = std::chrono::milliseconds(50);
  }
  net::Resolver& resolver() {
    if (!made) made.emplace(*net::Resolver::make(io, options));
    return *made;
  }
  net::Resolution resolve(const std::string& name) { return run(io, resolver().resolve(name)); }
  void pass(std::chrono::milliseconds time) {
    run_until(
        io, [] { return false; }, time);
  }

  Zone zone;
  TemporaryFile resolv;
  TemporaryFile hosts;
  DnsServer server;
  boost::asio::io_context io{1};
  net::ResolverOptions options;
  std::optional<net::Resolver> made;
};

}  // namespace egress::test
