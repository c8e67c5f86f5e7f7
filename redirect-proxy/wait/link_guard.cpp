#include "redirect-proxy/wait/link_guard.hpp"

#include <fcntl.h>

#include <algorithm>

#include "redirect-proxy/wait/link_addresses.hpp"

namespace egress::wait {
namespace {

constexpr int kMissedAnswers = 3;  // until a gateway is down
// At more messages in a turn it rests for a moment: the kernel drops what comes then, and a flood
// costs next to nothing.
constexpr int kMessagesInTurn = 64;
constexpr std::chrono::milliseconds kRest{50};

}  // namespace

LinkGuard::LinkGuard(boost::asio::io_context& io, std::string link,
                     std::chrono::milliseconds interval, const Log& log)
    : io_(io), link_(std::move(link)), interval_(interval), log_(log), timer_(io) {}

void LinkGuard::start() {
  defended_ = read_link_addresses(link_);
  for (const auto family : {Family::v4, Family::v6}) {
    const auto source =
        std::find_if(defended_.begin(), defended_.end(),
                     [&](const IpAddress& address) { return address.family() == family; });
    if (source == defended_.end()) continue;
    open(family, defended_);
    const auto gateway = read_default_gateway(link_, family);
    if (!gateway || interval_.count() == 0) continue;
    open(family, {*gateway});
    asked_.push_back({*gateway, *source, Clock::now(), std::nullopt});
  }
  if (!asked_.empty()) ask_in_turn();
}

void LinkGuard::open(Family family, const std::vector<IpAddress>& heard) {
  auto socket = link::NeighbourSocket::open(link_, family);
  const auto filtered = socket ? socket->hear_claims_of(heard) : socket.error();
  const int copy = filtered ? ::fcntl(socket->descriptor(), F_DUPFD_CLOEXEC, 0) : -1;
  if (copy < 0) {
    if (heard != defended_) return;
    const auto why = filtered ? "dup failed" : to_text(filtered.error());
    log_(LogLevel::info,
         "another host that takes the address of " + link_ + " will not be noticed: " + why);
    return;
  }
  listen(sockets_.emplace_back(io_, std::move(*socket), copy, family));
}

void LinkGuard::listen(Socket& socket) {
  socket.readable.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                             [this, &socket](boost::system::error_code error) {
                               if (!error) read(socket);
                             });
}

void LinkGuard::read(Socket& socket) {
  int messages = 0;
  for (; messages < kMessagesInTurn; ++messages) {
    const auto message = socket.neighbours.receive();
    if (!message) {  // the link went down, which the gateway's silence will tell
      log_(LogLevel::warn, to_text(message.error()));
      break;
    }
    if (!*message) break;
    on_message(socket, **message);
  }
  if (messages < kMessagesInTurn) return listen(socket);
  socket.pause.expires_after(kRest);
  socket.pause.async_wait([this, &socket](boost::system::error_code error) {
    if (!error) listen(socket);
  });
}

void LinkGuard::on_message(Socket& socket, const link::NeighbourMessage& message) {
  if (!message.claims) return;
  for (auto& asked : asked_) {
    if (asked.gateway != *message.claims) continue;
    asked.answered = Clock::now();
    set_up(asked, true);
  }
  if (std::find(defended_.begin(), defended_.end(), *message.claims) != defended_.end())
    on_claim(socket, *message.claims, to_text(message.sender));
}

void LinkGuard::on_claim(Socket& socket, const IpAddress& address, const std::string& holder) {
  const auto who = "the host with MAC address " + holder + " on " + link_;
  switch (defence_.on_claim(address, Clock::now())) {
    case AddressDefence::Response::defend: {
      const auto announced = socket.neighbours.announce(address);
      static_cast<void>(socket.neighbours.ask(std::nullopt, address));
      log_(LogLevel::warn, to_text(address) + " is claimed by " + who + ": " +
                               (announced ? "defended" : to_text(announced.error())));
      return;
    }
    case AddressDefence::Response::tell:
      log_(LogLevel::error,
           to_text(address) + " is held by two: " + who +
               " goes on claiming it. Connections break until one of the two gives it up");
      return;
    case AddressDefence::Response::nothing: return;
  }
}

void LinkGuard::ask_in_turn() {
  for (auto& asked : asked_) {
    judge(asked);
    const auto socket = std::find_if(sockets_.begin(), sockets_.end(), [&](const Socket& each) {
      return each.family == asked.gateway.family();
    });
    // That it cannot be sent is as good as no answer.
    if (socket != sockets_.end())
      static_cast<void>(socket->neighbours.ask(asked.source, asked.gateway));
  }
  timer_.expires_after(interval_);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) ask_in_turn();
  });
}

void LinkGuard::judge(Asked& asked) {
  const bool asks = std::any_of(sockets_.begin(), sockets_.end(), [&](const Socket& socket) {
    return socket.family == asked.gateway.family();
  });
  if (asks) {
    if (Clock::now() - asked.answered > interval_ * kMissedAnswers) set_up(asked, false);
    return;
  }
  if (const auto known = kernel_knows_neighbour(link_, asked.gateway)) set_up(asked, *known);
}

void LinkGuard::set_up(Asked& asked, bool is_up) {
  const auto was = std::exchange(asked.is_up, is_up);
  if (was == is_up || (!was && is_up)) return;
  if (is_up) {
    log_(LogLevel::info, "the gateway " + to_text(asked.gateway) + " answers again");
  } else {
    log_(LogLevel::error, "the gateway " + to_text(asked.gateway) + " on " + link_ +
                              " does not answer: nothing gets out");
  }
}

std::vector<IpAddress> LinkGuard::addresses() const { return read_link_addresses(link_); }

std::vector<LinkGuard::Gateway> LinkGuard::gateways() const {
  std::vector<Gateway> all;
  for (const auto& asked : asked_) all.push_back({asked.gateway, asked.is_up});
  return all;
}

bool LinkGuard::is_contested(const IpAddress& address) const {
  return defence_.is_contested(address, Clock::now());
}

}  // namespace egress::wait
