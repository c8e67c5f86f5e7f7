#include "common/net/resolver.hpp"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <unordered_map>
#include <utility>

#include "common/net/hosts_file.hpp"
#include "common/net/resolver_cache.hpp"
#include "common/net/resolver_question.hpp"

namespace egress::net {

namespace asio = boost::asio;
using std::chrono::duration_cast;
using std::chrono::milliseconds;

std::string_view to_text(ResolveStatus status) {
  switch (status) {
    case ResolveStatus::ok: return "ok";
    case ResolveStatus::not_found: return "not_found";
    case ResolveStatus::timeout: return "timeout";
    case ResolveStatus::failed: return "failed";
    case ResolveStatus::cancelled: return "cancelled";
  }
  return "unknown";
}

class Resolver::State : public std::enable_shared_from_this<State> {
 public:
  using Clock = std::chrono::steady_clock;
  using Time = Clock::time_point;
  enum class Use : std::uint8_t { cache, servers };

  State(asio::io_context& io, ResolverOptions options, std::shared_ptr<DnsChannel> channel)
      : io_(io),
        options_(std::move(options)),
        resolv_conf_(channel->resolv_conf()),
        channel_(std::move(channel)),
        hosts_(options_.hosts),
        cache_(options_.cache_entries) {}

  void close() {
    closed_ = true;
    for (auto& [name, question] : std::exchange(questions_, {})) question->abandon();
  }

  std::optional<Resolution> in_hosts(std::string_view name, Time now) {
    const auto* const addresses = hosts_.find(name, now);
    if (addresses == nullptr) return std::nullopt;
    ++counts_.hits;
    return Resolution{ResolveStatus::ok, *addresses, HostsFile::kCheckInterval, {}, {}, false};
  }

  std::optional<Resolution> known(std::string_view name, Time now) {
    if (auto found = in_hosts(name, now)) return found;
    const auto* const answer = cache_.find(name);
    if (answer == nullptr || !answer->is_fresh(now)) return std::nullopt;
    ++counts_.hits;
    return to_resolution(*answer, now);
  }

  static asio::awaitable<Resolution> resolve(std::shared_ptr<State> self, std::string name,
                                             Use use) {
    const Time begin = Clock::now();
    auto known = use == Use::cache ? self->known(name, begin) : self->in_hosts(name, begin);
    if (known) co_return std::move(*known);
    const bool has_stale = self->stale(name, begin).has_value();
    const auto question = self->ask(name);
    if (question == nullptr) co_return self->failure(name, ResolveStatus::failed, begin);
    if (has_stale) question->keep();
    // While DNS is down each caller takes what there is at once; the question goes on behind it.
    if (use == Use::cache && has_stale && self->cache_.find(name)->failing) {
      co_return self->failure(name, ResolveStatus::timeout, begin);
    }
    const bool by_stale = use == Use::cache && has_stale;
    const Time until =
        begin + (by_stale ? std::min(self->options_.stale_wait, self->options_.timeout)
                          : self->options_.timeout);
    question->extend(until);
    ResolverQuestion::Waiter waiter(self->io_, until);
    question->add(waiter);
    co_await waiter.timer.async_wait(asio::as_tuple(asio::use_awaitable));
    waiter.unlink();
    const auto cancellation = co_await asio::this_coro::cancellation_state;
    if (cancellation.cancelled() != asio::cancellation_type::none) {
      self->give_up(name, *question);
      Resolution resolution;
      resolution.status = ResolveStatus::cancelled;
      co_return resolution;
    }
    if (!question->has_ended()) {
      if (auto* const answer = self->cache_.find(name)) answer->failing = true;
      co_return self->failure(name, ResolveStatus::timeout, begin);
    }
    co_return self->result(question->outcome(), name, begin);
  }

  const ResolvConf& resolv_conf() const { return resolv_conf_; }

  ResolverCounts counts() const {
    auto counts = counts_;
    counts.cached = cache_.size();
    return counts;
  }

 private:
  using Outcome = ResolverQuestion::Outcome;
  static constexpr std::size_t kMaxChannelUses = 128;

  static Resolution to_resolution(const CachedAnswer& answer, Time now) {
    Resolution resolution;
    resolution.status = answer.addresses.empty() ? ResolveStatus::not_found : ResolveStatus::ok;
    resolution.addresses = answer.addresses;
    resolution.ttl = std::max(milliseconds(0), duration_cast<milliseconds>(answer.until - now));
    resolution.age = duration_cast<milliseconds>(now - answer.since);
    return resolution;
  }

  // The last good answer, where it may still serve.
  std::optional<Resolution> stale(std::string_view name, Time now) {
    const auto* const answer = cache_.find(name);
    if (answer == nullptr || answer->addresses.empty() ||
        now >= answer->until + options_.serve_stale) {
      return std::nullopt;
    }
    auto resolution = to_resolution(*answer, now);
    resolution.ttl = milliseconds(0);
    resolution.stale = true;
    return resolution;
  }

  Resolution failure(std::string_view name, ResolveStatus status, Time begin) {
    const Time now = Clock::now();
    auto resolution = stale(name, now);
    if (resolution) {
      ++counts_.stale;
    } else {
      ++(status == ResolveStatus::timeout ? counts_.timeouts : counts_.failures);
      resolution = Resolution{};
      resolution->status = status;
    }
    resolution->elapsed = duration_cast<std::chrono::microseconds>(now - begin);
    return std::move(*resolution);
  }

