// One resolution in flight: a name, both families at once, again and again until an answer or the
// end of its time. Several callers may wait for it. Caches nothing.
#pragma once

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/net/dns_channel.hpp"
#include "common/net/dns_message.hpp"
#include "common/net/resolver.hpp"

namespace egress::net {

class ResolverQuestion : public std::enable_shared_from_this<ResolverQuestion> {
 public:
  using Clock = std::chrono::steady_clock;

  struct Outcome {
    ResolveStatus status = ResolveStatus::failed;
    std::vector<IpAddress> addresses;
    std::chrono::seconds ttl{0};  // as the servers said it
  };
  using OnEnd = std::function<void(const Outcome&)>;

  // Wakes its coroutine at a time of its own, or when the question has ended.
  struct Waiter : boost::intrusive::list_base_hook<
                      boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    Waiter(boost::asio::io_context& io, Clock::time_point until) : timer(io, until) {}

    boost::asio::steady_timer timer;
  };

  // A channel to ask through: another one than `silent`. Null where none can be opened.
  using NextChannel = std::function<std::shared_ptr<DnsChannel>(const DnsChannel* silent)>;

  struct Context {
    boost::asio::io_context& io;
    NextChannel next_channel;
    const ResolverOptions& options;  // must outlive the question
    ResolverCounts& counts;          // the same
  };
  ResolverQuestion(const Context& context, std::string name, OnEnd on_end);

  void start();
  // Ends it with `failed`, without on_end.
  void abandon();
  void add(Waiter& waiter) { waiters_.push_back(waiter); }
  bool has_waiters() const { return !waiters_.empty(); }
  // Goes on without waiters: its answer replaces a stale one.
  void keep() { kept_ = true; }
  bool is_kept() const { return kept_; }
  // Goes on asking at least until then.
  void extend(Clock::time_point until) { until_ = std::max(until_, until); }

  bool has_ended() const { return ended_; }
  const Outcome& outcome() const { return outcome_; }  // if it has ended

 private:
  struct Half {
    Family family;
    std::shared_ptr<DnsChannel> channel = {};  // that it was asked through last
    std::optional<DnsAnswer> answer = {};
    bool timed_out = false;

    bool is(DnsStatus status) const { return answer && answer->status == status; }
    bool has_ended() const { return answer || timed_out; }
  };

  void ask(Half& half);
  void on_reply(Half& half, DnsReply reply);
  void evaluate();
  void end_with_addresses();
  void end(Outcome outcome);

  Context context_;
  const std::string name_;
  OnEnd on_end_;
  Half v6_{Family::v6};
  Half v4_{Family::v4};
  boost::asio::steady_timer family_timer_;
  Clock::time_point until_;
  bool kept_ = false;
  bool ended_ = false;
  Outcome outcome_;
  boost::intrusive::list<Waiter, boost::intrusive::constant_time_size<false>> waiters_;
};

}  // namespace egress::net
