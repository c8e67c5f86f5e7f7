// An nftables table as a value: what nft_rules makes of a ruleset, nft_text prints and nft_encode
// packs for the kernel. Each statement carries both its text and its expressions, so that there is
// one description of every rule.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

#include "router-init/netlink_message.hpp"

namespace egress::router::nft {

// One instruction of nf_tables, as `nft --debug=netlink` prints it.
struct Expression {
  std::string name;                // "meta", "cmp", "lookup", ...
  std::vector<std::uint8_t> data;  // its attributes, NFTA_META_... and so on
};

// A match or an action as nft writes it, and the expressions that nft makes of it.
struct Statement {
  std::string text;
  std::vector<Expression> expressions;
};

using Rule = std::vector<Statement>;

struct BaseChain {
  std::string name;
  std::string type;           // "filter", "nat"
  std::uint32_t hook = 0;     // NF_INET_... (linux/netfilter.h)
  std::int32_t priority = 0;  // NF_IP_PRI_... (linux/netfilter_ipv4.h), the same for IPv6
  std::uint32_t policy = 0;   // NF_ACCEPT, NF_DROP
  std::vector<Rule> rules;
};

// Of a field in the key or the data of a set. The numbers are nft's (its datatype.h).
enum class DataType : std::uint8_t {
  ipv4_addr = 7,
  ipv6_addr = 8,
  inet_proto = 12,
  inet_service = 13
};

std::size_t length_of(DataType type);  // bytes, without padding

// The fields of a key or of data one after the other, in network order. In a concatenation each is
// padded to four bytes.
class Value {
 public:
  Value() = default;
  explicit Value(std::initializer_list<Bytes> fields);

  Bytes bytes() const { return Bytes(bytes_).first(length_); }

 private:
  std::array<std::uint8_t, 20> bytes_{};  // an IPv6 address and a port
  std::uint8_t length_ = 0;
};

// Both ends of a range of keys; the same key twice where the set is not one of intervals.
struct Element {
  Value first;
  Value last;
  Value data;
};

// A set, or a map where there is data. A map counts the hits of each of its elements. The kernel is
// told the number of elements: it then takes a hash table that does not grow, for one that grows is
// listed with gaps meanwhile.
struct Set {
  std::string name;
  std::vector<DataType> key;
  std::vector<DataType> data;
  bool intervals = false;
  std::vector<Element> elements;

  bool is_map() const { return !data.empty(); }
};

struct Table {
  std::string comment;
  std::vector<std::string> counters;
  std::vector<Set> sets;
  std::vector<BaseChain> chains;
};

// What is between the table's braces, without the comment.
std::string to_text(const Table& table);

}  // namespace egress::router::nft
