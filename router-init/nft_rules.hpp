// The chains of our table and the rules in them, as libnftnl holds them: the counterpart of
// ruleset_text. Pure.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "router-init/ruleset.hpp"

struct nftnl_rule;

namespace egress::router {

struct FreeNftRule {
  void operator()(nftnl_rule* rule) const;
};
using NftRule = std::unique_ptr<nftnl_rule, FreeNftRule>;

struct BaseChain {
  std::string name;
  std::string type;           // "filter", "nat"
  std::uint32_t hook = 0;     // NF_INET_... (linux/netfilter.h)
  std::int32_t priority = 0;  // NF_IP_PRI_... (linux/netfilter_ipv4.h), the same for IPv6
  std::uint32_t policy = 0;   // NF_ACCEPT, NF_DROP
  std::vector<NftRule> rules;
};

// Running out of memory throws std::bad_alloc.
std::vector<BaseChain> make_chains(const Ruleset& ruleset);

}  // namespace egress::router
