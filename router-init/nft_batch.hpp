// One nf_tables transaction in the making: messages back to back between BATCH_BEGIN and BATCH_END,
// and what each of them is about, so that an error of the kernel's can be put to a name. No socket
// here.
#pragma once

#include <netinet/in.h>

// After glibc's headers, or both define the same (linux/libc-compat.h).
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <string>
#include <vector>

#include "router-init/netlink_message.hpp"

namespace egress::router {

// Sequence numbers count the messages from 0, which is BATCH_BEGIN.
class NftBatch {
 public:
  struct Message {
    int type = 0;        // NFT_MSG_... (linux/netfilter/nf_tables.h)
    unsigned flags = 0;  // NLM_F_..., beside NLM_F_REQUEST
    std::string object;  // "chain forward"
  };

  NftBatch() { add_boundary(NFNL_MSG_BATCH_BEGIN); }

  // `fill` puts the attributes.
  template <class Fill>
  void add(Message message, Fill fill) {
    writer_.begin(
        {NFNL_SUBSYS_NFTABLES, message.type, message.flags, next_sequence(), NFPROTO_INET, 0});
    fill(writer_);
    writer_.end();
    objects_.push_back(std::move(message.object));
  }

  // Asks that the last message be acknowledged, for older kernels do not acknowledge the end
  // itself; then ends the batch.
  void finish() {
    writer_.add_flags(NLM_F_ACK);
    add_boundary(NFNL_MSG_BATCH_END);
  }

  Bytes bytes() const { return writer_.bytes(); }
  // Of the message that asks to be acknowledged; the end stands behind it.
  std::uint32_t last_sequence() const { return next_sequence() - 2; }
  // Empty where the batch has no such message.
  std::string object_of(std::uint32_t sequence) const {
    return sequence < objects_.size() ? objects_[sequence] : std::string();
  }

 private:
  std::uint32_t next_sequence() const { return static_cast<std::uint32_t>(objects_.size()); }

  void add_boundary(int type) {
    writer_.begin(
        {NFNL_SUBSYS_NONE, type, 0, next_sequence(), NFPROTO_UNSPEC, NFNL_SUBSYS_NFTABLES});
    writer_.end();
    objects_.emplace_back("nftables transaction");
  }

  MessageWriter writer_;
  std::vector<std::string> objects_;  // by sequence number
};

}  // namespace egress::router
