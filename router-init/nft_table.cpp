// Prints a table as nft reads it.
#include "router-init/nft_table.hpp"

#include <linux/netfilter.h>

#include <algorithm>

#include "common/ip.hpp"
#include "common/port.hpp"

namespace egress::router::nft {
namespace {

const char* name_of(DataType type) {
  switch (type) {
    case DataType::ipv4_addr: return "ipv4_addr";
    case DataType::ipv6_addr: return "ipv6_addr";
    case DataType::inet_proto: return "inet_proto";
    case DataType::inet_service: return "inet_service";
  }
  return "";
}

std::string to_text(DataType type, Bytes field) {
  switch (type) {
    case DataType::ipv4_addr:
    case DataType::ipv6_addr: return egress::to_text(IpAddress::from_bytes(field));
    case DataType::inet_proto: return std::string(egress::to_text(static_cast<Protocol>(field[0])));
    case DataType::inet_service: return std::to_string(field[0] << 8 | field[1]);
  }
  return {};
}

template <class Range, class ToText>
std::string joined(const Range& range, const char* separator, ToText text_of) {
  std::string text;
  for (const auto& one : range) text += (text.empty() ? "" : separator) + text_of(one);
  return text;
}

std::string to_text(const std::vector<DataType>& types) {
  return joined(types, " . ", [](DataType type) { return std::string(name_of(type)); });
}

std::string to_text(const std::vector<DataType>& types, const Value& value) {
  Bytes rest = value.bytes();
  return joined(types, " . ", [&](DataType type) {
    std::string text = to_text(type, rest.first(length_of(type)));
    rest = rest.subspan(std::min(rest.size(), netlink_aligned(length_of(type))));
    return text;
  });
}

std::string to_text(const Set& set, const Element& element) {
  std::string text = to_text(set.key, element.first);
  const std::string last = to_text(set.key, element.last);
  if (last != text) text += "-" + last;
  return set.is_map() ? text + " : " + to_text(set.data, element.data) : text;
}

const char* hook_name(std::uint32_t hook) {
  switch (hook) {
    case NF_INET_PRE_ROUTING: return "prerouting";
    case NF_INET_LOCAL_IN: return "input";
    case NF_INET_FORWARD: return "forward";
    case NF_INET_LOCAL_OUT: return "output";
    default: return "postrouting";
  }
}

class Printer {
 public:
  std::string print(const Table& table) {
    for (const auto& name : table.counters) {
      open("counter " + name);
      line("packets 0 bytes 0");
      close();
    }
    for (const auto& set : table.sets) print(set);
    for (const auto& chain : table.chains) print(chain);
    return std::move(text_);
  }

 private:
  void open(const std::string& what) { text_ += "\n  " + what + " {\n"; }
  void line(const std::string& what) { text_ += "    " + what + "\n"; }
  void close() { text_ += "  }\n"; }

  void print(const Set& set) {
    open((set.is_map() ? "map " : "set ") + set.name);
    line("type " + to_text(set.key) + (set.is_map() ? " : " + to_text(set.data) : ""));
    line(set.intervals ? "flags interval" : "size " + std::to_string(set.elements.size()));
    if (set.is_map()) line("counter");
    line("elements = {");
    for (const auto& element : set.elements) line("  " + to_text(set, element) + ",");
    line("}");
    close();
  }

  void print(const BaseChain& chain) {
    open("chain " + chain.name);
    line("type " + chain.type + " hook " + hook_name(chain.hook) + " priority " +
         std::to_string(chain.priority) + "; policy " +
         (chain.policy == NF_DROP ? "drop;" : "accept;"));
    for (const auto& rule : chain.rules)
      line(joined(rule, " ", [](const Statement& one) { return one.text; }));
    close();
  }

  std::string text_;
};

}  // namespace

std::size_t length_of(DataType type) {
  switch (type) {
    case DataType::ipv4_addr: return 4;
    case DataType::ipv6_addr: return 16;
    case DataType::inet_proto: return 1;
    case DataType::inet_service: return 2;
  }
  return 0;
}

Value::Value(std::initializer_list<Bytes> fields) {
  for (const auto field : fields) {
    std::copy(field.begin(), field.end(), bytes_.begin() + length_);
    length_ = static_cast<std::uint8_t>(
        length_ + (fields.size() > 1 ? netlink_aligned(field.size()) : field.size()));
  }
}

std::string to_text(const Table& table) { return Printer().print(table); }

}  // namespace egress::router::nft
