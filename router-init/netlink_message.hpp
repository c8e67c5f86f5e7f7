// Messages of the nfnetlink family (linux/netlink.h, linux/netfilter/nfnetlink.h): writes them and
// reads their attributes. Knows no subsystem's meaning. Pure: no socket here.
#pragma once

#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace egress::router {

using Bytes = std::span<const std::uint8_t>;

// The bytes of a number as it lies in memory; a view of `value`, which must outlive it.
template <class Integer>
Bytes bytes_of(const Integer& value) {
  return {reinterpret_cast<const std::uint8_t*>(&value), sizeof value};
}

constexpr std::size_t netlink_aligned(std::size_t length) { return (length + 3) / 4 * 4; }

struct AttributeView {
  std::uint16_t type = 0;  // without NLA_F_NESTED
  Bytes payload;
};

// Takes the first attribute from `rest`; none at the end, and where it is cut short.
std::optional<AttributeView> next_attribute(Bytes& rest);

// Of an attribute's payload as it was sent, in network order; none where it has another length.
template <class Number>
std::optional<Number> read_number(Bytes payload) {
  Number value{};
  if (payload.size() != sizeof value) return std::nullopt;
  std::memcpy(&value, payload.data(), sizeof value);
  return value;
}

std::string read_text(Bytes payload);  // up to a zero byte

// The attributes of a nest by their types, the last of each; views of the nest.
class Attributes {
 public:
  static constexpr std::size_t kTypes = 32;  // those from here on are passed over

  explicit Attributes(Bytes nest);

  Bytes operator[](std::size_t type) const { return found_[type]; }  // empty where it is missing

  template <class Number>
  std::optional<Number> number(std::size_t type) const {
    return read_number<Number>(found_[type]);
  }
  std::uint32_t number_or_zero(std::size_t type) const;  // 32 bits, into the order of the host

 private:
  std::array<Bytes, kTypes> found_{};
};

// Appends attributes back to back.
class AttributeWriter {
 public:
  void put(std::uint16_t type, Bytes payload);
  void put_text(std::uint16_t type, std::string_view text);  // ends it with a zero byte
  void put_u8(std::uint16_t type, std::uint8_t value) { put(type, bytes_of(value)); }
  void put_u32(std::uint16_t type, std::uint32_t value);  // in network order
  void put_u64(std::uint16_t type, std::uint64_t value);  // in network order

  // `fill` puts the attributes of the nest.
  template <class Fill>
  void put_nest(std::uint16_t type, Fill fill) {
    const std::size_t start = begin_nest(type);
    fill();
    end_nest(start);
  }

  void append(Bytes attributes);  // as they are, with padding at the end

  Bytes bytes() const { return bytes_; }
  void clear() { bytes_.clear(); }

 protected:
  std::vector<std::uint8_t> bytes_;

 private:
  std::size_t begin_nest(std::uint16_t type);
  void end_nest(std::size_t start);
};

// Appends messages back to back; attributes that are put go to the one that was begun last.
class MessageWriter : public AttributeWriter {
 public:
  struct Header {
    int subsystem = 0;   // NFNL_SUBSYS_...; or with `type` alone NFNL_MSG_BATCH_...
    int type = 0;        // of the subsystem
    unsigned flags = 0;  // NLM_F_..., beside NLM_F_REQUEST
    std::uint32_t sequence = 0;
    std::uint8_t family = 0;     // AF_..., NFPROTO_...
    std::uint16_t resource = 0;  // nfgenmsg.res_id
  };

  void begin(const Header& header);
  void end();                      // completes the length of the message
  void add_flags(unsigned flags);  // to the message that was begun last

 private:
  std::size_t message_ = 0;  // offset of the one that was begun last
};

constexpr std::uint16_t message_type(int subsystem, int type) {
  return static_cast<std::uint16_t>(subsystem << 8 | type);
}

// Behind nfgenmsg; empty where the message is too short.
Bytes attributes_of(const nlmsghdr& message);

// All zero where the message is too short.
nfgenmsg subsystem_header_of(const nlmsghdr& message);

// The errno in an acknowledgement (NLMSG_ERROR) or at the end of a dump (NLMSG_DONE), 0 for
// success; none in any other message.
std::optional<int> errno_of(const nlmsghdr& message);

// Calls `take` with each message of a datagram.
template <class Take>
void for_each_message(Bytes datagram, Take take) {
  while (datagram.size() >= sizeof(nlmsghdr)) {
    const auto& message = *reinterpret_cast<const nlmsghdr*>(datagram.data());
    if (message.nlmsg_len < sizeof message || message.nlmsg_len > datagram.size()) return;
    take(message);
    datagram = datagram.subspan(std::min(datagram.size(), netlink_aligned(message.nlmsg_len)));
  }
}

}  // namespace egress::router
