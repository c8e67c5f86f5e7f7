// Pieces of text that go to a peer in one system call where its socket takes them. Writes nothing.
#pragma once

#include <sys/uio.h>

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string_view>

namespace egress::http {

class Gather {
 public:
  static constexpr std::size_t kMost = 6;

  // `piece` must live until all is written. Empty ones are left out; more than kMost is a bug.
  void add(std::string_view piece) {
    if (piece.empty()) return;
    if (first_ == count_) first_ = count_ = 0;
    if (count_ == kMost) throw std::logic_error("too many pieces for one write");
    pieces_[count_++] = {const_cast<char*>(piece.data()), piece.size()};
  }
  bool empty() const { return first_ == count_; }
  std::size_t size() const {
    std::size_t sum = 0;
    for (std::size_t i = first_; i < count_; ++i) sum += pieces_[i].iov_len;
    return sum;
  }
  void consume(std::size_t bytes) {
    while (first_ < count_ && bytes >= pieces_[first_].iov_len) bytes -= pieces_[first_++].iov_len;
    if (bytes == 0) return;
    pieces_[first_].iov_base = static_cast<char*>(pieces_[first_].iov_base) + bytes;
    pieces_[first_].iov_len -= bytes;
  }

  const iovec* data() const { return pieces_.data() + first_; }
  std::size_t count() const { return count_ - first_; }

 private:
  std::array<iovec, kMost> pieces_{};
  std::size_t first_ = 0;
  std::size_t count_ = 0;
};

}  // namespace egress::http
