#include "common/net/resolver_question.hpp"

#include <algorithm>
#include <utility>

namespace egress::net {

using boost::system::error_code;

ResolverQuestion::ResolverQuestion(const Context& context, std::string name, OnEnd on_end)
    : context_(context),
      name_(std::move(name)),
      on_end_(std::move(on_end)),
      family_timer_(context.io),
      until_(Clock::now() + context.options.timeout) {}

void ResolverQuestion::start() {
  for (auto* half : {&v6_, &v4_}) {
    if (!ended_) ask(*half);
  }
}

void ResolverQuestion::abandon() {
  on_end_ = nullptr;
  end({});
}

void ResolverQuestion::ask(Half& half) {
  // What a silent channel asked may be lost on the way for as long as its ports stay the same, such
  // as by a NAT entry from before the nameserver's Service was set up: a retry takes other ports.
  half.channel = context_.next_channel(half.channel.get());
  if (!half.channel) {
    half.answer = DnsAnswer{DnsStatus::failed, {}, {}};
    return evaluate();
  }
  ++context_.counts.questions;
  half.channel->ask(name_, half.family, [weak = weak_from_this(), &half](DnsReply reply) {
    const auto self = weak.lock();
    if (self && !self->ended_) self->on_reply(half, std::move(reply));
  });
}

void ResolverQuestion::on_reply(Half& half, DnsReply reply) {
  switch (reply.status) {
    case DnsReply::Status::timeout:
      if (Clock::now() < until_) return ask(half);
      half.timed_out = true;
      break;
    case DnsReply::Status::failed: half.answer = DnsAnswer{DnsStatus::failed, {}, {}}; break;
    case DnsReply::Status::answered:
      half.answer =
          parse_dns_answer(reply.message, {name_, half.family}, context_.options.addresses);
      break;
  }
  evaluate();
}

void ResolverQuestion::evaluate() {
  const bool has_addresses = v6_.is(DnsStatus::ok) || v4_.is(DnsStatus::ok);
  if (!v6_.has_ended() || !v4_.has_ended()) {
    if (!has_addresses) return;
    family_timer_.expires_after(context_.options.family_wait);
    family_timer_.async_wait([weak = weak_from_this()](error_code error) {
      const auto self = weak.lock();
      if (!error && self && !self->ended_) self->end_with_addresses();
    });
    return;
  }
  if (has_addresses) return end_with_addresses();
  // A name that does not exist (RFC 8020) does not for either family; one without addresses must
  // have said so for both.
  const bool is_missing = v6_.is(DnsStatus::not_found) || v4_.is(DnsStatus::not_found) ||
                          (v6_.is(DnsStatus::no_data) && v4_.is(DnsStatus::no_data));
  if (!is_missing) {
    const bool timed_out = v6_.timed_out || v4_.timed_out;
    return end({timed_out ? ResolveStatus::timeout : ResolveStatus::failed, {}, {}});
  }
  Outcome outcome{ResolveStatus::not_found, {}, std::chrono::seconds::max()};
  for (const auto* half : {&v6_, &v4_}) {
    if (!half->is(DnsStatus::not_found) && !half->is(DnsStatus::no_data)) continue;
    outcome.ttl = std::min(outcome.ttl, half->answer->ttl);
  }
  end(std::move(outcome));
}

void ResolverQuestion::end_with_addresses() {
  Outcome outcome{ResolveStatus::ok, {}, std::chrono::seconds::max()};
  for (const auto* half : {&v6_, &v4_}) {
    if (!half->is(DnsStatus::ok)) continue;
    const auto& addresses = half->answer->addresses;
    outcome.addresses.insert(outcome.addresses.end(), addresses.begin(), addresses.end());
    outcome.ttl = std::min(outcome.ttl, half->answer->ttl);
  }
  end(std::move(outcome));
}

void ResolverQuestion::end(Outcome outcome) {
  if (std::exchange(ended_, true)) return;
  family_timer_.cancel();
  for (auto* half : {&v6_, &v4_}) half->channel.reset();
  // Before the waiters run, what they will look for stands in the cache.
  outcome_ = std::move(outcome);
  if (const auto on_end = std::exchange(on_end_, nullptr)) on_end(outcome_);
  for (auto& waiter : waiters_) waiter.timer.cancel();
}

}  // namespace egress::net
