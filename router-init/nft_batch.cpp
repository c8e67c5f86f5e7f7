#include "router-init/nft_batch.hpp"

#include <libnftnl/common.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

namespace egress::router {

template <class Build>
void NftBatch::append(const std::string& object, Build build) {
  const std::size_t offset = bytes_.size();
  bytes_.resize(offset + kMostMessageBytes);
  const nlmsghdr* header =
      build(bytes_.data() + offset, static_cast<std::uint32_t>(objects_.size()));
  bytes_.resize(offset + NLMSG_ALIGN(header->nlmsg_len));
  objects_.push_back(object);
}

NftBatch::NftBatch() { append("nftables transaction", nftnl_batch_begin); }

void NftBatch::add(const Message& message, const std::function<void(nlmsghdr*)>& fill) {
  last_message_ = bytes_.size();
  append(message.object, [&](char* room, std::uint32_t sequence) {
    const auto type = static_cast<std::uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message.type);
    nlmsghdr* header = nftnl_nlmsg_build_hdr(room, type, NFPROTO_INET, message.flags, sequence);
    fill(header);
    return header;
  });
}

void NftBatch::finish() {
  reinterpret_cast<nlmsghdr*>(bytes_.data() + last_message_)->nlmsg_flags |= NLM_F_ACK;
  append("nftables transaction", nftnl_batch_end);
}

// The end stands behind it.
std::uint32_t NftBatch::last_sequence() const {
  return static_cast<std::uint32_t>(objects_.size() - 2);
}

std::string NftBatch::object_of(std::uint32_t sequence) const {
  return sequence < objects_.size() ? objects_[sequence] : std::string();
}

}  // namespace egress::router
