#include "router-init/nft_state.hpp"

#include <algorithm>

#include "router-init/nft_encode.hpp"

namespace egress::router {
namespace {

std::string hex(Bytes bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const auto byte : bytes) (text += kDigits[byte >> 4U]) += kDigits[byte & 15U];
  return text;
}

// A register that a number or a flag defaults to is listed by some kernels and left out by others.
bool is_zero(Bytes bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

// An nft_data: a value, or a verdict and the chain that it jumps to.
std::string data_text(Bytes nest) {
  const Attributes data(nest);
  const Attributes verdict(data[NFTA_DATA_VERDICT]);
  return hex(data[NFTA_DATA_VALUE]) + hex(verdict[NFTA_VERDICT_CODE]) +
         read_text(verdict[NFTA_VERDICT_CHAIN]);
}

bool holds_data(const std::string& expression, std::size_t type) {
  if (expression == "cmp") return type == NFTA_CMP_DATA;
  if (expression == "immediate") return type == NFTA_IMMEDIATE_DATA;
  return expression == "bitwise" && (type == NFTA_BITWISE_MASK || type == NFTA_BITWISE_XOR);
}

// What a kernel adds to what it was sent.
bool is_derived(const std::string& expression, std::size_t type, const Attributes& all) {
  const auto repeats = [&](std::size_t first) { return hex(all[type]) == hex(all[first]); };
  if (expression == "nat" && type == NFTA_NAT_REG_ADDR_MAX) return repeats(NFTA_NAT_REG_ADDR_MIN);
  if (expression == "nat" && type == NFTA_NAT_REG_PROTO_MAX) return repeats(NFTA_NAT_REG_PROTO_MIN);
  if (expression == "nat" && type == NFTA_NAT_FLAGS) {
    constexpr std::uint32_t kMapsAddress = 1;  // NF_NAT_RANGE_MAP_IPS
    constexpr std::uint32_t kMapsPort = 2;     // NF_NAT_RANGE_PROTO_SPECIFIED
    return (all.number_or_zero(type) & ~(kMapsAddress | kMapsPort)) == 0;
  }
  return false;
}

std::string expression_text(Bytes nest) {
  const Attributes expression(nest);
  const std::string name = read_text(expression[NFTA_EXPR_NAME]);
  const Attributes data(expression[NFTA_EXPR_DATA]);
  std::string text = name;
  for (std::size_t type = 0; type < Attributes::kTypes; ++type) {
    if (is_derived(name, type, data)) continue;
    if (holds_data(name, type)) {
      text += ' ' + std::to_string(type) + '=' + data_text(data[type]);
    } else if (name == "objref" && type == NFTA_OBJREF_IMM_NAME) {
      text += ' ' + read_text(data[type]);
    } else if (!is_zero(data[type])) {
      text += ' ' + std::to_string(type) + '=' + hex(data[type]);
    }
  }
  return text;
}

std::string numbers(std::initializer_list<std::uint32_t> values) {
  std::string text;
  for (const auto value : values) text += std::to_string(value) + ' ';
  return text;
}

std::string comment_of(Bytes notes) {
  constexpr std::uint8_t kComment = 0;  // NFTNL_UDATA_TABLE_COMMENT
  while (notes.size() >= 2 && notes.size() - 2 >= notes[1]) {
    if (notes[0] == kComment) return read_text(notes.subspan(2, notes[1]));
    notes = notes.subspan(2U + notes[1]);
  }
  return {};
}

}  // namespace

void TableStateReader::add(const nlmsghdr& message) {
  constexpr std::uint16_t kOwn = 0xff;  // the bits of the subsystem's own type
  if (message.nlmsg_type >> 8U != NFNL_SUBSYS_NFTABLES) return;
  const Bytes attributes = attributes_of(message);
  // The same attribute in all of them: NFTA_TABLE_NAME, NFTA_CHAIN_TABLE, ...
  if (subsystem_header_of(message).nfgen_family != NFPROTO_INET ||
      read_text(Attributes(attributes)[NFTA_TABLE_NAME]) != kTableName) {
    return;
  }
  switch (message.nlmsg_type & kOwn) {
    case NFT_MSG_NEWTABLE: return add_table(attributes);
    case NFT_MSG_NEWCHAIN: return add_chain(attributes);
    case NFT_MSG_NEWRULE: return add_rule(attributes);
    case NFT_MSG_NEWOBJ: return add_counter(attributes);
    case NFT_MSG_NEWSET: return add_set(attributes);
    case NFT_MSG_NEWSETELEM: return add_elements(attributes);
    default: return;
  }
}

std::optional<TableState> TableStateReader::finish() {
  if (!found_) return std::nullopt;
  for (const auto& set : sets_) {
    auto& lines = state_.objects["set " + set];
    std::sort(lines.begin() + 1, lines.end());
  }
  return std::move(state_);
}

void TableStateReader::add_table(Bytes attributes) {
  constexpr std::uint32_t kDormant = NFT_TABLE_F_DORMANT;
  const Attributes table(attributes);
  found_ = true;
  state_.comment = comment_of(table[NFTA_TABLE_USERDATA]);
  state_.objects["table"] = {numbers({table.number_or_zero(NFTA_TABLE_FLAGS) & kDormant})};
}

void TableStateReader::add_chain(Bytes attributes) {
  const Attributes chain(attributes);
  const Attributes hook(chain[NFTA_CHAIN_HOOK]);
  state_.objects["chain " + read_text(chain[NFTA_CHAIN_NAME])] = {
      read_text(chain[NFTA_CHAIN_TYPE]) + ' ' +
      numbers({hook.number_or_zero(NFTA_HOOK_HOOKNUM), hook.number_or_zero(NFTA_HOOK_PRIORITY),
               chain.number_or_zero(NFTA_CHAIN_POLICY)})};
}

void TableStateReader::add_rule(Bytes attributes) {
  const Attributes rule(attributes);
  std::string text;
  Bytes rest = rule[NFTA_RULE_EXPRESSIONS];
  while (const auto one = next_attribute(rest)) text += '[' + expression_text(one->payload) + ']';
  state_.objects["chain " + read_text(rule[NFTA_RULE_CHAIN])].push_back(std::move(text));
}

void TableStateReader::add_counter(Bytes attributes) {
  const Attributes counter(attributes);
  state_.objects["counter " + read_text(counter[NFTA_OBJ_NAME])] = {
      numbers({counter.number_or_zero(NFTA_OBJ_TYPE)})};
}

void TableStateReader::add_set(Bytes attributes) {
  constexpr std::uint32_t kOurs = NFT_SET_MAP | NFT_SET_INTERVAL | NFT_SET_CONSTANT |
                                  NFT_SET_ANONYMOUS | NFT_SET_TIMEOUT | NFT_SET_OBJECT;
  const Attributes set(attributes);
  sets_.push_back(read_text(set[NFTA_SET_NAME]));
  state_.objects["set " + sets_.back()] = {
      numbers({set.number_or_zero(NFTA_SET_FLAGS) & kOurs, set.number_or_zero(NFTA_SET_KEY_LEN),
               set.number_or_zero(NFTA_SET_DATA_LEN)})};
}

void TableStateReader::add_elements(Bytes attributes) {
  const Attributes list(attributes);
  auto& lines = state_.objects["set " + read_text(list[NFTA_SET_ELEM_LIST_SET])];
  Bytes rest = list[NFTA_SET_ELEM_LIST_ELEMENTS];
  while (const auto one = next_attribute(rest)) {
    const Attributes element(one->payload);
    const Bytes key = Attributes(element[NFTA_SET_ELEM_KEY])[NFTA_DATA_VALUE];
    const bool ends =
        (element.number_or_zero(NFTA_SET_ELEM_FLAGS) & NFT_SET_ELEM_INTERVAL_END) != 0;
    if (ends && is_zero(key)) continue;  // before the first interval; some kernels keep none
    lines.push_back(hex(key) + (ends ? " end" : " ") + data_text(element[NFTA_SET_ELEM_DATA]));
  }
}

TableState state_of(const Ruleset& ruleset) {
  TableStateReader reader;
  const NftBatch batch = encode_ruleset(ruleset);
  for_each_message(batch.bytes(), [&](const nlmsghdr& message) { reader.add(message); });
  return reader.finish().value_or(TableState{});
}

std::string differences(const TableState& desired, const TableState& actual) {
  std::string text;
  const auto name = [&](const std::string& object) { text += (text.empty() ? "" : ", ") + object; };
  for (const auto& [object, lines] : desired.objects) {
    const auto found = actual.objects.find(object);
    if (found == actual.objects.end() || found->second != lines) name(object);
  }
  for (const auto& [object, lines] : actual.objects) {
    if (!desired.objects.contains(object)) name(object);
  }
  return text;
}

}  // namespace egress::router
