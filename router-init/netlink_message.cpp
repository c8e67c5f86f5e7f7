#include "router-init/netlink_message.hpp"

#include <arpa/inet.h>
#include <endian.h>

namespace egress::router {
namespace {

constexpr unsigned kTypeMask = 0x3fff;  // NLA_TYPE_MASK, without its sign

template <class Value>
void append_value(std::vector<std::uint8_t>& bytes, const Value& value) {
  const Bytes view = bytes_of(value);
  bytes.insert(bytes.end(), view.begin(), view.end());
}

}  // namespace

std::optional<AttributeView> next_attribute(Bytes& rest) {
  nlattr header{};
  if (rest.size() < sizeof header) return std::nullopt;
  std::memcpy(&header, rest.data(), sizeof header);
  const std::size_t length = header.nla_len;
  if (length < sizeof header || length > rest.size()) return std::nullopt;
  const AttributeView found{static_cast<std::uint16_t>(header.nla_type & kTypeMask),
                            rest.subspan(sizeof header, length - sizeof header)};
  rest = rest.subspan(std::min(rest.size(), netlink_aligned(length)));
  return found;
}

std::string read_text(Bytes payload) {
  return {payload.begin(), std::find(payload.begin(), payload.end(), 0)};
}

Attributes::Attributes(Bytes nest) {
  while (const auto attribute = next_attribute(nest)) {
    if (attribute->type < found_.size()) found_[attribute->type] = attribute->payload;
  }
}

std::uint32_t Attributes::number_or_zero(std::size_t type) const {
  return ntohl(number<std::uint32_t>(type).value_or(0));
}

void AttributeWriter::put(std::uint16_t type, Bytes payload) {
  append_value(bytes_, nlattr{static_cast<std::uint16_t>(sizeof(nlattr) + payload.size()), type});
  append(payload);
}

void AttributeWriter::put_text(std::uint16_t type, std::string_view text) {
  const std::string terminated(text);
  put(type, {reinterpret_cast<const std::uint8_t*>(terminated.c_str()), terminated.size() + 1});
}

void AttributeWriter::put_u32(std::uint16_t type, std::uint32_t value) {
  const std::uint32_t value_be = htonl(value);
  put(type, bytes_of(value_be));
}

void AttributeWriter::put_u64(std::uint16_t type, std::uint64_t value) {
  const std::uint64_t value_be = htobe64(value);
  put(type, bytes_of(value_be));
}

void AttributeWriter::append(Bytes attributes) {
  bytes_.insert(bytes_.end(), attributes.begin(), attributes.end());
  bytes_.resize(netlink_aligned(bytes_.size()));
}

std::size_t AttributeWriter::begin_nest(std::uint16_t type) {
  const std::size_t start = bytes_.size();
  put(type | NLA_F_NESTED, {});
  return start;
}

void AttributeWriter::end_nest(std::size_t start) {
  const auto length = static_cast<std::uint16_t>(bytes_.size() - start);
  std::memcpy(bytes_.data() + start + offsetof(nlattr, nla_len), &length, sizeof length);
}

void MessageWriter::begin(const Header& header) {
  message_ = bytes_.size();
  append_value(bytes_, nlmsghdr{0, message_type(header.subsystem, header.type),
                                static_cast<std::uint16_t>(NLM_F_REQUEST | header.flags),
                                header.sequence, 0});
  append_value(bytes_, nfgenmsg{header.family, NFNETLINK_V0, htons(header.resource)});
}

void MessageWriter::end() {
  const auto length = static_cast<std::uint32_t>(bytes_.size() - message_);
  std::memcpy(bytes_.data() + message_ + offsetof(nlmsghdr, nlmsg_len), &length, sizeof length);
}

void MessageWriter::add_flags(unsigned flags) {
  std::uint16_t all = 0;
  std::uint8_t* const at = bytes_.data() + message_ + offsetof(nlmsghdr, nlmsg_flags);
  std::memcpy(&all, at, sizeof all);
  all = static_cast<std::uint16_t>(all | flags);
  std::memcpy(at, &all, sizeof all);
}

Bytes attributes_of(const nlmsghdr& message) {
  constexpr std::size_t kBefore = NLMSG_HDRLEN + sizeof(nfgenmsg);
  if (message.nlmsg_len < kBefore) return {};
  return Bytes(reinterpret_cast<const std::uint8_t*>(&message), message.nlmsg_len).subspan(kBefore);
}

nfgenmsg subsystem_header_of(const nlmsghdr& message) {
  nfgenmsg header{};
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof header) return header;
  std::memcpy(&header, reinterpret_cast<const std::uint8_t*>(&message) + NLMSG_HDRLEN,
              sizeof header);
  return header;
}

std::optional<int> errno_of(const nlmsghdr& message) {
  if (message.nlmsg_type != NLMSG_ERROR && message.nlmsg_type != NLMSG_DONE) return std::nullopt;
  int error = 0;
  if (message.nlmsg_len < NLMSG_HDRLEN + sizeof error) return 0;
  std::memcpy(&error, reinterpret_cast<const std::uint8_t*>(&message) + NLMSG_HDRLEN, sizeof error);
  return -error;
}

}  // namespace egress::router
