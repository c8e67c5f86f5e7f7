#include "common/net/deadlines.hpp"

#include <algorithm>

namespace egress::net {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

void Deadline::arm(Deadlines& wheel, milliseconds time) {
  // One more tick than asked for: the one under way has partly gone.
  const auto ticks = static_cast<Tick>(std::max<milliseconds::rep>(
      0, (time + Deadlines::kTick - milliseconds(1)) / Deadlines::kTick));
  due_ = wheel.tick_now() + ticks + 1;
  // A later deadline than the slot it is in is found again when that slot fires.
  if (is_linked() && slot_ <= due_) return;
  unlink();
  wheel.link(*this);
}

Deadlines::Deadlines(boost::asio::io_context& io) : timer_(io), begin_(steady_clock::now()) {}

Deadlines::Tick Deadlines::tick_now() const {
  return static_cast<Tick>((steady_clock::now() - begin_) / kTick);
}

void Deadlines::link(Deadline& deadline) {
  if (!waiting_) turned_ = tick_now();
  deadline.slot_ = std::clamp(deadline.due_, turned_ + 1, turned_ + kSlots - 1);
  slots_[deadline.slot_ % kSlots].push_back(deadline);
  if (!waiting_) wait();
}

void Deadlines::wait() {
  waiting_ = true;
  timer_.expires_at(begin_ + kTick * static_cast<milliseconds::rep>(turned_ + 1));
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) turn();
  });
}

void Deadlines::turn() {
  const Tick now = tick_now();
  // After a long stall each slot is looked at once, not once for each tick that was missed.
  const Tick first = std::max(turned_ + 1, now >= kSlots ? now - kSlots + 1 : 0);
  turned_ = std::max(turned_, now);
  for (Tick tick = first; tick <= now; ++tick) {
    // Moved out first: on_deadline() may end those that follow, or link new ones here.
    Slot fired;
    fired.swap(slots_[tick % kSlots]);
    while (!fired.empty()) {
      Deadline& deadline = fired.front();
      deadline.unlink();
      if (deadline.due_ == Deadline::kNever) continue;
      if (deadline.due_ > now) {
        link(deadline);
        continue;
      }
      deadline.disarm();
      deadline.on_deadline();
    }
  }
  const auto is_empty = [](const Slot& slot) { return slot.empty(); };
  if (std::all_of(slots_.begin(), slots_.end(), is_empty)) {
    waiting_ = false;
  } else {
    wait();
  }
}

}  // namespace egress::net
