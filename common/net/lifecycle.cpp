#include "common/net/lifecycle.hpp"

#include <algorithm>
#include <csignal>
#include <utility>

#include "common/hold.hpp"

namespace egress::net {

using std::chrono::steady_clock;

Lifecycle::Lifecycle(boost::asio::io_context& io, Options options, Hooks hooks,
                     std::function<bool()> is_idle)
    : signals_(io, SIGTERM, SIGINT, SIGHUP),
      timer_(io),
      options_(options),
      hooks_(std::move(hooks)),
      is_idle_(std::move(is_idle)) {
  wait_for_signal();
  unblock_awaited_signals();
}

void Lifecycle::set_ready() {
  if (stage_ == Stage::starting) stage_ = Stage::ready;
}

std::string Lifecycle::not_ready_because() const {
  switch (stage_) {
    case Stage::starting: return "starting";
    case Stage::ready: return {};
    case Stage::draining: return "draining";
    case Stage::ended: return "ended";
  }
  return {};
}

void Lifecycle::wait_for_signal() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    if (signal == SIGHUP) {
      if (hooks_.reload) hooks_.reload();
      return wait_for_signal();
    }
    if (stage_ == Stage::draining) return finish(Finish::now);
    begin_drain();
    if (stage_ == Stage::draining) wait_for_signal();
  });
}

void Lifecycle::begin_drain() {
  if (stage_ != Stage::starting && stage_ != Stage::ready) return;
  stage_ = Stage::draining;
  const auto now = steady_clock::now();
  deadline_ = now + options_.drain;
  close_listeners_at_ = now + std::min(options_.delay, options_.drain);
  poll();
}

void Lifecycle::poll() {
  const auto now = steady_clock::now();
  if (is_listening_ && now >= close_listeners_at_) {
    is_listening_ = false;
    hooks_.drain();
  }
  if (!is_listening_ && is_idle_()) return finish(Finish::drained);
  if (now >= deadline_) return finish(Finish::now);
  timer_.expires_at(std::min(now + options_.poll, deadline_));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error && stage_ == Stage::draining) poll();
  });
}

void Lifecycle::finish(Finish how) {
  stage_ = Stage::ended;
  timer_.cancel();
  // What comes from here on must not turn a clean end into a death by signal.
  boost::system::error_code ignored;
  signals_.clear(ignored);
  for (const int signal : {SIGTERM, SIGINT, SIGHUP}) std::signal(signal, SIG_IGN);
  if (is_listening_) {
    is_listening_ = false;
    hooks_.drain();
  }
  if (how == Finish::now) hooks_.abort();
  hooks_.end();
}

}  // namespace egress::net
