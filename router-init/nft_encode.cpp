#include "router-init/nft_encode.hpp"

#include <algorithm>

#include "router-init/nft_rules.hpp"

namespace egress::router {
namespace nft {
namespace {

// The notes that nft takes for itself in NFTA_..._USERDATA, so that it lists things rightly (enum
// nftnl_udata_..._types of libnftnl): type and length in a byte each.
enum Note : std::uint8_t {
  kTableComment = 0,
  kKeyByteOrder = 0,
  kDataByteOrder = 1,
  kElementFlags = 1
};
constexpr std::uint32_t kMap = NFT_SET_MAP;
constexpr std::uint32_t kInterval = NFT_SET_INTERVAL;
constexpr std::uint32_t kBigEndian = 2;     // enum byteorder of nft's datatype.h
constexpr std::uint32_t kIntervalOpen = 1;  // no end element: it reaches to the last key

void append_note(std::vector<std::uint8_t>& notes, std::uint8_t type, Bytes value) {
  notes.insert(notes.end(), {type, static_cast<std::uint8_t>(value.size())});
  notes.insert(notes.end(), value.begin(), value.end());
}

// table inet egress_router
void put_table(MessageWriter& to) {
  to.put_text(NFTA_TABLE_NAME, kTableName);
  to.put_u32(NFTA_TABLE_FLAGS, 0);
}

const std::string& table_text() {
  static const std::string kText = "table inet " + std::string(kTableName);
  return kText;
}

// delete table inet egress_router, which needs one to delete
void clear_table(NftBatch& batch) {
  batch.add({NFT_MSG_NEWTABLE, 0, table_text()}, put_table);
  batch.add({NFT_MSG_DELTABLE, 0, table_text()},
            [](MessageWriter& to) { to.put_text(NFTA_TABLE_NAME, kTableName); });
}

// table inet egress_router { comment "plan 0123456789abcdef" }
void add_table(NftBatch& batch, const std::string& comment) {
  std::vector<std::uint8_t> notes;
  append_note(notes, kTableComment,
              {reinterpret_cast<const std::uint8_t*>(comment.c_str()), comment.size() + 1});
  batch.add({NFT_MSG_NEWTABLE, 0, table_text()}, [&](MessageWriter& to) {
    put_table(to);
    to.put(NFTA_TABLE_USERDATA, notes);
  });
}

// chain NAME { type TYPE hook HOOK priority PRIORITY; policy POLICY; }
void add_chain(NftBatch& batch, const BaseChain& chain) {
  batch.add({NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain " + chain.name}, [&](MessageWriter& to) {
    to.put_text(NFTA_CHAIN_TABLE, kTableName);
    to.put_text(NFTA_CHAIN_NAME, chain.name);
    to.put_nest(NFTA_CHAIN_HOOK, [&] {
      to.put_u32(NFTA_HOOK_HOOKNUM, chain.hook);
      to.put_u32(NFTA_HOOK_PRIORITY, static_cast<std::uint32_t>(chain.priority));
    });
    to.put_u32(NFTA_CHAIN_POLICY, chain.policy);
    to.put_text(NFTA_CHAIN_TYPE, chain.type);
  });
}

void add_rules(NftBatch& batch, const BaseChain& chain) {
  std::size_t number = 0;
  for (const auto& rule : chain.rules) {
    batch.add({NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
               "chain " + chain.name + ", rule " + std::to_string(++number)},
              [&](MessageWriter& to) {
                to.put_text(NFTA_RULE_TABLE, kTableName);
                to.put_text(NFTA_RULE_CHAIN, chain.name);
                to.put_nest(NFTA_RULE_EXPRESSIONS, [&] {
                  for (const auto& statement : rule) {
                    for (const auto& expression : statement.expressions) {
                      to.put_nest(NFTA_LIST_ELEM, [&] {
                        to.put_text(NFTA_EXPR_NAME, expression.name);
                        to.put_nest(NFTA_EXPR_DATA, [&] { to.append(expression.data); });
                      });
                    }
                  }
                });
              });
  }
}

// counter NAME { packets 0 bytes 0 }
void add_counter(NftBatch& batch, const std::string& name) {
  batch.add({NFT_MSG_NEWOBJ, NLM_F_CREATE, "counter " + name}, [&](MessageWriter& to) {
    to.put_text(NFTA_OBJ_TABLE, kTableName);
    to.put_text(NFTA_OBJ_NAME, name);
    to.put_u32(NFTA_OBJ_TYPE, NFT_OBJECT_COUNTER);
    to.put_nest(NFTA_OBJ_DATA, [&] {
      to.put_u64(NFTA_COUNTER_BYTES, 0);
      to.put_u64(NFTA_COUNTER_PACKETS, 0);
    });
  });
}

struct TypeOfFields {
  std::uint32_t number = 0;  // six bits for each field
  std::uint32_t length = 0;  // bytes
};

TypeOfFields type_of(const std::vector<DataType>& fields) {
  TypeOfFields type;
  for (const auto field : fields) {
    type.number = type.number << 6U | static_cast<std::uint32_t>(field);
    const auto length = fields.size() > 1 ? netlink_aligned(length_of(field)) : length_of(field);
    type.length += static_cast<std::uint32_t>(length);
  }
  return type;
}

const char* kind_of(const Set& set) { return set.is_map() ? "map " : "set "; }

// map NAME { type KEY : DATA; counter }. Kernels before 5.7 ignore the counter of the elements.
void add_set(NftBatch& batch, const Set& set, std::uint32_t id) {
  const auto key = type_of(set.key);
  const auto data = type_of(set.data);
  batch.add({NFT_MSG_NEWSET, NLM_F_CREATE, kind_of(set) + set.name}, [&](MessageWriter& to) {
    to.put_text(NFTA_SET_TABLE, kTableName);
    to.put_text(NFTA_SET_NAME, set.name);
    to.put_u32(NFTA_SET_FLAGS, (set.is_map() ? kMap : 0U) | (set.intervals ? kInterval : 0U));
    to.put_u32(NFTA_SET_KEY_TYPE, key.number);
    to.put_u32(NFTA_SET_KEY_LEN, key.length);
    to.put_u32(NFTA_SET_ID, id);  // unique in the batch
    if (!set.intervals) {
      to.put_nest(NFTA_SET_DESC, [&] {
        to.put_u32(NFTA_SET_DESC_SIZE, static_cast<std::uint32_t>(set.elements.size()));
      });
    }
    if (set.intervals) {
      std::vector<std::uint8_t> notes;
      append_note(notes, kKeyByteOrder, bytes_of(kBigEndian));
      append_note(notes, kDataByteOrder, bytes_of(kBigEndian));
      to.put(NFTA_SET_USERDATA, notes);
    }
    if (!set.is_map()) return;
    to.put_u32(NFTA_SET_DATA_TYPE, data.number);
    to.put_u32(NFTA_SET_DATA_LEN, data.length);
    to.put_nest(NFTA_SET_EXPR, [&] {
      to.put_text(NFTA_EXPR_NAME, "counter");
      to.put_nest(NFTA_EXPR_DATA, [] {});
    });
  });
}

void put_value(MessageWriter& to, std::uint16_t type, Bytes value) {
  to.put_nest(type, [&] { to.put(NFTA_DATA_VALUE, value); });
}

// Puts the elements of one message, which are numbered as nft numbers them.
class ElementWriter {
 public:
  ElementWriter(MessageWriter& to, const Set& set) : to_(to), set_(set) {}

