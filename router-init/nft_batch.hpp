// One nf_tables transaction in the making: messages back to back between BATCH_BEGIN and BATCH_END,
// and what each of them is about, so that an error of the kernel's can be put to a name. No socket
// here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

struct nlmsghdr;

namespace egress::router {

// Sequence numbers count the messages from 0, which is BATCH_BEGIN.
class NftBatch {
 public:
  // A list of elements is one attribute and ends at 64 KiB; the rest is for headers.
  static constexpr std::size_t kMostMessageBytes = 80U << 10U;

  struct Message {
    int type = 0;             // NFT_MSG_... (linux/netfilter/nf_tables.h)
    std::uint16_t flags = 0;  // NLM_F_..., beside NLM_F_REQUEST
    std::string object;       // "chain forward"
  };

  NftBatch();

  // `fill` appends the attributes; the message is at most kMostMessageBytes long.
  void add(const Message& message, const std::function<void(nlmsghdr*)>& fill);

  // Asks that the last message be acknowledged, for older kernels do not acknowledge the end
  // itself; then ends the batch.
  void finish();

  std::span<const char> bytes() const { return bytes_; }
  // Of the message that asks to be acknowledged.
  std::uint32_t last_sequence() const;
  // Empty where the batch has no such message.
  std::string object_of(std::uint32_t sequence) const;

 private:
  template <class Build>
  void append(const std::string& object, Build build);

  std::vector<char> bytes_;
  std::vector<std::string> objects_;  // by sequence number
  std::size_t last_message_ = 0;      // offset in bytes_
};

}  // namespace egress::router
