// The read of a client that stays under way between requests and while the
// proxy waits for others.
#include <algorithm>
#include <boost/asio/error.hpp>
#include <cstring>
#include <utility>

#include "http-proxy/session.hpp"

namespace egress::http {

namespace asio = boost::asio;

namespace {

constexpr std::size_t kReadAheadBytes = 4096;

}  // namespace

void Session::start_read() {
  if (reads_ || has_read()) return;
  reads_ = true;
  client_.async_read_some(asio::buffer(early_),
                          [self = shared_from_this()](error_code error, std::size_t count) {
                            self->on_read(error, count);
                          });
}

void Session::on_read(error_code error, std::size_t count) {
  reads_ = false;
  early_error_ = error;
  early_size_ = count;
  if (reader_) {
    auto reader = std::move(*reader_);
    reader_.reset();
    std::move(reader)();
  } else if (watched_) {
    look_at_client();
  }
}

awaitable<void> Session::finish_read() {
  start_read();
  co_await asio::async_initiate<const asio::use_awaitable_t<>, void()>(
      [this](ReadHandler handler) { reader_.emplace(std::move(handler)); }, asio::use_awaitable);
}

error_code Session::take_read(ReadBuffer& buffer, std::size_t room) {
  if (is_interrupted() || client_left_) return asio::error::operation_aborted;
  if (early_error_) return std::exchange(early_error_, {});
  const auto size = std::min(early_size_, room);
  const bool more = size == early_.size() && room > size;
  std::memcpy(buffer.prepare(size).data(), early_.data(), size);
  buffer.commit(size);
  early_size_ -= size;
  std::memmove(early_.data(), early_.data() + size, early_size_);
  // An error shows again at the next read.
  if (more) read_now(client_, buffer, room - size);
  return {};
}

// What arrived meanwhile is not lost: it is in the workspace.
awaitable<void> Session::stop_read() {
  if (reads_) {
    error_code ignored;
    client_.cancel(ignored);
    co_await finish_read();
  }
  early_error_ = {};
  auto& buffer = work_->from_client;
  if (early_size_ > 0) take_read(buffer, early_size_);
}

void Session::watch() {
  watched_ = true;
  if (has_read()) {
    look_at_client();
  } else {
    start_read();
  }
}

// Reads ahead what follows the request, for the end of the connection is behind
// it.
void Session::look_at_client() {
  if (is_interrupted() || client_left_) return;
  if (early_error_) {
    const auto error = std::exchange(early_error_, {});
    // TCP does not tell a client that has finished sending from one that has
    // left. Who closes together with its request may wait for the answer still;
    // who closes later has left.
    if (error == asio::error::eof && closed_with_last_bytes(client_)) return watch_for_reset();
    return leave();
  }
  auto& buffer = work_->from_client;
  if (room_in(buffer, kReadAheadBytes, kReadAheadBytes) < early_size_) return watch_for_reset();
  take_read(buffer, early_size_);
  start_read();
}

void Session::watch_for_reset() {
  if (waits_for_reset_) return;
  waits_for_reset_ = true;
  client_.async_wait(Socket::wait_error, [self = shared_from_this()](error_code error) {
    self->waits_for_reset_ = false;
    if (!error && self->watched_ && is_reset(self->client_)) self->leave();
  });
}

void Session::leave() {
  client_left_ = true;
  interrupt();
}

}  // namespace egress::http
