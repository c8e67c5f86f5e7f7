// Our nftables table as the kernel lists it, in a form that can be compared with the one that a
// ruleset asks for. Both are read from nf_tables messages, by the same reader: those that the
// kernel dumps, and those that nft_encode sends. What the kernel numbers, counts or adds by itself
// is left out. Pure.
#pragma once

#include <linux/netlink.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "router-init/netlink_message.hpp"
#include "router-init/ruleset.hpp"

namespace egress::router {

struct TableState {
  std::string comment;  // empty where it has none, and from a kernel that keeps none
  // By what it is ("chain input", "set destinations4", "counter dropped_leak", "table"): what
  // defines it, then the rules in their order, or the elements by their keys.
  std::map<std::string, std::vector<std::string>> objects;

  bool operator==(const TableState&) const = default;
};

class TableStateReader {
 public:
  // Messages of other tables, and of other types, are passed over.
  void add(const nlmsghdr& message);

  // None where there was no table.
  std::optional<TableState> finish();

  // What was seen so far: the table itself, and the names of its sets and maps.
  bool found_table() const { return found_; }
  const std::vector<std::string>& sets() const { return sets_; }

 private:
  void add_table(Bytes attributes);
  void add_chain(Bytes attributes);
  void add_rule(Bytes attributes);
  void add_counter(Bytes attributes);
  void add_set(Bytes attributes);
  void add_elements(Bytes attributes);

  bool found_ = false;
  TableState state_;
  std::vector<std::string> sets_;
};

// What the kernel is to list once the ruleset is loaded.
TableState state_of(const Ruleset& ruleset);

// The objects that are missing, that differ, or that nobody asked for: "chain input, set
// destinations4". Empty where the two hold the same, whatever their comments.
std::string differences(const TableState& desired, const TableState& actual);

}  // namespace egress::router
