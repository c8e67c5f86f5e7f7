#include "router-init/nft_socket.hpp"

#include <set>

#include "router-init/nfnetlink_socket.hpp"
#include "router-init/nft_encode.hpp"

namespace egress::router {
namespace {

constexpr int kMaxReads = 5;  // where the tables change meanwhile

Result<NfnetlinkSocket> open_socket() {
  return NfnetlinkSocket::open({"table inet " + std::string(kTableName),
                                "the node's kernel lacks nf_tables: load the module nf_tables"});
}

Result<void> send(const NftBatch& batch) {
  auto socket = open_socket();
  if (!socket) return socket.error();
  std::optional<Error> first;
  bool done = false;
  const auto sent = socket->exchange(batch.bytes(), [&](const nlmsghdr& message) {
    const auto code = errno_of(message);
    if (!code) return;
    if (*code != 0 && !first)
      first = socket->subsystem().error(*code, batch.object_of(message.nlmsg_seq));
    if (*code == 0 && message.nlmsg_seq == batch.last_sequence()) done = true;
  });
  if (first) return *first;
  if (!sent) return sent.error();
  if (!done) return socket->subsystem().error(EPROTO, "the kernel did not acknowledge it");
  return {};
}

// Requests everything of one type in our table, or in one of its sets.
MessageWriter dump_request(int type, const std::string& set) {
  MessageWriter request;
  request.begin({NFNL_SUBSYS_NFTABLES, type, NLM_F_DUMP, 0, NFPROTO_INET, 0});
  request.put_text(NFTA_TABLE_NAME, kTableName);  // the same attribute in all of them
  if (!set.empty()) request.put_text(NFTA_SET_ELEM_LIST_SET, set);
  request.end();
  return request;
}

// Reads the table in several dumps, which belong together if all name the same generation.
class TableDump {
 public:
  explicit TableDump(NfnetlinkSocket& socket) : socket_(socket) {}

  Result<void> read() {
    if (const auto done = read(NFT_MSG_GETTABLE, {}); !done || !reader_.found_table()) return done;
    for (const int type : {NFT_MSG_GETCHAIN, NFT_MSG_GETRULE, NFT_MSG_GETOBJ, NFT_MSG_GETSET}) {
      if (const auto done = read(type, {}); !done) return done;
    }
    for (const auto& set : reader_.sets()) {
      if (const auto done = read(NFT_MSG_GETSETELEM, set); !done) return done;
    }
    return {};
  }

  bool is_consistent() const { return consistent_ && generations_.size() <= 1; }
  std::optional<TableState> finish() { return reader_.finish(); }

 private:
  Result<void> read(int type, const std::string& set) {
    const auto dumped = socket_.dump(dump_request(type, set).bytes(), [&](const nlmsghdr& message) {
      generations_.insert(subsystem_header_of(message).res_id);
      reader_.add(message);
    });
    if (!dumped) return dumped.error();
    consistent_ = consistent_ && *dumped;
    return {};
  }

  NfnetlinkSocket& socket_;
  TableStateReader reader_;
  std::set<std::uint16_t> generations_;
  bool consistent_ = true;
};

}  // namespace

Result<void> load_ruleset(const Ruleset& ruleset) { return send(encode_ruleset(ruleset)); }

Result<void> delete_ruleset() { return send(encode_delete_table()); }

Result<std::optional<TableState>> read_table() {
  auto socket = open_socket();
  if (!socket) return socket.error();
  for (int attempt = 0; attempt < kMaxReads; ++attempt) {
    TableDump dump(*socket);
    if (const auto read = dump.read(); !read) return read.error();
    if (dump.is_consistent()) return dump.finish();
  }
  return socket->subsystem().error(EAGAIN, "it changes faster than it can be read");
}

}  // namespace egress::router
