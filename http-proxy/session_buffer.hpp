// The bytes that were read from a peer and not used yet: one contiguous block, grown on demand up
// to a limit that the caller keeps. Reads nothing itself.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>

namespace egress::http {

class ReadBuffer {
 public:
  char* data() { return block_.get() + begin_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::string_view view() const { return {block_.get() + begin_, size()}; }

  // Room for at least one more byte, where `most` permits: what is kept moves to the front, and the
  // block grows to at least `least`, then twofold, up to `most`. False where `most` bytes are kept.
  bool make_room(std::size_t least, std::size_t most) {
    if (size() >= most) return false;
    if (begin_ > 0) {
      std::memmove(block_.get(), data(), size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ < capacity_ && capacity_ >= least) return true;
    std::size_t wanted = end_ < capacity_ ? least : capacity_ * 2;
    wanted = wanted < least ? least : wanted;
    grow(wanted > most ? most : wanted);
    return true;
  }

  // Where the next bytes go.
  char* room() { return block_.get() + end_; }
  std::size_t room_size() const { return capacity_ - end_; }

  void commit(std::size_t count) { end_ += count; }
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  // Drops the bytes and gives the block back.
  void release() {
    block_.reset();
    capacity_ = begin_ = end_ = 0;
  }

 private:
  void grow(std::size_t capacity) {
    if (capacity <= capacity_) return;
    std::unique_ptr<char[]> block(new char[capacity]);
    if (size() > 0) std::memcpy(block.get(), data(), size());
    block_ = std::move(block);
    capacity_ = capacity;
    end_ -= begin_;
    begin_ = 0;
  }

  std::unique_ptr<char[]> block_;
  std::size_t capacity_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace egress::http