  // tcp . 80 : 203.0.113.25 . 80, or the start of an interval and its end
  void put(const Element& element) {
    std::uint32_t end = 0;  // the key after the last one
    for (const auto byte : element.last.bytes()) end = end << 8U | byte;
    ++end;
    const bool open = set_.intervals && end > kLastPort;
    to_.put_nest(++number_, [&] {
      put_value(to_, NFTA_SET_ELEM_KEY, element.first.bytes());
      if (set_.is_map()) put_value(to_, NFTA_SET_ELEM_DATA, element.data.bytes());
      if (!open) return;
      std::vector<std::uint8_t> note;
      append_note(note, kElementFlags, bytes_of(kIntervalOpen));
      to_.put(NFTA_SET_ELEM_USERDATA, note);
    });
    if (set_.intervals && !open) put_end(static_cast<std::uint16_t>(end));
  }

  void put_end(std::uint16_t port) {
    const std::array<std::uint8_t, 2> key{static_cast<std::uint8_t>(port >> 8U),
                                          static_cast<std::uint8_t>(port)};
    to_.put_nest(++number_, [&] {
      to_.put_u32(NFTA_SET_ELEM_FLAGS, NFT_SET_ELEM_INTERVAL_END);
      put_value(to_, NFTA_SET_ELEM_KEY, key);
    });
  }

 private:
  static constexpr std::uint32_t kLastPort = 0xffff;  // intervals are of ports

  MessageWriter& to_;
  const Set& set_;
  std::uint16_t number_ = 0;
};

// elements = { ... }, in several messages: a list of elements is one attribute, which ends at 64
// KiB. An element takes 120 bytes at most.
void add_elements(NftBatch& batch, const Set& set) {
  constexpr std::size_t kPerMessage = 512;
  const auto& all = set.elements;
  for (std::size_t first = 0; first < all.size(); first += kPerMessage) {
    const std::size_t end = std::min(first + kPerMessage, all.size());
    batch.add({NFT_MSG_NEWSETELEM, NLM_F_CREATE,
               kind_of(set) + set.name + ", elements " + std::to_string(first + 1) + " to " +
                   std::to_string(end)},
              [&](MessageWriter& to) {
                to.put_text(NFTA_SET_ELEM_LIST_TABLE, kTableName);
                to.put_text(NFTA_SET_ELEM_LIST_SET, set.name);
                to.put_nest(NFTA_SET_ELEM_LIST_ELEMENTS, [&] {
                  ElementWriter writer(to, set);
                  // A set of intervals covers all keys; up to the first interval it says nothing.
                  if (set.intervals && first == 0) writer.put_end(0);
                  for (std::size_t index = first; index < end; ++index) writer.put(all[index]);
                });
              });
  }
}

}  // namespace

}  // namespace nft

NftBatch encode_ruleset(const Ruleset& ruleset) {
  const nft::Table table = make_table(ruleset);
  NftBatch batch;
  nft::clear_table(batch);
  nft::add_table(batch, table.comment);
  for (const auto& chain : table.chains) nft::add_chain(batch, chain);
  for (const auto& name : table.counters) nft::add_counter(batch, name);
  std::uint32_t id = 0;
  for (const auto& set : table.sets) {
    nft::add_set(batch, set, ++id);
    nft::add_elements(batch, set);
  }
  for (const auto& chain : table.chains) nft::add_rules(batch, chain);
  batch.finish();
  return batch;
}

NftBatch encode_delete_table() {
  NftBatch batch;
  nft::clear_table(batch);
  batch.finish();
  return batch;
}

}  // namespace egress::router
