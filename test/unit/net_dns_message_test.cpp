#include "common/net/dns_message.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "test/support/net_dns.hpp"
#include "test/support/parse.hpp"

namespace egress::net {
namespace {

using test::Bytes;
using test::DnsQuery;
using test::DnsReplyBuilder;
using test::encode_name;
using test::ip;

const DnsQuery kQuery{7, "www.example.com", test::kA, DnsQuery::Transport::udp};
const DnsQuestion kQuestion{"www.example.com", Family::v4};

DnsAnswer parse(const Bytes& message, const DnsQuestion& question = kQuestion,
                std::size_t most = 128) {
  return parse_dns_answer(message, question, most);
}

// The fixed part of a record after its owner.
Bytes record_tail(std::uint16_t type, std::uint32_t ttl, const Bytes& data) {
  Bytes out{static_cast<std::uint8_t>(type >> 8U), static_cast<std::uint8_t>(type), 0, 1};
  for (int shift = 24; shift >= 0; shift -= 8) {
    out.push_back(static_cast<std::uint8_t>(ttl >> static_cast<unsigned>(shift)));
  }
  out.push_back(static_cast<std::uint8_t>(data.size() >> 8U));
  out.push_back(static_cast<std::uint8_t>(data.size()));
  out.insert(out.end(), data.begin(), data.end());
  return out;
}

TEST_CASE("addresses of an answer, once each, with the least TTL") {
  const auto answer = parse(DnsReplyBuilder(kQuery)
                                .address("WWW.example.COM", ip("192.0.2.1"), 300)
                                .address("www.example.com", ip("192.0.2.2"), 60)
                                .address("www.example.com", ip("192.0.2.1"), 30)
                                .build());
  CHECK(answer.status == DnsStatus::ok);
  CHECK(answer.addresses == std::vector{ip("192.0.2.1"), ip("192.0.2.2")});
  CHECK(answer.ttl == std::chrono::seconds(60));
}

TEST_CASE("what stands for another name or family is not taken") {
  const auto answer = parse(DnsReplyBuilder(kQuery)
                                .address("other.example.com", ip("192.0.2.66"), 300)
                                .address("www.example.com", ip("2001:db8::1"), 300)
                                .build());
  CHECK(answer.status == DnsStatus::no_data);
  CHECK(answer.addresses.empty());
}

TEST_CASE("a chain of CNAMEs is followed in any order, and its TTL counts") {
  const auto answer = parse(DnsReplyBuilder(kQuery)
                                .address("c.test", ip("192.0.2.9"), 500)
                                .cname("b.test", "c.test", 20)
                                .cname("www.example.com", "b.test", 400)
                                .build());
  CHECK(answer.status == DnsStatus::ok);
  CHECK(answer.addresses == std::vector{ip("192.0.2.9")});
  CHECK(answer.ttl == std::chrono::seconds(20));
}

TEST_CASE("chains end: 16 links are followed, 20 and loops are malformed") {
  for (const std::size_t links : {std::size_t{1}, kMostCnames, kMostCnames + 1, std::size_t{20}}) {
    INFO(links);
    DnsReplyBuilder builder(kQuery);
    std::string owner = kQuery.name;
    for (std::size_t i = 0; i < links; ++i) {
      const std::string target = "n" + std::to_string(i) + ".test";
      builder.cname(owner, target, 60);
      owner = target;
    }
    const auto answer = parse(builder.address(owner, ip("192.0.2.1"), 60).build());
    CHECK(answer.status == (links <= kMostCnames ? DnsStatus::ok : DnsStatus::malformed));
  }
  const auto loop = parse(DnsReplyBuilder(kQuery)
                              .cname("www.example.com", "a.test", 60)
                              .cname("a.test", "www.example.com", 60)
                              .build());
  CHECK(loop.status == DnsStatus::malformed);
}

TEST_CASE("a dot within a label is none between labels") {
  // One label "www.example" under com, which is another name.
  Bytes record{11, 'w', 'w', 'w', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'c', 'o', 'm', 0};
  const auto tail = record_tail(test::kA, 60, {192, 0, 2, 1});
  record.insert(record.end(), tail.begin(), tail.end());
  CHECK(parse(DnsReplyBuilder(kQuery).raw_record(record).build()).status == DnsStatus::no_data);
}

TEST_CASE("compression: backwards is followed, forwards and in circles is malformed") {
  const auto tail = record_tail(test::kA, 60, {192, 0, 2, 1});
  const auto with_owner = [&](Bytes owner) {
    owner.insert(owner.end(), tail.begin(), tail.end());
    return parse(DnsReplyBuilder(kQuery).raw_record(owner).build()).status;
  };
  CHECK(with_owner({0xc0, 12}) == DnsStatus::ok);                    // the question's name
  CHECK(with_owner({3, 'w', 'w', 'w', 0xc0, 16}) == DnsStatus::ok);  // www + example.com
  const auto own = static_cast<std::uint8_t>(DnsReplyBuilder(kQuery).build().size());
  CHECK(with_owner({0xc0, own}) == DnsStatus::malformed);   // itself
  CHECK(with_owner({0xc0, 0xff}) == DnsStatus::malformed);  // beyond the end
  CHECK(with_owner({0xff, 0xff}) == DnsStatus::malformed);
  CHECK(with_owner({0x80, 0x01}) == DnsStatus::malformed);  // a kind of label that does not exist
}

TEST_CASE("TTLs: 0, the largest, and the sign bit (RFC 2181 §8)") {
  const auto ttl = [](std::uint32_t value) {
    return parse(DnsReplyBuilder(kQuery).address(kQuery.name, ip("192.0.2.1"), value).build())
        .ttl.count();
  };
  CHECK(ttl(0) == 0);
  CHECK(ttl(0x7fffffff) == 0x7fffffff);
  CHECK(ttl(0x80000000) == 0);
  CHECK(ttl(0xffffffff) == 0);
}

TEST_CASE("negative answers and their TTL (RFC 2308 §5)") {
  const auto missing = parse(DnsReplyBuilder(kQuery).rcode(3).soa("test", 900, 30).build());
  CHECK(missing.status == DnsStatus::not_found);
  CHECK(missing.ttl == std::chrono::seconds(30));
  const auto no_data = parse(DnsReplyBuilder(kQuery).soa("test", 20, 300).build());
  CHECK(no_data.status == DnsStatus::no_data);
  CHECK(no_data.ttl == std::chrono::seconds(20));
  CHECK(parse(DnsReplyBuilder(kQuery).rcode(3).build()).ttl == std::chrono::seconds(0));
}

TEST_CASE("failures of servers, and what is no answer to the question") {
  for (const unsigned rcode : {1U, 2U, 4U, 5U, 9U, 15U}) {
    CHECK(parse(DnsReplyBuilder(kQuery).rcode(rcode).build()).status == DnsStatus::failed);
  }
  auto query = DnsReplyBuilder(kQuery).build();
  query[2] = 0;  // not a response
  CHECK(parse(query).status == DnsStatus::malformed);
  CHECK(parse(DnsReplyBuilder(kQuery).build(), {"other.example.com", Family::v4}).status ==
        DnsStatus::malformed);
  CHECK(parse(DnsReplyBuilder(kQuery).build(), {"www.example.com", Family::v6}).status ==
        DnsStatus::malformed);
  CHECK(parse({}).status == DnsStatus::malformed);
}

TEST_CASE("of all addresses that a message can hold as many are kept as are asked for") {
  constexpr unsigned kMost = 4090;
  DnsReplyBuilder builder(kQuery);
  for (unsigned i = 0; i < kMost; ++i) {
    const std::array<std::uint8_t, 4> bytes{10, 0, static_cast<std::uint8_t>(i >> 8U),
                                            static_cast<std::uint8_t>(i)};
    builder.raw_record([&] {
      Bytes record{0xc0, 12};
      const auto tail = record_tail(test::kA, 60, Bytes(bytes.begin(), bytes.end()));
      record.insert(record.end(), tail.begin(), tail.end());
      return record;
    }());
  }
  const auto message = builder.build();
  REQUIRE(message.size() <= 65535);
  CHECK(parse(message, kQuestion, 128).addresses.size() == 128);
  CHECK(parse(message, kQuestion, 5000).addresses.size() == kMost);
}

TEST_CASE("cut at every byte, and with any byte changed, a message is read without harm") {
  const auto whole = DnsReplyBuilder(kQuery)
                         .cname("www.example.com", "b.test", 400)
                         .address("b.test", ip("192.0.2.9"), 500)
                         .soa("test", 20, 300)
                         .build();
  std::size_t as_whole = 0;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto answer =
        parse(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)));
    as_whole += answer.status == DnsStatus::ok ? 1 : 0;
  }
  // Only the authority section, which says nothing about addresses, may be missing.
  CHECK(as_whole == encode_name("test").size() + 10 + 22);
  std::mt19937 random(1);
  for (int round = 0; round < 20000; ++round) {
    auto message = whole;
    for (int change = 0; change < 3; ++change) {
      message[random() % message.size()] = static_cast<std::uint8_t>(random());
    }
    const auto answer = parse(message);
    REQUIRE((answer.status == DnsStatus::ok) == !answer.addresses.empty());
  }
}

}  // namespace
}  // namespace egress::net
