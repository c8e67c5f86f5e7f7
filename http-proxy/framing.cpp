#include "http-proxy/framing.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>

#include "http-proxy/headers.hpp"

namespace egress::http {
namespace {

constexpr unsigned kMostSizeDigits =
    15;  // hexadecimal: 2^60 bytes, which keeps all sums in 64 bits

// Digits alone, below 2^63.
std::optional<std::uint64_t> parse_length(std::string_view text) {
  if (text.empty() || text.size() > 19) return std::nullopt;
  std::uint64_t length = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    length = length * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (length > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    return std::nullopt;
  return length;
}

// What the framing fields of a head say, before the rules that differ by direction.
struct FramingFields {
  enum class Fault : std::uint8_t {
    none,
    length,
    repeated_length,
    both,
    coding,
    unknown_coding,
    coding_in_http10
  };

  Fault fault = Fault::none;
  std::optional<std::uint64_t> length;
  bool chunked = false;
};

FramingFields read_framing(const std::vector<HeaderField>& fields, Version version) {
  using Fault = FramingFields::Fault;
  FramingFields found;
  const auto fail = [&found](Fault fault) {
    if (found.fault == Fault::none) found.fault = fault;
  };
  for (const auto& field : fields) {
    if (field.id == FieldId::content_length) {
      if (found.length) fail(Fault::repeated_length);
      found.length = parse_length(field.value);
      if (!found.length) fail(Fault::length);
    } else if (field.id == FieldId::transfer_encoding) {
      if (version == Version::http10) fail(Fault::coding_in_http10);
      if (found.chunked) fail(Fault::coding);
      found.chunked = equal_ignoring_case(field.value, "chunked");
      if (!found.chunked) fail(is_token(field.value) ? Fault::unknown_coding : Fault::coding);
    }
  }
  if (found.length && found.chunked) fail(Fault::both);
  return found;
}

std::string describe(FramingFields::Fault fault) {
  using Fault = FramingFields::Fault;
  switch (fault) {
    case Fault::none: return {};
    case Fault::length: return "Content-Length is not one decimal number below 2^63.";
    case Fault::repeated_length: return "Content-Length stands more than once.";
    case Fault::both: return "Content-Length and Transfer-Encoding stand together (RFC 9112 6.1).";
    case Fault::coding: return "Transfer-Encoding is not the one word \"chunked\".";
    case Fault::unknown_coding: return "The only transfer coding known here is \"chunked\".";
    case Fault::coding_in_http10:
      return "Transfer-Encoding stands in an HTTP/1.0 message (RFC 9112 6.1).";
  }
  return {};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

}  // namespace

Outcome<Body> request_body(const RequestHead& head) {
  const auto framing = read_framing(head.fields, head.version);
  if (framing.fault != FramingFields::Fault::none) {
    auto failure = bad_request(describe(framing.fault));
    if (framing.fault == FramingFields::Fault::unknown_coding) failure.status = 501;
    return failure;
  }
  if (head.method == Method::connect && (framing.chunked || framing.length)) {
    return bad_request("CONNECT has no body: leave Content-Length and Transfer-Encoding out.");
  }
  if (framing.chunked) return Body{BodyKind::chunked, 0};
  if (framing.length) return Body{BodyKind::length, *framing.length};
  return Body{};
}

Outcome<Body> response_body(const ResponseHead& head, Method request) {
  const auto framing = read_framing(head.fields, head.version);
  if (framing.fault != FramingFields::Fault::none) {
    const bool coding = framing.fault == FramingFields::Fault::unknown_coding;
    return bad_response(
        coding ? ProxyError::http_response_transfer_coding : ProxyError::http_protocol_error,
        "From the origin: " + describe(framing.fault));
  }
  const bool bodiless =
      request == Method::head || head.status < 200 || head.status == 204 || head.status == 304;
  if (bodiless) return Body{};
  if (framing.chunked) return Body{BodyKind::chunked, 0};
  if (framing.length) return Body{BodyKind::length, *framing.length};
  return Body{BodyKind::until_close, 0};
}

ChunkHead make_chunk_head(std::uint64_t size) {
  ChunkHead head{};
  char* const end = std::to_chars(head.text, head.text + 16, size, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  head.size = static_cast<std::size_t>(end - head.text) + 2;
  return head;
}

bool ChunkDecoder::fail(std::string_view sentence) {
  state_ = State::failed;
  failure_ = sentence;
  return false;
}

ChunkDecoder::Step ChunkDecoder::decode(char* buffer, std::size_t size) {
  Step step;
  while (step.consumed < size && state_ != State::done && state_ != State::failed) {
    if (state_ != State::data) {
      if (!take(buffer[step.consumed++])) break;
      continue;
    }
    const auto piece =
        static_cast<std::size_t>(std::min<std::uint64_t>(left_, size - step.consumed));
    if (step.data != step.consumed) std::memmove(buffer + step.data, buffer + step.consumed, piece);
    step.data += piece;
    step.consumed += piece;
    left_ -= piece;
    overhead_ -= std::min(overhead_, piece);
    if (left_ == 0) state_ = State::data_cr;
  }
  return step;
}

bool ChunkDecoder::take(char c) {
  if (state_ != State::trailer && ++overhead_ > limits_.overhead_bytes) {
    return fail("The chunks hold far more framing than data.");
  }
  switch (state_) {
    case State::size: return take_size(c);
    case State::extension:
      if (++line_ > limits_.line_bytes) return fail("The extension of a chunk is too long.");
      if (c == '\r')
        state_ = State::size_lf;
      else if (is_control(c))
        return fail("The extension of a chunk holds a control character.");
      return true;
    case State::size_lf:
      return c == '\n' ? end_of_size_line() : fail("The size of a chunk does not end in CR LF.");
    case State::data_cr:
      state_ = State::data_lf;
      return c == '\r' || fail("The data of a chunk is longer than its size says.");
    case State::data_lf:
      state_ = State::size;
      return c == '\n' || fail("The data of a chunk does not end in CR LF.");
    case State::trailer: return take_trailer(c);
    case State::data:
    case State::done:
    case State::failed: break;
  }
  return false;
}

bool ChunkDecoder::take_size(char c) {
  if (const int value = hex_value(c); value >= 0) {
    if (++digits_ > kMostSizeDigits) return fail("The size of a chunk has too many digits.");
    left_ = left_ << 4U | static_cast<unsigned>(value);
    return true;
  }
  if (digits_ == 0) return fail("The size of a chunk is not a hexadecimal number.");
  if (c == ';')
    state_ = State::extension;
  else if (c == '\r')
    state_ = State::size_lf;
  else
    return fail("The size of a chunk is not a hexadecimal number.");
  return true;
}

bool ChunkDecoder::end_of_size_line() {
  state_ = left_ > 0 ? State::data : State::trailer;
  digits_ = 0;
  line_ = 0;
  return true;
}

bool ChunkDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > limits_.trailer_bytes) return fail("The trailer fields are too large.");
  if (c == '\n') return end_of_trailer_line();
  trailer_line_ += c;
  return true;
}

bool ChunkDecoder::end_of_trailer_line() {
  std::string_view line = trailer_line_;
  if (!line.ends_with('\r')) return fail("A trailer line ends in LF without CR.");
  line.remove_suffix(1);
  if (line.empty()) {
    state_ = State::done;
    return true;
  }
  if (++trailer_fields_ > limits_.trailer_fields) return fail("There are too many trailer fields.");
  const auto name = line.substr(0, line.find(':'));
  if (name.size() == line.size() || !is_token(name) ||
      std::any_of(line.begin(), line.end(), is_control)) {
    return fail("A trailer line is malformed.");
  }
  if (may_be_trailer(field_id(name), name)) trailers_.append(line).append("\r\n");
  trailer_line_.clear();
  return true;
}

}  // namespace egress::http
