#include "router-init/nft_encode.hpp"

#include <libnftnl/chain.h>
#include <libnftnl/expr.h>
#include <libnftnl/object.h>
#include <libnftnl/rule.h>
#include <libnftnl/set.h>
#include <libnftnl/table.h>
#include <libnftnl/udata.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netlink.h>

#include <algorithm>
#include <array>
#include <memory>
#include <new>

#include "router-init/nft_expressions.hpp"
#include "router-init/nft_rules.hpp"
#include "router-init/ruleset_parts.hpp"

namespace egress::router {
namespace {

template <auto Function>
struct FreeBy {
  template <class Handle>
  void operator()(Handle* handle) const {
    Function(handle);
  }
};
using NftTable = std::unique_ptr<nftnl_table, FreeBy<nftnl_table_free>>;
using NftObject = std::unique_ptr<nftnl_obj, FreeBy<nftnl_obj_free>>;
using NftSet = std::unique_ptr<nftnl_set, FreeBy<nftnl_set_free>>;
using NftChain = std::unique_ptr<nftnl_chain, FreeBy<nftnl_chain_free>>;
using NftUserData = std::unique_ptr<nftnl_udata_buf, FreeBy<nftnl_udata_buf_free>>;

template <class Owner>
Owner owned(typename Owner::pointer handle) {
  if (handle == nullptr) throw std::bad_alloc();
  return Owner(handle);
}

// The numbers that nft gives its data types (its datatype.h). The kernel only keeps them, for
// whoever lists the map. The fields of a concatenation take six bits each.
enum DataType : std::uint32_t { kIp4 = 7, kIp6 = 8, kProtocol = 12, kPort = 13 };
constexpr std::uint32_t concatenation(std::uint32_t first, std::uint32_t second) {
  return first << 6U | second;
}

std::uint32_t address_type(Family family) { return family == Family::v4 ? kIp4 : kIp6; }
std::uint32_t address_length(Family family) { return address_bits(family) / 8U; }

using PortBytes = std::array<std::uint8_t, 2>;
constexpr std::uint32_t kFieldLength = 4;  // of a short field in a concatenation, with its padding

PortBytes port_be(std::uint32_t port) {
  return {static_cast<std::uint8_t>(port >> 8U), static_cast<std::uint8_t>(port)};
}

NftTable make_table() {
  auto table = owned<NftTable>(nftnl_table_alloc());
  nftnl_table_set_str(table.get(), NFTNL_TABLE_NAME, kTableName);
  nftnl_table_set_u32(table.get(), NFTNL_TABLE_FLAGS, 0);
  return table;
}

NftUserData make_user_data() {
  return owned<NftUserData>(nftnl_udata_buf_alloc(NFT_USERDATA_MAXLEN));
}

// table inet egress_router
void add_message(NftBatch& batch, int type, const nftnl_table* table) {
  batch.add({type, 0, "table inet " + std::string(kTableName)},
            [&](nlmsghdr* header) { nftnl_table_nlmsg_build_payload(header, table); });
}

// delete table inet egress_router, which needs one to delete
void clear_table(NftBatch& batch) {
  const auto table = make_table();
  add_message(batch, NFT_MSG_NEWTABLE, table.get());
  nftnl_table_unset(table.get(), NFTNL_TABLE_FLAGS);
  add_message(batch, NFT_MSG_DELTABLE, table.get());
}

// table inet egress_router { comment "plan 0123456789abcdef" }
void add_table(NftBatch& batch, const std::string& comment) {
  const auto table = make_table();
  const auto data = make_user_data();
  nftnl_udata_put_strz(data.get(), NFTNL_UDATA_TABLE_COMMENT, comment.c_str());
  nftnl_table_set_data(table.get(), NFTNL_TABLE_USERDATA, nftnl_udata_buf_data(data.get()),
                       nftnl_udata_buf_len(data.get()));
  add_message(batch, NFT_MSG_NEWTABLE, table.get());
}

// counter forwarded_out { packets 0 bytes 0 }
void add_counter(NftBatch& batch, const std::string& name) {
  const auto counter = owned<NftObject>(nftnl_obj_alloc());
  nftnl_obj_set_str(counter.get(), NFTNL_OBJ_TABLE, kTableName);
  nftnl_obj_set_str(counter.get(), NFTNL_OBJ_NAME, name.c_str());
  nftnl_obj_set_u32(counter.get(), NFTNL_OBJ_TYPE, NFT_OBJECT_COUNTER);
  nftnl_obj_set_u64(counter.get(), NFTNL_OBJ_CTR_PKTS, 0);
  nftnl_obj_set_u64(counter.get(), NFTNL_OBJ_CTR_BYTES, 0);
  batch.add({NFT_MSG_NEWOBJ, NLM_F_CREATE, "counter " + name},
            [&](nlmsghdr* header) { nftnl_obj_nlmsg_build_payload(header, counter.get()); });
}

struct MapHeader {
  std::string name;
  std::uint32_t id = 0;  // unique in the batch
  std::uint32_t flags = NFT_SET_MAP;
  std::uint32_t key_type = 0;
  std::uint32_t key_length = 0;
  std::uint32_t data_type = 0;
  std::uint32_t data_length = 0;
};

NftSet make_set(const std::string& name) {
  auto set = owned<NftSet>(nftnl_set_alloc());
  nftnl_set_set_str(set.get(), NFTNL_SET_TABLE, kTableName);
  nftnl_set_set_str(set.get(), NFTNL_SET_NAME, name.c_str());
  return set;
}

// What nft notes for itself about an interval map, to list it rightly: key and data are big-endian.
void note_byte_orders(nftnl_set* set) {
  constexpr std::uint32_t kBigEndian = 2;  // enum byteorder of nft's datatype.h
  const auto data = make_user_data();
  nftnl_udata_put_u32(data.get(), NFTNL_UDATA_SET_KEYBYTEORDER, kBigEndian);
  nftnl_udata_put_u32(data.get(), NFTNL_UDATA_SET_DATABYTEORDER, kBigEndian);
  nftnl_set_set_data(set, NFTNL_SET_USERDATA, nftnl_udata_buf_data(data.get()),
                     nftnl_udata_buf_len(data.get()));
}

// map NAME { type KEY : DATA; counter }. Kernels before 5.7 ignore the counter of the elements.
void add_map(NftBatch& batch, const MapHeader& map) {
  const auto set = make_set(map.name);
  nftnl_set_set_u32(set.get(), NFTNL_SET_ID, map.id);
  nftnl_set_set_u32(set.get(), NFTNL_SET_FLAGS, map.flags);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_TYPE, map.key_type);
  nftnl_set_set_u32(set.get(), NFTNL_SET_KEY_LEN, map.key_length);
  nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_TYPE, map.data_type);
  nftnl_set_set_u32(set.get(), NFTNL_SET_DATA_LEN, map.data_length);
  if ((map.flags & NFT_SET_INTERVAL) != 0) note_byte_orders(set.get());
  nftnl_expr* counter = nftnl_expr_alloc("counter");
  if (counter == nullptr) throw std::bad_alloc();
  nftnl_set_add_expr(set.get(), counter);
  batch.add({NFT_MSG_NEWSET, NLM_F_CREATE, "map " + map.name},
            [&](nlmsghdr* header) { nftnl_set_nlmsg_build_payload(header, set.get()); });
}

