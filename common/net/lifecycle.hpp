// From start to end of a server: ready, then on SIGTERM or SIGINT draining, then ended, by itself
// or at the deadline; SIGHUP reloads. Owns the signals and the deadline; the hooks say what each
// step means.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>

namespace egress::net {

class Lifecycle {
 public:
  enum class Stage : std::uint8_t { starting, ready, draining, ended };

  // Called on the loop's thread, each at most once, in this order.
  struct Hooks {
    std::function<void()> drain;     // close the listeners, let what is under way finish
    std::function<void()> abort;     // the time is up, or a second signal came: end the rest now
    std::function<void()> end;       // after one of the two: stop the loops
    std::function<void()> reload{};  // SIGHUP, any number of times until the end
  };
  struct Options {
    std::chrono::milliseconds drain = std::chrono::seconds(25);
    // From readiness off to the close of the listeners: a Service routes new connections to this
    // pod until its endpoints are updated on every node. Part of drain.
    std::chrono::milliseconds delay{0};
    std::chrono::milliseconds poll{50};  // how often is_idle is asked
  };

  // `is_idle` is asked while draining: true once nothing is under way. `io` must outlive this
  // object; all calls are on its thread. Signals that were blocked until now (common/hold.hpp) are
  // taken from here on.
  Lifecycle(boost::asio::io_context& io, Options options, Hooks hooks,
            std::function<bool()> is_idle);
  Lifecycle(const Lifecycle&) = delete;
  Lifecycle& operator=(const Lifecycle&) = delete;

  void set_ready();
  void begin_drain();  // as if the first signal came

  Stage stage() const { return stage_; }
  // For AdminHandlers: "starting", "draining"; empty while ready.
  std::string not_ready_because() const;

 private:
  enum class Finish : std::uint8_t { drained, now };

  void wait_for_signal();
  void poll();
  void finish(Finish how);

  boost::asio::signal_set signals_;
  boost::asio::steady_timer timer_;
  Options options_;
  Hooks hooks_;
  std::function<bool()> is_idle_;
  std::chrono::steady_clock::time_point deadline_;
  std::chrono::steady_clock::time_point close_listeners_at_;
  Stage stage_ = Stage::starting;
  bool is_listening_ = true;
};

}  // namespace egress::net
