// How long a message is (RFC 9112 §6 and §7): decides from the header section, then decodes and
// encodes the chunked coding as a stream. Holds no body; the decoder works in the caller's buffer.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "http-proxy/message.hpp"

namespace egress::http {

enum class BodyKind : std::uint8_t { none, length, chunked, until_close };

struct Body {
  BodyKind kind = BodyKind::none;
  std::uint64_t length = 0;  // of kind length; Content-Length: 0 is kind length, too

  bool is_empty() const {
    return kind == BodyKind::none || (kind == BodyKind::length && length == 0);
  }
  bool operator==(const Body&) const = default;
};

// RFC 9112 §6.3. Failures: 400 for what is malformed or ambiguous, 501 for a transfer coding other
// than chunked.
Outcome<Body> request_body(const RequestHead& head);

struct ResponseFraming {
  Body body;
  // What Content-Length says where no body follows (HEAD, 304): the length of the response to GET.
  std::optional<std::uint64_t> told_length;
  // close where the body ends with the connection, and where another reader of what came could find
  // another end: what follows on the connection is then nobody's response.
  Persistence persistence = Persistence::keep_alive;
};
// Failures: 502. `request` is the method that the response answers; 1xx have no body.
Outcome<ResponseFraming> response_framing(const ResponseHead& head, Method request,
                                          Reading reading);

// After this many interim (1xx) responses to one request an origin is taken as broken.
inline constexpr unsigned kMostInterimResponses = 16;

struct ChunkLimits {
  std::size_t line_bytes = 4096;           // of a chunk's size with its extensions
  std::size_t trailer_bytes = 16U << 10U;  // of all trailer fields
  std::size_t trailer_fields = 100;
  // Bytes of extensions and line ends beyond one for each byte of data, before it is called abuse.
  std::size_t overhead_bytes = 1U << 20U;
};

// Decodes in place: the data bytes of `buffer` are moved to its front, sizes, extensions and line
// ends vanish. Linear in the bytes seen, with constant memory but for the trailers.
class ChunkDecoder {
 public:
  explicit ChunkDecoder(const ChunkLimits& limits = {}) : limits_(limits) {}

  struct Step {
    std::size_t data = 0;  // bytes of data, now at the front of the buffer
    std::size_t consumed =
        0;  // bytes of the buffer used up; what is behind belongs to the next message
  };

  // Decodes all that `buffer` holds of this body. After done() consumes no more.
  Step decode(char* buffer, std::size_t size);

  bool done() const { return state_ == State::done; }
  bool failed() const { return state_ == State::failed; }
  const std::string& failure() const { return failure_; }  // a sentence, when failed
  // When done: the trailer fields that may be passed on, "Name: value\r\n" each.
  const std::string& trailers() const { return trailers_; }

 private:
  enum class State : std::uint8_t {
    size,
    blanks,  // white space before an extension (RFC 9112 §7.1.1)
    extension,
    size_lf,
    data,
    data_cr,
    data_lf,
    trailer,
    done,
    failed
  };

  bool fail(std::string sentence);
  bool fail_over(std::string_view what, std::size_t limit, std::string_view unit);
  bool take(char c);
  bool take_size(char c);
  bool take_behind_size(char c);
  bool take_trailer(char c);
  bool end_of_size_line();
  bool end_of_trailer_line();

  ChunkLimits limits_;
  State state_ = State::size;
  std::uint64_t left_ = 0;  // of this chunk's size, then of its data
  unsigned digits_ = 0;
  std::size_t line_ = 0;  // bytes behind the size in the current line
  std::size_t overhead_ = 0;
  std::size_t trailer_bytes_ = 0;
  std::size_t trailer_fields_ = 0;
  std::string trailer_line_;
  std::string trailers_;
  std::string failure_;
};

// "5\r\n", in front of that many bytes of data (which kChunkEnd follows). `size` > 0.
struct ChunkHead {
  char text[18];
  std::size_t size;
  std::string_view view() const { return {text, size}; }
};
ChunkHead make_chunk_head(std::uint64_t size);
inline constexpr std::string_view kChunkEnd = "\r\n";
inline constexpr std::string_view kLastChunk = "0\r\n";  // then trailers, then kChunkEnd

}  // namespace egress::http
