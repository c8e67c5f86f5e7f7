#include "http-proxy/client_hello.hpp"

#include <algorithm>
#include <optional>
#include <string_view>

#include "common/host.hpp"

namespace egress::http {
namespace {

using Bytes = std::span<const std::uint8_t>;

constexpr std::uint8_t kHandshakeRecord = 22;        // RFC 8446 §5.1
constexpr std::size_t kMostRecordBytes = 1U << 14U;  // §5.1: of plaintext
constexpr std::size_t kMostRecords = 64;             // a hello cut finer than that is an attack
constexpr std::uint8_t kClientHello = 1;             // §4
constexpr std::size_t kHandshakeHeader = 4;          // type, length
constexpr std::uint16_t kServerName = 0;             // RFC 6066 §3
constexpr std::uint16_t kEncryptedClientHello = 0xfe0d;
constexpr std::uint8_t kHostName = 0;

// Takes numbers and vectors off the front; once something lacks, all that follows is empty.
class Reader {
 public:
  explicit Reader(Bytes bytes) : rest_(bytes) {}

  std::size_t number(std::size_t bytes) {
    std::size_t value = 0;
    for (const auto byte : take(bytes)) value = value << 8U | byte;
    return value;
  }
  Bytes vector(std::size_t length_bytes) { return take(number(length_bytes)); }
  Bytes take(std::size_t count) {
    if (count > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const auto taken = rest_.first(count);
    rest_ = rest_.subspan(count);
    return taken;
  }
  bool empty() const { return rest_.empty(); }
  bool failed() const { return failed_; }

 private:
  Bytes rest_;
  bool failed_ = false;
};

// RFC 6066 §3: one name of each type. Empty where the extension is malformed.
std::optional<std::string> read_server_name(Bytes extension) {
  Reader outer(extension);
  Reader list(outer.vector(2));
  const auto type = list.number(1);
  const auto text = list.vector(2);
  if (outer.failed() || list.failed() || !outer.empty() || !list.empty() || type != kHostName)
    return std::nullopt;
  std::string name(text.begin(), text.end());
  auto canonical = parse_host_name(name);
  if (!canonical) return std::nullopt;
  return std::move(*canonical);
}

}  // namespace

ClientHelloReader::Status ClientHelloReader::settle(Status status) {
  status_ = status;
  message_ = {};
  return status;
}

ClientHelloReader::Status ClientHelloReader::feed(Bytes bytes) {
  while (status_ == Status::need_more && !bytes.empty()) {
    if (record_left_ == 0) {
      header_[header_bytes_++] = bytes.front();
      bytes = bytes.subspan(1);
      const bool tls = header_[0] == kHandshakeRecord && (header_bytes_ < 2 || header_[1] == 3);
      if (!tls) return settle(records_ == 0 ? Status::not_tls : Status::malformed);
      if (header_bytes_ < sizeof header_) continue;
      header_bytes_ = 0;
      record_left_ = static_cast<std::size_t>(header_[3] << 8U | header_[4]);
      if (record_left_ == 0 || record_left_ > kMostRecordBytes || ++records_ > kMostRecords) {
        return settle(Status::malformed);
      }
      continue;
    }
    const auto piece = bytes.first(std::min(record_left_, bytes.size()));
    message_.insert(message_.end(), piece.begin(), piece.end());
    record_left_ -= piece.size();
    bytes = bytes.subspan(piece.size());
    parse_message();
  }
  return status_;
}

ClientHelloReader::Status ClientHelloReader::parse_message() {
  if (message_.front() != kClientHello) return settle(Status::malformed);
  if (message_.size() < kHandshakeHeader) return status_;
  Reader reader(message_);
  reader.take(1);
  const std::size_t length = reader.number(3);
  if (length + kHandshakeHeader > kMostBytes) return settle(Status::malformed);
  if (message_.size() < length + kHandshakeHeader) return status_;

  Reader hello(Bytes(message_).subspan(kHandshakeHeader, length));
  hello.take(2 + 32);  // legacy_version, random
  hello.vector(1);     // legacy_session_id
  hello.vector(2);     // cipher_suites
  hello.vector(1);     // legacy_compression_methods
  Reader extensions(hello.empty() ? Bytes{} : hello.vector(2));
  if (hello.failed() || !hello.empty()) return settle(Status::malformed);
  while (!extensions.empty()) {
    const auto type = extensions.number(2);
    const auto data = extensions.vector(2);
    if (extensions.failed()) return settle(Status::malformed);
    if (type == kEncryptedClientHello) encrypted_ = true;
    if (type != kServerName) continue;
    auto name = read_server_name(data);
    if (!name || !server_name_.empty()) return settle(Status::malformed);
    server_name_ = std::move(*name);
  }
  return settle(Status::complete);
}

}  // namespace egress::http
