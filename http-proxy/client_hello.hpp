// Reads the server name out of a TLS ClientHello (RFC 8446 §4.1.2, RFC 6066 §3) without taking part
// in TLS. The bytes may come in any pieces, and the hello over several records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace egress::http {

class ClientHelloReader {
 public:
  // Of the handshake message. With post-quantum key shares a hello takes about 2 KiB.
  static constexpr std::size_t kMostBytes = 16U << 10U;

  enum class Status : std::uint8_t {
    need_more,
    not_tls,    // the bytes are no TLS handshake record
    malformed,  // TLS at first, or over kMostBytes
    complete,
  };

  // Takes the bytes that follow those of the last call. Once it has answered other than need_more
  // it keeps that answer.
  Status feed(std::span<const std::uint8_t> bytes);

  Status status() const { return status_; }
  // When complete: canonical, or empty where the hello has none.
  const std::string& server_name() const { return server_name_; }
  // The hello carries Encrypted ClientHello (extension 0xfe0d); server_name() is the outer one.
  bool is_encrypted() const { return encrypted_; }

 private:
  Status settle(Status status);
  Status parse_message();

  Status status_ = Status::need_more;
  std::vector<std::uint8_t> message_;  // handshake bytes, record headers taken off
  std::uint8_t header_[5] = {};        // of the current record
  std::size_t header_bytes_ = 0;
  std::size_t record_left_ = 0;
  std::size_t records_ = 0;
  std::string server_name_;
  bool encrypted_ = false;
};

}  // namespace egress::http