// The set owns the element that is returned.
nftnl_set_elem* add_element(nftnl_set* set, nft::Bytes key) {
  nftnl_set_elem* element = nftnl_set_elem_alloc();
  if (element == nullptr) throw std::bad_alloc();
  nftnl_set_elem_set(element, NFTNL_SET_ELEM_KEY, key.data(),
                     static_cast<std::uint32_t>(key.size()));
  nftnl_set_elem_add(set, element);
  return element;
}

void set_data(nftnl_set_elem* element, nft::Bytes data) {
  nftnl_set_elem_set(element, NFTNL_SET_ELEM_DATA, data.data(),
                     static_cast<std::uint32_t>(data.size()));
}

// tcp . 80 : 203.0.113.25 . 80
void add_mapping(nftnl_set* set, const PortMapping& one) {
  const PortBytes port = port_be(one.port);
  const PortBytes remote_port = port_be(one.remote_port);
  const nft::Bytes address = one.address.bytes();
  const std::array<std::uint8_t, std::size_t{2} * kFieldLength> key{
      static_cast<std::uint8_t>(one.protocol), 0, 0, 0, port[0], port[1]};
  std::array<std::uint8_t, 16 + kFieldLength> data{};
  std::copy(address.begin(), address.end(), data.begin());
  std::copy(remote_port.begin(), remote_port.end(), data.begin() + address.size());
  set_data(add_element(set, key), nft::Bytes(data).first(address.size() + kFieldLength));
}

void add_interval_end(nftnl_set* set, std::uint32_t port) {
  nftnl_set_elem_set_u32(add_element(set, port_be(port)), NFTNL_SET_ELEM_FLAGS,
                         NFT_SET_ELEM_INTERVAL_END);
}

// nft's note that an interval has no end element because it reaches to the last port.
void note_open_interval(nftnl_set_elem* element) {
  const auto data = make_user_data();
  nftnl_udata_put_u32(data.get(), NFTNL_UDATA_SET_ELEM_FLAGS, NFTNL_SET_ELEM_F_INTERVAL_OPEN);
  nftnl_set_elem_set(element, NFTNL_SET_ELEM_USERDATA, nftnl_udata_buf_data(data.get()),
                     nftnl_udata_buf_len(data.get()));
}