  Resolution result(const Outcome& outcome, std::string_view name, Time begin) {
    if (outcome.status != ResolveStatus::ok && outcome.status != ResolveStatus::not_found) {
      return failure(name, outcome.status, begin);
    }
    if (outcome.status == ResolveStatus::not_found) ++counts_.not_found;
    Resolution resolution;
    resolution.status = outcome.status;
    resolution.addresses = outcome.addresses;
    resolution.ttl = held_for(outcome);
    resolution.elapsed = duration_cast<std::chrono::microseconds>(Clock::now() - begin);
    return resolution;
  }

  milliseconds held_for(const Outcome& outcome) const {
    const milliseconds most = outcome.status == ResolveStatus::ok
                                  ? options_.most_ttl
                                  : std::min(options_.most_negative_ttl, options_.most_ttl);
    return std::clamp(milliseconds(outcome.ttl), std::min(options_.least_ttl, most), most);
  }

  // The question for `name` in flight, or a new one. Null at the limit.
  std::shared_ptr<ResolverQuestion> ask(const std::string& name) {
    if (const auto found = questions_.find(name); found != questions_.end()) {
      ++counts_.merged;
      return found->second;
    }
    if (closed_ || questions_.size() >= options_.questions) return nullptr;
    const auto question = std::make_shared<ResolverQuestion>(
        ResolverQuestion::Context{io_,
                                  [this](const DnsChannel* silent) { return next_channel(silent); },
                                  options_, counts_},
        name, [weak = weak_from_this(), name](const Outcome& outcome) {
          if (const auto self = weak.lock()) self->on_end(name, outcome);
        });
    questions_.emplace(name, question);
    question->start();
    return question;
  }

  // A waiter was cancelled. Ends the question where nobody else needs its answer.
  void give_up(const std::string& name, ResolverQuestion& question) {
    if (question.has_ended() || question.has_waiters() || question.is_kept()) return;
    question.abandon();
    questions_.erase(name);
    // c-ares cannot cancel one query, only a channel with all of its own.
    if (questions_.empty()) channel_.reset();
  }

  // A channel serves some questions only, so that those that were cancelled do not live on in it,
  // and so that ports change.
  std::shared_ptr<DnsChannel> next_channel(const DnsChannel* silent) {
    if (!channel_ || channel_.get() == silent || ++channel_uses_ > kMaxChannelUses) {
      auto made = DnsChannel::make(io_, options_);
      channel_ = made ? std::move(*made) : nullptr;
      channel_uses_ = 1;
    }
    return channel_;
  }

  void on_end(const std::string& name, const Outcome& outcome) {
    // Kept alive by whoever calls this.
    questions_.erase(name);
    if (outcome.status == ResolveStatus::ok || outcome.status == ResolveStatus::not_found) {
      const Time now = Clock::now();
      cache_.store(name, {outcome.addresses, now, now + held_for(outcome), false});
    } else if (auto* const answer = cache_.find(name)) {
      answer->failing = true;
    }
  }

  asio::io_context& io_;
  const ResolverOptions options_;
  const ResolvConf resolv_conf_;
  std::shared_ptr<DnsChannel> channel_;  // for the next queries; null: to be opened
  std::size_t channel_uses_ = 0;         // queries
  HostsFile hosts_;
  ResolverCache cache_;
  ResolverCounts counts_;
  std::unordered_map<std::string, std::shared_ptr<ResolverQuestion>> questions_;
  bool closed_ = false;
};

ResolverOptions resolver_options(const DnsSettings& dns) {
  ResolverOptions options;
  options.timeout = dns.timeout;
  options.least_ttl = dns.least_ttl;
  options.most_ttl = dns.most_ttl;
  options.most_negative_ttl = dns.most_negative_ttl;
  options.serve_stale = dns.serve_stale;
  options.cache_entries = dns.cache_entries;
  return options;
}

Result<Resolver> Resolver::make(asio::io_context& io, ResolverOptions options) {
  auto channel = DnsChannel::make(io, options);
  if (!channel) return channel.error();
  return Resolver(std::make_shared<State>(io, std::move(options), std::move(*channel)));
}

Resolver::Resolver(std::shared_ptr<State> state) : state_(std::move(state)) {}
Resolver::Resolver(Resolver&&) noexcept = default;
Resolver& Resolver::operator=(Resolver&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
Resolver::~Resolver() {
  if (state_) state_->close();
}

const ResolvConf& Resolver::resolv_conf() const { return state_->resolv_conf(); }

std::optional<Resolution> Resolver::find_in_hosts(std::string_view name) {
  return state_->in_hosts(name, State::Clock::now());
}

std::optional<Resolution> Resolver::cached(std::string_view name) {
  return state_->known(name, State::Clock::now());
}

asio::awaitable<Resolution> Resolver::resolve(std::string name) {
  return State::resolve(state_, std::move(name), State::Use::cache);
}

asio::awaitable<Resolution> Resolver::refresh(std::string name) {
  return State::resolve(state_, std::move(name), State::Use::servers);
}

ResolverCounts Resolver::counts() const { return state_->counts(); }

}  // namespace egress::net
