// Hellos of real clients (captured; test/fuzz/corpus/http_client_hello), in any pieces, and made
// ones for what no client sends.
#include "http-proxy/client_hello.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>

namespace egress::http {
namespace {

using Status = ClientHelloReader::Status;
using Bytes = std::vector<std::uint8_t>;

Bytes captured(const std::string& name) {
  std::ifstream file(std::string(EGRESS_TEST_DIR) + "/fuzz/corpus/http_client_hello/" + name,
                     std::ios::binary);
  REQUIRE(file.good());
  return Bytes(std::istreambuf_iterator<char>(file), {});
}

// Feeds pieces of this size, each in memory of its own.
Status feed(ClientHelloReader& reader, const Bytes& bytes, std::size_t piece) {
  for (std::size_t at = 0; at < bytes.size(); at += piece) {
    const Bytes segment(
        bytes.begin() + static_cast<std::ptrdiff_t>(at),
        bytes.begin() + static_cast<std::ptrdiff_t>(std::min(at + piece, bytes.size())));
    reader.feed(segment);
  }
  return reader.status();
}

// With insert(), GCC 12 warns of copies beyond the end (GCC bug 105329).
void append(Bytes& to, const Bytes& bytes) {
  for (const auto byte : bytes) to.push_back(byte);
}

Bytes with_length(const Bytes& bytes, int length_bytes) {
  Bytes out;
  for (int i = length_bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<std::uint8_t>(bytes.size() >> (8U * static_cast<unsigned>(i))));
  }
  append(out, bytes);
  return out;
}

Bytes extension(std::uint16_t type, const Bytes& data) {
  Bytes out{static_cast<std::uint8_t>(type >> 8U), static_cast<std::uint8_t>(type)};
  append(out, with_length(data, 2));
  return out;
}

Bytes server_name(const std::string& name, std::uint8_t type = 0) {
  Bytes entry{type};
  append(entry, with_length(Bytes(name.begin(), name.end()), 2));
  return extension(0, with_length(entry, 2));
}

Bytes hello(const Bytes& extensions) {
  Bytes body(2 + 32, 3);
  append(body, with_length({}, 1));
  append(body, with_length({0x13, 0x01}, 2));
  append(body, with_length({0}, 1));
  append(body, with_length(extensions, 2));
  Bytes message{1};
  append(message, with_length(body, 3));
  return message;
}

// In records of at most `size` bytes.
Bytes records(const Bytes& message, std::size_t size = 16384) {
  Bytes out;
  for (std::size_t at = 0; at < message.size(); at += size) {
    const auto first = message.begin() + static_cast<std::ptrdiff_t>(at);
    const auto last =
        message.begin() + static_cast<std::ptrdiff_t>(std::min(at + size, message.size()));
    append(out, {22, 3, 1});
    append(out, with_length(Bytes(first, last), 2));
  }
  return out;
}

TEST_CASE("hellos of real clients, in pieces of every size") {
  const std::pair<std::string, std::string> clients[] = {
      {"openssl_tls13", "www.example.com"},
      {"openssl_tls12", "old.example.com"},
      {"openssl_no_name", ""},
      {"curl", "curl.example.com"},
      {"wget", "localhost"},
      {"python", "python.example.com"},
  };
  for (const auto& [file, name] : clients) {
    const auto bytes = captured(file);
    for (const std::size_t piece :
         {std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{100}, bytes.size()}) {
      INFO(file << " " << piece);
      ClientHelloReader reader;
      CHECK(feed(reader, bytes, piece) == Status::complete);
      CHECK(reader.server_name() == name);
      CHECK_FALSE(reader.is_encrypted());
    }
    ClientHelloReader reader;
    CHECK(feed(reader, Bytes(bytes.begin(), bytes.end() - 1), 64) == Status::need_more);
  }
}

TEST_CASE("a hello over several records") {
  const auto message = hello(server_name("Split.Example.com"));
  for (const std::size_t size : {std::size_t{2}, std::size_t{5}, std::size_t{40}}) {
    ClientHelloReader reader;
    CHECK(feed(reader, records(message, size), 3) == Status::complete);
    CHECK(reader.server_name() == "split.example.com");
  }
}

TEST_CASE("Encrypted ClientHello is told, with its outer name") {
  auto extensions = server_name("public.example.com");
  append(extensions, extension(0xfe0d, {0, 1, 2}));
  ClientHelloReader reader;
  CHECK(feed(reader, records(hello(extensions)), 50) == Status::complete);
  CHECK(reader.server_name() == "public.example.com");
  CHECK(reader.is_encrypted());
}

TEST_CASE("no TLS at all") {
  for (const std::string text :
       {"GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH", "\x16\x02", "\x15\x03\x01", "\x80\x2e\x01"}) {
    INFO(text);
    ClientHelloReader reader;
    CHECK(feed(reader, Bytes(text.begin(), text.end()), 1) == Status::not_tls);
  }
}

TEST_CASE("malformed hellos") {
  auto two_names = server_name("a.test");
  append(two_names, server_name("b.test"));
  auto cut = hello(server_name("a.test"));
  cut[cut.size() - 8] = 0xff;
  auto long_list = hello(extension(0, {0, 9, 0, 0, 1, 'a'}));
  auto truncated_extension = hello({0, 0, 0, 50, 1});
  auto trailing = hello({});
  trailing[3] = static_cast<std::uint8_t>(trailing[3] + 1);
  trailing.push_back(0);
  Bytes huge{1, 0, 0x50, 0};
  huge.resize(100);
  Bytes server_hello = hello({});
  server_hello[0] = 2;
  for (const auto& message :
       {hello(two_names), cut, long_list, truncated_extension, trailing, huge, server_hello,
        hello(server_name("")), hello(server_name("10.1")), hello(server_name("a b")),
        hello(server_name("a.test", 1)), hello(server_name(std::string("a\0b", 3)))}) {
    ClientHelloReader reader;
    CHECK(feed(reader, records(message), 1000) == Status::malformed);
  }
  ClientHelloReader empty_record;
  CHECK(feed(empty_record, {22, 3, 1, 0, 0}, 5) == Status::malformed);
  ClientHelloReader large_record;
  CHECK(feed(large_record, {22, 3, 1, 0x50, 0}, 5) == Status::malformed);
  ClientHelloReader finely_cut;
  CHECK(feed(finely_cut, records(hello(server_name("a.long.name.test")), 1), 5) ==
        Status::malformed);
  ClientHelloReader other_record;
  CHECK(feed(other_record, {22, 3, 1, 0, 1, 1, 23, 3, 3}, 20) == Status::malformed);
}

TEST_CASE("what follows the hello is left alone") {
  auto bytes = records(hello(server_name("a.test")));
  append(bytes, Bytes(100, 0xff));
  ClientHelloReader reader;
  CHECK(reader.feed(bytes) == Status::complete);
  CHECK(reader.feed(bytes) == Status::complete);
  CHECK(reader.server_name() == "a.test");
}

TEST_CASE("a hello without extensions") {
  Bytes body(2 + 32, 3);
  append(body, {0, 0, 2, 0x13, 1, 1, 0});
  Bytes message{1};
  append(message, with_length(body, 3));
  ClientHelloReader reader;
  CHECK(reader.feed(records(message)) == Status::complete);
  CHECK(reader.server_name().empty());
}

}  // namespace
}  // namespace egress::http
