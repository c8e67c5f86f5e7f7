// The transaction that nft_encode packs against the one that nft sends for the printed text:
// message by message and attribute by attribute (the goldens are made by capture_nft_goldens.py);
// and the framing that the socket relies on.
#include <libmnl/libmnl.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <set>
#include <sstream>

#include "router-init/nft_encode.hpp"
#include "test/support/ruleset_samples.hpp"

namespace egress::router {
namespace {

constexpr int type_of(int message) { return NFNL_SUBSYS_NFTABLES << 8 | message; }

std::vector<const nlmsghdr*> split(Bytes bytes) {
  std::vector<const nlmsghdr*> messages;
  auto rest = static_cast<int>(bytes.size());
  for (const auto* one = reinterpret_cast<const nlmsghdr*>(bytes.data()); mnl_nlmsg_ok(one, rest);
       one = mnl_nlmsg_next(one, &rest)) {
    messages.push_back(one);
  }
  REQUIRE(rest == 0);
  return messages;
}

// In the order of their types, for the kernel takes any; libmnl's own loops are macros that only C
// takes.
using Attributes = std::vector<const nlattr*>;

int keep(const nlattr* attribute, void* attributes) {
  static_cast<Attributes*>(attributes)->push_back(attribute);
  return MNL_CB_OK;
}

Attributes sorted(Attributes attributes) {
  std::stable_sort(attributes.begin(), attributes.end(), [](const nlattr* a, const nlattr* b) {
    return mnl_attr_get_type(a) < mnl_attr_get_type(b);
  });
  return attributes;
}

Attributes attributes_of(const nlmsghdr* message) {
  Attributes attributes;
  REQUIRE(mnl_attr_parse(message, sizeof(nfgenmsg), keep, &attributes) == MNL_CB_OK);
  return sorted(std::move(attributes));
}

Attributes attributes_of(const nlattr* nest) {
  Attributes attributes;
  REQUIRE(mnl_attr_parse_nested(nest, keep, &attributes) == MNL_CB_OK);
  return sorted(std::move(attributes));
}

std::string text_of(const nlattr* attribute) {
  const auto* payload = static_cast<const char*>(mnl_attr_get_payload(attribute));
  const std::string text(payload, mnl_attr_get_payload_len(attribute));
  return text.substr(0, text.find('\0'));
}

std::string hex_of(const nlattr* attribute) {
  const auto* payload = static_cast<const std::uint8_t*>(mnl_attr_get_payload(attribute));
  std::string text;
  for (std::size_t index = 0; index < mnl_attr_get_payload_len(attribute); ++index) {
    char digits[4] = {};
    std::snprintf(digits, sizeof digits, " %02x", payload[index]);
    text += digits;
  }
  return text;
}

// What may be left out of an expression's data.
bool says_nothing(const std::string& expression, const nlattr* attribute) {
  const auto type = mnl_attr_get_type(attribute);
  // A second way to say which map; the kernel looks for the name first (nft_set_lookup_global).
  if (expression == "lookup") return type == NFTA_LOOKUP_SET_ID;
  // The default, which nft spells out in some rules.
  constexpr std::uint32_t kDefault = NFT_BITWISE_BOOL;
  return expression == "bitwise" && type == NFTA_BITWISE_OP &&
         mnl_attr_get_u32(attribute) == kDefault;
}

// What may be left out of a message.
bool says_nothing(const nlmsghdr* message, const nlattr* attribute) {
  const auto type = mnl_attr_get_type(attribute);
  // nft's notes to itself. That it lists our maps rightly is for ruleset_diff_test.
  if (message->nlmsg_type == type_of(NFT_MSG_NEWSET)) return type == NFTA_SET_USERDATA;
  // As for lookups.
  return message->nlmsg_type == type_of(NFT_MSG_NEWSETELEM) && type == NFTA_SET_ELEM_LIST_SET_ID;
}

// `expression` is that whose data this is, empty elsewhere.
std::string nested_text(const nlattr* nest, const std::string& indent,
                        const std::string& expression) {
  std::string text;
  std::string name;
  for (const auto* attribute : attributes_of(nest)) {
    const auto type = mnl_attr_get_type(attribute);
    const bool nested = (attribute->nla_type & NLA_F_NESTED) != 0;
    if (says_nothing(expression, attribute)) continue;
    if (type == NFTA_EXPR_NAME && !nested) name = text_of(attribute);
    text += indent + std::to_string(type);
    text += nested ? ":" : hex_of(attribute);
    text += "\n";
    if (nested) text += nested_text(attribute, indent + "  ", name);
  }
  return text;
}

std::string tree(const nlmsghdr* message) {
  // Set by whoever sends: only the last of ours is to be acknowledged.
  const int flags = message->nlmsg_flags & ~NLM_F_ACK;
  const auto* header = static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(message));
  std::string text = "type " + std::to_string(message->nlmsg_type) + " flags " +
                     std::to_string(flags) + " family " + std::to_string(header->nfgen_family) +
                     " resource " + std::to_string(header->res_id) + "\n";
  for (const auto* attribute : attributes_of(message)) {
    const auto type = mnl_attr_get_type(attribute);
    if (says_nothing(message, attribute)) continue;
    const bool nested = (attribute->nla_type & NLA_F_NESTED) != 0;
    text += std::to_string(type);
    text += nested ? ":" : hex_of(attribute);
    text += "\n";
    if (nested) text += nested_text(attribute, "  ", "");
  }
  return text;
}

std::vector<std::uint8_t> read_golden(const std::string& name) {
  std::ifstream file(std::string(EGRESS_TEST_DIR) + "/wire/goldens/nft_" + name + ".txt");
  std::string caption;
  std::getline(file, caption);
  REQUIRE(caption.starts_with("# nft -f "));
  std::vector<std::uint8_t> bytes;
  for (unsigned byte = 0; file >> std::hex >> byte;)
    bytes.push_back(static_cast<std::uint8_t>(byte));
  return bytes;
}

const Ruleset& everything() { return test::readable_samples().back().ruleset; }

const Ruleset& corner(const std::string& name) {
  for (const auto& one : test::corner_samples()) {
    if (one.name == name) return one.ruleset;
  }
  throw std::invalid_argument("no sample " + name);
}

TEST_CASE("a transaction is the one that nft makes of the text") {
  for (const auto& [name, ruleset] : test::readable_samples()) {
    INFO(name);
    const auto batch = encode_ruleset(ruleset);
    const auto golden = read_golden(name);
    const auto ours = split(batch.bytes());
    const auto theirs = split(golden);
    CHECK(ours.size() == theirs.size());
    for (std::size_t index = 0; index < std::min(ours.size(), theirs.size()); ++index) {
      INFO(batch.object_of(static_cast<std::uint32_t>(index)));
      CHECK(tree(ours[index]) == tree(theirs[index]));
    }
  }
}

TEST_CASE("a transaction asks for one acknowledgement, of its last message") {
  const auto batch = encode_ruleset(everything());
  const auto messages = split(batch.bytes());
  REQUIRE(messages.size() > 5);
  CHECK(messages.front()->nlmsg_type == NFNL_MSG_BATCH_BEGIN);
  CHECK(messages.back()->nlmsg_type == NFNL_MSG_BATCH_END);
  CHECK(batch.last_sequence() == messages.size() - 2);
  for (std::size_t index = 0; index < messages.size(); ++index) {
    CHECK(messages[index]->nlmsg_seq == index);
    const bool acknowledged = (messages[index]->nlmsg_flags & NLM_F_ACK) != 0;
    CHECK(acknowledged == (index == batch.last_sequence()));
  }
}

TEST_CASE("each message has a name for errors") {
  const auto batch = encode_ruleset(everything());
  std::set<std::string> names;
  for (const auto* message : split(batch.bytes())) {
    names.insert(batch.object_of(message->nlmsg_seq));
  }
  for (const auto* name :
       {"nftables transaction", "table inet egress_router", "chain forward", "counter dropped_leak",
        "map destinations4", "map tcp_ranges4, elements 1 to 2", "chain forward, rule 5"}) {
    CHECK(names.count(name) == 1);
  }
  CHECK(names.count("") == 0);
  CHECK(batch.object_of(100000).empty());
}

TEST_CASE("our table alone is deleted, and only after it has been added") {
  const auto batch = encode_delete_table();
  const auto whole = encode_ruleset(everything());
  const auto messages = split(batch.bytes());
  REQUIRE(messages.size() == 4);
  for (const std::size_t index : {0U, 1U, 2U}) {
    CHECK(tree(messages[index]) == tree(split(whole.bytes())[index]));
  }
  CHECK(messages.back()->nlmsg_type == NFNL_MSG_BATCH_END);
}

struct Elements {
  std::set<std::string> starts;  // map and key; without the egress IPs
  std::size_t all = 0;
  std::size_t interval_ends = 0;
};

void collect(const nlmsghdr* message, Elements& elements) {
  std::string map;
  for (const auto* attribute : attributes_of(message)) {
    if (mnl_attr_get_type(attribute) == NFTA_SET_ELEM_LIST_SET) map = text_of(attribute);
    if (map.starts_with("egress")) return;
    if (mnl_attr_get_type(attribute) != NFTA_SET_ELEM_LIST_ELEMENTS) continue;
    for (const auto* element : attributes_of(attribute)) {
      ++elements.all;
      bool end = false;
      std::string key;
      for (const auto* part : attributes_of(element)) {
        if (mnl_attr_get_type(part) == NFTA_SET_ELEM_FLAGS) end = true;
        if (mnl_attr_get_type(part) == NFTA_SET_ELEM_KEY) key = nested_text(part, "", "");
      }
      if (end) ++elements.interval_ends;
      if (!end) elements.starts.insert(map + key);
    }
  }
}

TEST_CASE("elements of a large map are cut into messages, none lost, none twice") {
  const Ruleset& ruleset = corner("several messages of elements");
  const Translation& translation = *ruleset.translation;
  const auto batch = encode_ruleset(ruleset);
  std::size_t messages = 0;
  Elements elements;
  for (const auto* message : split(batch.bytes())) {
    if (message->nlmsg_type != type_of(NFT_MSG_NEWSETELEM)) continue;
    ++messages;
    CHECK(message->nlmsg_len < 0xffff);  // what the length of the list can say
    collect(message, elements);
  }
  CHECK(messages > 4);
  CHECK(elements.starts.size() == translation.ports.size() + translation.ranges.size());
  // One behind each range, and one at port 0 in each of the two range maps.
  CHECK(elements.interval_ends == translation.ranges.size() + 2);
  CHECK(elements.all == elements.starts.size() + elements.interval_ends);
}

}  // namespace
}  // namespace egress::router
