// Deadlines for many connections of one thread: a wheel of 100 ms slots behind one timer. To put a
// deadline off, which every read of a connection does, costs a store. Fires up to one tick late,
// never early; wakes nobody while no deadline is armed.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <chrono>
#include <cstdint>

namespace egress::net {

class Deadlines;

// A base for what has a time limit. Belongs to the thread of its wheel; may end at any time.
class Deadline : public boost::intrusive::list_base_hook<
                     boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
 public:
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

  // In place of what was armed before. The wheel must outlive the time until it fires or is
  // disarmed.
  void arm(Deadlines& wheel, std::chrono::milliseconds time);
  void disarm() { due_ = kNever; }
  bool is_armed() const { return due_ != kNever; }

 protected:
  Deadline() = default;
  virtual ~Deadline() = default;

 private:
  friend class Deadlines;
  using Tick = std::uint64_t;
  static constexpr Tick kNever = ~Tick{0};

  // The time is up; disarmed already. May arm again, disarm others, end this and others.
  virtual void on_deadline() = 0;

  Tick due_ = kNever;
  Tick slot_ = 0;  // where it is linked: at due_ or before
};

class Deadlines {
 public:
  static constexpr std::chrono::milliseconds kTick{100};

  // `io` must outlive this object.
  explicit Deadlines(boost::asio::io_context& io);
  Deadlines(const Deadlines&) = delete;
  Deadlines& operator=(const Deadlines&) = delete;

 private:
  friend class Deadline;
  using Tick = Deadline::Tick;
  using Slot = boost::intrusive::list<Deadline, boost::intrusive::constant_time_size<false>>;
  static constexpr Tick kSlots = 1024;

  Tick tick_now() const;
  void link(Deadline& deadline);
  void wait();
  void turn();

  boost::asio::steady_timer timer_;
  std::chrono::steady_clock::time_point begin_;
  std::array<Slot, kSlots> slots_;
  Tick turned_ = 0;  // all slots up to this one have fired
  bool waiting_ = false;
};

}  // namespace egress::net
