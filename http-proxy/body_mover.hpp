// Moves a message on: its rewritten header section, then its body piece by piece, from the framing
// that it came in to the framing that it goes on in. Without I/O: bytes appear in a buffer, pieces
// to write come out. Holds no copy of the body.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "http-proxy/framing.hpp"
#include "http-proxy/gather.hpp"
#include "http-proxy/read_buffer.hpp"

namespace egress::http {

struct BodyFlow {
  std::string_view head;  // goes first; must live until it is written
  Body from;
  Body to;
};

class BodyMover {
 public:
  enum class Step : std::uint8_t {
    write,      // pieces(), until they are consumed
    read,       // more bytes are needed in the buffer, or source_ended()
    complete,   // all of it was written
    malformed,  // what came before the fault was written, unless nothing was at all
  };

  // `source` holds what was read behind the header section, and must outlive this object. While
  // there are pieces to write, nothing may be added to it.
  BodyMover(ReadBuffer& source, const BodyFlow& flow)
      : source_(source), flow_(flow), left_(flow.from.length), ended_(flow.from.is_empty()) {}

  Step next();
  Gather& pieces() { return pieces_; }
  // The source closed in order. False where the body is not complete by that.
  bool source_ended();

  bool is_complete() const { return complete_; }
  std::uint64_t consumed() const { return consumed_; }  // bytes of the source, framing included
  std::string_view fault() const { return decoder_.failure(); }  // a sentence, when malformed

 private:
  std::size_t decode();
  void compose(std::size_t data);

  ReadBuffer& source_;
  BodyFlow flow_;
  ChunkDecoder decoder_;
  Gather pieces_;
  ChunkHead chunk_{};
  std::string tail_;      // what follows the data of the pieces
  std::size_t used_ = 0;  // bytes of the source that the pieces come from
  std::uint64_t left_;    // of a body with a length
  std::uint64_t consumed_ = 0;
  bool ended_;  // the last byte of the body was decoded
  bool complete_ = false;
};

}  // namespace egress::http
