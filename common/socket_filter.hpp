// Classic BPF programs for sockets (SO_ATTACH_FILTER), built from instructions that are values.
#pragma once

#include <linux/filter.h>
#include <sys/socket.h>

#include <cstdint>
#include <vector>

#include "common/ip.hpp"

namespace egress {

class SocketFilter {
 public:
  // `size`: BPF_B, BPF_H or BPF_W; `offset`: in the packet, or one of the SKF_ areas.
  static sock_filter load(std::uint16_t size, std::uint32_t offset) {
    return BPF_STMT(static_cast<std::uint16_t>(BPF_LD | size | BPF_ABS), offset);
  }
  // Executes the next instruction where what was loaded is `value`, else skips `skipped` of them.
  static sock_filter unless_equal(std::uint32_t value, std::uint8_t skipped) {
    return BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, skipped);
  }
  static constexpr sock_filter kDrop = BPF_STMT(BPF_RET | BPF_K, 0);
  static constexpr sock_filter kPass = BPF_STMT(BPF_RET | BPF_K, ~0U);

  std::size_t size() const { return code_.size(); }
  void add(std::initializer_list<sock_filter> code) {
    code_.insert(code_.end(), code.begin(), code.end());
  }
  void add(const SocketFilter& other) {
    code_.insert(code_.end(), other.code_.begin(), other.code_.end());
  }
  // Ends with `result` where the packet has `address` at `offset`.
  void add_match(std::uint32_t offset, const IpAddress& address, sock_filter result) {
    const auto bytes = address.bytes();
    for (std::size_t i = 0; i < bytes.size(); i += 4) {
      const std::uint32_t word = std::uint32_t{bytes[i]} << 24U |
                                 std::uint32_t{bytes[i + 1]} << 16U |
                                 std::uint32_t{bytes[i + 2]} << 8U | bytes[i + 3];
      const auto words_left = (bytes.size() - i) / 4 - 1;
      add({load(BPF_W, offset + static_cast<std::uint32_t>(i)),
           unless_equal(word, static_cast<std::uint8_t>(2 * words_left + 1))});
    }
    add({result});
  }

  // In the place of an earlier one. False: errno says why.
  bool attach(int socket) const {
    auto code = code_;
    const sock_fprog program{static_cast<unsigned short>(code.size()), code.data()};
    return ::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0;
  }

 private:
  std::vector<sock_filter> code_;
};

}  // namespace egress
