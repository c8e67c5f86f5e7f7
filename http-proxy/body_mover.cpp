#include "http-proxy/body_mover.hpp"

#include <algorithm>

namespace egress::http {

BodyMover::Step BodyMover::next() {
  if (!pieces_.empty()) return Step::write;
  source_.consume(used_);
  consumed_ += used_;
  used_ = 0;
  if (complete_) return Step::complete;
  const std::size_t data = decoder_.failed() ? 0 : decode();
  // A fault that is known before anything was written can be answered instead.
  const bool unwritten = !flow_.head.empty();
  if (decoder_.failed() && (unwritten || data == 0)) return Step::malformed;
  compose(data);
  complete_ = ended_;
  if (!pieces_.empty()) return Step::write;
  source_.consume(used_);
  consumed_ += used_;
  used_ = 0;
  return complete_ ? Step::complete : Step::read;
}

bool BodyMover::source_ended() {
  ended_ = flow_.from.kind == BodyKind::until_close;
  return ended_;
}

// Bytes of data at the front of the buffer, out of `used_` bytes of it.
std::size_t BodyMover::decode() {
  const std::size_t size = source_.size();
  if (ended_ || size == 0) return 0;
  switch (flow_.from.kind) {
    case BodyKind::none: return 0;
    case BodyKind::until_close: return used_ = size;
    case BodyKind::length:
      used_ = static_cast<std::size_t>(std::min<std::uint64_t>(left_, size));
      left_ -= used_;
      ended_ = left_ == 0;
      return used_;
    case BodyKind::chunked: {
      const auto step = decoder_.decode(static_cast<char*>(source_.data().data()), size);
      used_ = step.consumed;
      ended_ = decoder_.done();
      return step.data;
    }
  }
  return 0;
}

void BodyMover::compose(std::size_t data) {
  pieces_.add(flow_.head);
  flow_.head = {};
  const bool chunked = flow_.to.kind == BodyKind::chunked;
  if (chunked && data > 0) {
    chunk_ = make_chunk_head(data);
    pieces_.add(chunk_.view());
  }
  pieces_.add(view(source_).substr(0, data));
  tail_.clear();
  if (chunked && data > 0) tail_ = kChunkEnd;
  if (chunked && ended_) tail_.append(kLastChunk).append(decoder_.trailers()).append(kChunkEnd);
  pieces_.add(tail_);
}

}  // namespace egress::http