// 8000-8099 : 203.0.113.5
void add_mapping(nftnl_set* set, const RangeMapping& one) {
  nftnl_set_elem* start = add_element(set, port_be(one.ports.first));
  set_data(start, one.address.bytes());
  if (one.ports.last == 0xffff) {
    note_open_interval(start);
  } else {
    add_interval_end(set, one.ports.last + 1U);
  }
}

// elements = { ... }, in several messages: a list of elements is one attribute, which ends at 64
// KiB. A mapping takes 64 bytes at most.
template <class Map>
void add_elements(NftBatch& batch, const Map& map) {
  constexpr std::size_t kMappingsPerMessage = 512;
  const auto& all = map.mappings;
  for (std::size_t first = 0; first < all.size(); first += kMappingsPerMessage) {
    const std::size_t end = std::min(first + kMappingsPerMessage, all.size());
    const auto set = make_set(map.name);
    // An interval set covers all keys; up to the first interval it says nothing.
    if (std::is_same_v<Map, RangeMap> && first == 0) add_interval_end(set.get(), 0);
    for (std::size_t index = first; index < end; ++index) add_mapping(set.get(), all[index]);
    batch.add({NFT_MSG_NEWSETELEM, NLM_F_CREATE,
               "map " + map.name + ", elements " + std::to_string(first + 1) + " to " +
                   std::to_string(end)},
              [&](nlmsghdr* header) { nftnl_set_elems_nlmsg_build_payload(header, set.get()); });
  }
}

void add_maps(NftBatch& batch, const Translation& translation) {
  std::uint32_t id = 0;
  for (const auto& map : destination_maps(translation)) {
    add_map(batch, {.name = map.name,
                    .id = ++id,
                    .flags = NFT_SET_MAP,
                    .key_type = concatenation(kProtocol, kPort),
                    .key_length = 2 * kFieldLength,
                    .data_type = concatenation(address_type(map.family), kPort),
                    .data_length = address_length(map.family) + kFieldLength});
    add_elements(batch, map);
  }
  for (const auto& map : range_maps(translation)) {
    add_map(batch, {.name = map.name,
                    .id = ++id,
                    .flags = NFT_SET_MAP | NFT_SET_INTERVAL,
                    .key_type = kPort,
                    .key_length = sizeof(PortBytes),
                    .data_type = address_type(map.family),
                    .data_length = address_length(map.family)});
    add_elements(batch, map);
  }
}

// chain NAME { type TYPE hook HOOK priority PRIORITY; policy POLICY; }
void add_chain(NftBatch& batch, const BaseChain& base) {
  const auto chain = owned<NftChain>(nftnl_chain_alloc());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TABLE, kTableName);
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_NAME, base.name.c_str());
  nftnl_chain_set_str(chain.get(), NFTNL_CHAIN_TYPE, base.type.c_str());
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_HOOKNUM, base.hook);
  nftnl_chain_set_s32(chain.get(), NFTNL_CHAIN_PRIO, base.priority);
  nftnl_chain_set_u32(chain.get(), NFTNL_CHAIN_POLICY, base.policy);
  batch.add({NFT_MSG_NEWCHAIN, NLM_F_CREATE, "chain " + base.name},
            [&](nlmsghdr* header) { nftnl_chain_nlmsg_build_payload(header, chain.get()); });
}

void add_rules(NftBatch& batch, const BaseChain& chain) {
  for (std::size_t index = 0; index < chain.rules.size(); ++index) {
    nftnl_rule* rule = chain.rules[index].get();
    nftnl_rule_set_str(rule, NFTNL_RULE_TABLE, kTableName);
    nftnl_rule_set_str(rule, NFTNL_RULE_CHAIN, chain.name.c_str());
    batch.add({NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND,
               "chain " + chain.name + ", rule " + std::to_string(index + 1)},
              [&](nlmsghdr* header) { nftnl_rule_nlmsg_build_payload(header, rule); });
  }
}

}  // namespace

NftBatch encode_ruleset(const Ruleset& ruleset) {
  NftBatch batch;
  clear_table(batch);
  add_table(batch, kCommentPrefix + fingerprint(ruleset));
  const auto chains = make_chains(ruleset);
  for (const auto& chain : chains) add_chain(batch, chain);
  for (const auto& name : counter_names(ruleset)) add_counter(batch, name);
  if (ruleset.translation) add_maps(batch, *ruleset.translation);
  for (const auto& chain : chains) add_rules(batch, chain);
  batch.finish();
  return batch;
}

NftBatch encode_delete_table() {
  NftBatch batch;
  clear_table(batch);
  batch.finish();
  return batch;
}

}  // namespace egress::router
