#include "common/net/dns_message.hpp"

#include <algorithm>
#include <optional>
#include <string>

namespace egress::net {
namespace {

constexpr std::uint16_t kTypeA = 1;
constexpr std::uint16_t kTypeCname = 5;
constexpr std::uint16_t kTypeSoa = 6;
constexpr std::uint16_t kTypeAaaa = 28;
constexpr std::uint16_t kClassIn = 1;
constexpr int kMostPointers = 32;  // of one name

// Reads forward; once past the end, all that is read is zero and ok() is false.
class Reader {
 public:
  explicit Reader(std::span<const std::uint8_t> message) : message_(message) {}

  bool ok() const { return ok_; }
  std::size_t position() const { return at_; }

  std::uint16_t u16() {
    const auto bytes = take(2);
    return bytes.empty() ? std::uint16_t{0} : static_cast<std::uint16_t>(bytes[0] << 8U | bytes[1]);
  }
  std::uint32_t u32() {
    const std::uint32_t high = u16();
    return high << 16U | u16();
  }
  std::span<const std::uint8_t> take(std::size_t count) {
    if (!ok_ || message_.size() - at_ < count) {
      ok_ = false;
      return {};
    }
    at_ += count;
    return message_.subspan(at_ - count, count);
  }
  // RFC 1035 §4.1.4, in lower case, labels apart by dots. Pointers must lead backwards, so that no
  // chain of them loops.
  std::string name() {
    std::string out;
    std::size_t at = at_;
    std::size_t least = at_;  // pointers lead before it
    int pointers = 0;
    for (;;) {
      if (at >= message_.size()) return fail();
      const std::size_t length = message_[at];
      if (length >= 0xc0) {
        if (at + 1 >= message_.size()) return fail();
        const std::size_t target = (length & 0x3fU) << 8U | message_[at + 1];
        if (pointers == 0) at_ = at + 2;
        if (target >= least || ++pointers > kMostPointers) return fail();
        at = least = target;
        continue;
      }
      if (length > 63 || message_.size() - at - 1 < length) return fail();
      if (length == 0) break;
      if (!out.empty()) out += '.';
      for (const auto byte : message_.subspan(at + 1, length)) out += to_lower(byte);
      if (out.size() > 253) return fail();
      at += 1 + length;
    }
    if (pointers == 0) at_ = at + 1;
    return out;
  }

 private:
  // A dot within a label must not pass for one between labels.
  static char to_lower(std::uint8_t byte) {
    if (byte == '.') return '\0';
    return static_cast<char>(byte >= 'A' && byte <= 'Z' ? byte + ('a' - 'A') : byte);
  }
  std::string fail() {
    ok_ = false;
    return {};
  }

  std::span<const std::uint8_t> message_;
  std::size_t at_ = 0;
  bool ok_ = true;
};

struct Record {
  std::string owner;
  std::uint16_t type = 0;
  std::uint32_t ttl = 0;
  std::string target;  // of a CNAME
  std::span<const std::uint8_t> data;
};

// Empty where the message ends within it.
std::optional<Record> read_record(Reader& reader, std::span<const std::uint8_t> message) {
  Record record;
  record.owner = reader.name();
  record.type = reader.u16();
  const auto record_class = reader.u16();
  record.ttl = reader.u32();
  if (record.ttl > 0x7fffffffU) record.ttl = 0;
  const std::size_t length = reader.u16();
  const std::size_t begin = reader.position();
  record.data = reader.take(length);
  if (!reader.ok()) return std::nullopt;
  if (record_class != kClassIn) record.type = 0;
  if (record.type == kTypeCname) {
    Reader target(message.first(begin + length));
    target.take(begin);
    record.target = target.name();
    if (!target.ok()) return std::nullopt;
  }
  return record;
}

// RFC 2308 §5: the lesser of the SOA's own TTL and its last field, MINIMUM.
std::uint32_t negative_ttl(const Record& soa) {
  if (soa.data.size() < 22) return 0;  // two names and five numbers
  Reader minimum(soa.data.last(4));
  return std::min(soa.ttl, minimum.u32());
}

class AnswerReader {
 public:
  AnswerReader(std::span<const std::uint8_t> message, const DnsQuestion& question,
               std::size_t most_addresses)
      : message_(message), question_(question), most_(most_addresses), reader_(message) {}

