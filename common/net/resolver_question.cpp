#include "common/net/resolver_question.hpp"

#include <algorithm>
#include <utility>

namespace egress::net {

using boost::system::error_code;

std::vector<std::string> names_to_ask(std::string_view name,
                                      const std::vector<std::string>& search_list) {
  if (name.ends_with('.')) return {std::string(name.substr(0, name.size() - 1))};
  std::vector<std::string> names;
  for (const auto& domain : search_list) {
    // Over what DNS can carry (RFC 1035 §2.3.4), there is no such name.
    if (name.size() + 1 + domain.size() <= 253) names.push_back(std::string(name) + "." + domain);
  }
  const bool has_dot = name.find('.') != name.npos;
  names.insert(has_dot ? names.begin() : names.end(), std::string(name));
  return names;
}

ResolverQuestion::ResolverQuestion(const Context& context, std::vector<std::string> names,
                                   OnEnd on_end)
    : context_(context),
      names_(std::move(names)),
      on_end_(std::move(on_end)),
      family_timer_(context.io),
      until_(Clock::now() + context.options.timeout) {}

void ResolverQuestion::start() { ask_both(); }

void ResolverQuestion::abandon() {
  on_end_ = nullptr;
  end({});
}

void ResolverQuestion::ask_both() {
  for (auto* half : {&v6_, &v4_}) {
    half->answer.reset();
    half->timed_out = false;
    ask(*half);
  }
}

void ResolverQuestion::ask(Half& half) {
  ++context_.counts.questions;
  context_.channel->ask(names_[at_], half.family,
                        [weak = weak_from_this(), &half, asked = at_](DnsReply reply) {
                          const auto self = weak.lock();
                          if (!self || self->ended_ || self->at_ != asked) return;
                          self->on_reply(half, std::move(reply));
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
          parse_dns_answer(reply.message, {names_[at_], half.family}, context_.options.addresses);
      break;
  }
  judge();
}

void ResolverQuestion::judge() {
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
    // The search list is not for failures: it would make another name of this one.
    const bool timed_out = v6_.timed_out || v4_.timed_out;
    return end({timed_out ? ResolveStatus::timeout : ResolveStatus::failed, {}, {}});
  }
  for (const auto* half : {&v6_, &v4_}) {
    if (!half->is(DnsStatus::not_found) && !half->is(DnsStatus::no_data)) continue;
    negative_ttl_ = std::min(negative_ttl_, static_cast<std::uint32_t>(half->answer->ttl.count()));
  }
  if (++at_ < names_.size()) return ask_both();
  end({ResolveStatus::not_found, {}, std::chrono::seconds(negative_ttl_)});
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
  // Before the waiters run, what they will look for stands in the cache.
  outcome_ = std::move(outcome);
  if (const auto on_end = std::exchange(on_end_, nullptr)) on_end(outcome_);
  for (auto& waiter : waiters_) waiter.timer.cancel();
}

}  // namespace egress::net
