#include "http-proxy/framing.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

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
    different_lengths,
    both,
    coding,
    unknown_coding,
    coding_in_http10
  };

  Fault fault = Fault::none;
  std::optional<std::uint64_t> length;
  bool chunked = false;
  bool repaired = false;
};

class FramingReader {
 public:
  FramingReader(Version version, Reading reading) : version_(version), reading_(reading) {}

  FramingFields read(const std::vector<HeaderField>& fields) {
    for (const auto& field : fields) {
      if (field.id == FieldId::content_length) read_length(field.value);
      if (field.id == FieldId::transfer_encoding) read_coding(field.value);
    }
    if (found_.length && found_.chunked && repairs(Fault::both)) found_.length.reset();
    return found_;
  }

 private:
  using Fault = FramingFields::Fault;

  void fail(Fault fault) {
    if (found_.fault == Fault::none) found_.fault = fault;
  }
  bool repairs(Fault fault) {
    if (reading_ == Reading::strict) fail(fault);
    found_.repaired = true;
    return reading_ == Reading::repair;
  }

  // RFC 9112 §6.3: equal values, in one field or several, are one.
  void read_length(std::string_view value) {
    for (auto comma = value.npos; found_.fault == Fault::none; value.remove_prefix(comma + 1)) {
      comma = reading_ == Reading::repair ? value.find(',') : value.npos;
      const auto length = parse_length(trim(value.substr(0, comma)));
      if (!length) return fail(Fault::length);
      if (found_.length && repairs(Fault::repeated_length) && found_.length != length)
        return fail(Fault::different_lengths);
      found_.length = length;
      if (comma == value.npos) return;
    }
  }

  void read_coding(std::string_view value) {
    const bool identity = equal_ignoring_case(value, "identity");
    if (coding_) fail(Fault::coding);
    coding_ = true;
    if (identity && repairs(Fault::unknown_coding)) return;
    if (version_ == Version::http10) fail(Fault::coding_in_http10);
    found_.chunked = equal_ignoring_case(value, "chunked");
    if (!found_.chunked) fail(is_token(value) ? Fault::unknown_coding : Fault::coding);
  }

  Version version_;
  Reading reading_;
  FramingFields found_;
  bool coding_ = false;
};

FramingFields read_framing(const std::vector<HeaderField>& fields, Version version,
                           Reading reading) {
  return FramingReader(version, reading).read(fields);
}

std::string describe(FramingFields::Fault fault) {
  using Fault = FramingFields::Fault;
  switch (fault) {
    case Fault::none: return {};
    case Fault::length: return "Content-Length is not one decimal number below 2^63.";
    case Fault::repeated_length: return "Content-Length occurs more than once.";
    case Fault::different_lengths: return "Content-Length has different values.";
    case Fault::both: return "Content-Length and Transfer-Encoding occur together (RFC 9112 6.1).";
    case Fault::coding: return "Transfer-Encoding is not the one word \"chunked\".";
    case Fault::unknown_coding: return "The only supported transfer coding is \"chunked\".";
    case Fault::coding_in_http10:
      return "Transfer-Encoding occurs in an HTTP/1.0 message (RFC 9112 6.1).";
  }
  return {};
}

int hex_value(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr std::string_view kNoSize = "The size of a chunk is not a hexadecimal number.";

constexpr bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && byte != '\t') || byte == 0x7f;
}

}  // namespace

Outcome<Body> request_body(const RequestHead& head) {
  const auto framing = read_framing(head.fields, head.version, Reading::strict);
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

Outcome<ResponseFraming> response_framing(const ResponseHead& head, Method request,
                                          Reading reading) {
  const auto framing = read_framing(head.fields, head.version, reading);
  if (framing.fault != FramingFields::Fault::none) {
    const bool coding = framing.fault == FramingFields::Fault::unknown_coding;
    return bad_response(
        coding ? ProxyError::http_response_transfer_coding : ProxyError::http_protocol_error,
        "From the origin: " + describe(framing.fault));
  }
  ResponseFraming response;
  if (framing.repaired || head.bare_lf) response.persistence = Persistence::close;
  if (head.status < 200 || head.status == 204) return response;
  if (request == Method::head || head.status == 304) {
    response.told_length = framing.length;
  } else if (framing.chunked) {
    response.body = {BodyKind::chunked, 0};
  } else if (framing.length) {
    response.body = {BodyKind::length, *framing.length};
  } else {
    response.body = {BodyKind::until_close, 0};
    response.persistence = Persistence::close;
  }
  return response;
}

ChunkHead make_chunk_head(std::uint64_t size) {
  ChunkHead head{};
  char* const end = std::to_chars(head.text, head.text + 16, size, 16).ptr;
  end[0] = '\r';
  end[1] = '\n';
  head.size = static_cast<std::size_t>(end - head.text) + 2;
  return head;
}

bool ChunkDecoder::fail(std::string sentence) {
  state_ = State::failed;
  failure_ = std::move(sentence);
  return false;
}

bool ChunkDecoder::fail_over(std::string_view what, std::size_t limit, std::string_view unit) {
  return fail(std::string(what) + std::to_string(limit) + std::string(unit));
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
    case State::blanks: return take_behind_size(c);
    case State::extension:
      if (++line_ > limits_.line_bytes)
        return fail_over("The extension of a chunk is longer than ", limits_.line_bytes, " bytes.");
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
  if (digits_ == 0) return fail(std::string(kNoSize));
  if (c != '\r') return take_behind_size(c);
  state_ = State::size_lf;
  return true;
}

bool ChunkDecoder::take_behind_size(char c) {
  if (++line_ > limits_.line_bytes)
    return fail_over("The extension of a chunk is longer than ", limits_.line_bytes, " bytes.");
  if (c == ';') {
    state_ = State::extension;
  } else if (c == ' ' || c == '\t') {
    state_ = State::blanks;
  } else {
    return fail(std::string(kNoSize));
  }
  return true;
}

bool ChunkDecoder::end_of_size_line() {
  state_ = left_ > 0 ? State::data : State::trailer;
  digits_ = 0;
  line_ = 0;
  return true;
}

bool ChunkDecoder::take_trailer(char c) {
  if (++trailer_bytes_ > limits_.trailer_bytes)
    return fail_over("The trailer fields are larger than ", limits_.trailer_bytes, " bytes.");
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
  if (++trailer_fields_ > limits_.trailer_fields)
    return fail_over("There are more than ", limits_.trailer_fields, " trailer fields.");
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