  DnsAnswer read() {
    DnsAnswer answer;
    reader_.u16();  // the id, which the channel has compared
    const auto flags = reader_.u16();
    const auto questions = reader_.u16();
    const std::size_t answers = reader_.u16();
    const std::size_t authorities = reader_.u16();
    reader_.u16();
    constexpr unsigned kResponse = 0x8000;
    if (!reader_.ok() || (flags & kResponse) == 0) return answer;
    const unsigned rcode = flags & 0xfU;
    if (rcode != 0 && rcode != 3) {
      answer.status = DnsStatus::failed;
      return answer;
    }
    if (questions != 1 || !is_our_question()) return answer;
    if (!read_records(answers, answers_)) return answer;
    if (!follow(answer)) return answer;
    if (!answer.addresses.empty()) {
      answer.status = DnsStatus::ok;
      answer.ttl = std::chrono::seconds(least_ttl_);
      return answer;
    }
    answer.status = rcode == 3 ? DnsStatus::not_found : DnsStatus::no_data;
    answer.ttl = std::chrono::seconds(read_negative_ttl(authorities));
    return answer;
  }

 private:
  bool is_our_question() {
    const auto name = reader_.name();
    const auto type = reader_.u16();
    const auto its_class = reader_.u16();
    return reader_.ok() && name == question_.name && type == wanted() && its_class == kClassIn;
  }

  std::uint16_t wanted() const { return question_.family == Family::v4 ? kTypeA : kTypeAaaa; }

  bool read_records(std::size_t count, std::vector<Record>& into) {
    for (std::size_t i = 0; i < count; ++i) {
      auto record = read_record(reader_, message_);
      if (!record) return false;
      if (record->type == wanted() || record->type == kTypeCname || record->type == kTypeSoa) {
        into.push_back(std::move(*record));
      }
    }
    return true;
  }

  // From the name asked for along its CNAMEs, in whatever order they stand, to the addresses. False
  // where the chain is too long or loops.
  bool follow(DnsAnswer& answer) {
    std::string name(question_.name);
    for (std::size_t links = 0; links <= kMostCnames; ++links) {
      const Record* cname = nullptr;
      for (const auto& record : answers_) {
        if (record.owner != name) continue;
        if (record.type == kTypeCname) cname = &record;
        if (record.type == wanted()) take_address(record, answer);
      }
      if (!answer.addresses.empty() || cname == nullptr) return true;
      least_ttl_ = std::min(least_ttl_, cname->ttl);
      name = cname->target;
    }
    return false;
  }

  void take_address(const Record& record, DnsAnswer& answer) {
    if (record.data.size() != (question_.family == Family::v4 ? 4U : 16U)) return;
    if (answer.addresses.size() >= most_) return;
    const auto address = IpAddress::from_bytes(record.data);
    auto& addresses = answer.addresses;
    if (std::find(addresses.begin(), addresses.end(), address) != addresses.end()) return;
    addresses.push_back(address);
    least_ttl_ = std::min(least_ttl_, record.ttl);
  }

  std::uint32_t read_negative_ttl(std::size_t authorities) {
    std::vector<Record> records;
    // What cannot be read here costs the TTL alone.
    read_records(authorities, records);
    for (const auto& record : records) {
      if (record.type == kTypeSoa) return std::min(least_ttl_, negative_ttl(record));
    }
    return 0;
  }

  std::span<const std::uint8_t> message_;
  const DnsQuestion& question_;
  std::size_t most_;
  Reader reader_;
  std::vector<Record> answers_;
  std::uint32_t least_ttl_ = 0x7fffffff;
};

}  // namespace

DnsAnswer parse_dns_answer(std::span<const std::uint8_t> message, const DnsQuestion& question,
                           std::size_t most_addresses) {
  return AnswerReader(message, question, most_addresses).read();
}

}  // namespace egress::net
