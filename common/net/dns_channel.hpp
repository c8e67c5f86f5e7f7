// Questions to DNS servers over c-ares on an Asio loop: sends, tries each server once, goes over to
// TCP where an answer was cut, drops what does not belong to a question (other id, name, sender).
// Reads no answer, keeps none.
#pragma once

#include <ares.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/ip.hpp"
#include "common/net/resolver.hpp"
#include "common/result.hpp"

namespace egress::net {

// What became of one question at all servers.
struct DnsReply {
  enum class Status : std::uint8_t { answered, timeout, failed };

  Status status = Status::failed;
  std::vector<std::uint8_t> message;  // if answered; not looked at but for id and question
};

class DnsChannel : public std::enable_shared_from_this<DnsChannel> {
 public:
  using OnReply = std::function<void(DnsReply)>;

  // `io` must outlive it.
  static Result<std::shared_ptr<DnsChannel>> make(boost::asio::io_context& io,
                                                  const ResolverOptions& options);
  ~DnsChannel();  // questions under way get no reply any more
  DnsChannel(const DnsChannel&) = delete;
  DnsChannel& operator=(const DnsChannel&) = delete;

  // Asks for the addresses of `name`, as it is. `on_reply` comes from the loop, never from within
  // this call, and within options.try_timeout for each server (twice that, where TCP is needed).
  void ask(const std::string& name, Family family, OnReply on_reply);

  const ResolvConf& resolv_conf() const { return resolv_conf_; }

 private:
  struct Destroy {
    void operator()(ares_channeldata* channel) const { ::ares_destroy(channel); }
  };
  struct Socket {
    explicit Socket(boost::asio::io_context& io) : descriptor(io) {}

    boost::asio::posix::stream_descriptor descriptor;
    bool wants_read = false, wants_write = false;    // what c-ares asked for last
    bool awaits_read = false, awaits_write = false;  // what the loop waits for
  };
  struct Query;

  explicit DnsChannel(boost::asio::io_context& io) : io_(io), timer_(io) {}
  void read_resolv_conf();

  static void on_socket_state(void* self, int fd, int readable, int writable);
  static void on_answer(void* query, int status, int timeouts, unsigned char* message, int size);
  void watch(int fd, const std::shared_ptr<Socket>& socket);
  void wait_until_timeout();

  boost::asio::io_context& io_;
  boost::asio::steady_timer timer_;
  std::map<int, std::shared_ptr<Socket>> sockets_;
  ResolvConf resolv_conf_;
  std::unique_ptr<ares_channeldata, Destroy> channel_;  // last: its end closes the sockets
};

}  // namespace egress::net
