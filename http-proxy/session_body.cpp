#include "http-proxy/session_body.hpp"

#include <algorithm>
#include <boost/asio/error.hpp>

namespace egress::http {

awaitable<void> BodyRelay::run() {
  result_.end = co_await move_all();
  ended_ = true;
}

awaitable<BodyEnd> BodyRelay::move_all() {
  source_done_ = flow_.from.is_empty();
  for (;;) {
    std::size_t used = 0;
    const std::size_t data = decode(used);
    if (decoder_.failed()) {
      result_.fault = decoder_.failure();
      co_return BodyEnd::malformed;
    }
    if (!co_await write_piece(data)) co_return BodyEnd::sink_failed;
    flow_.buffer.consume(used);
    result_.read += used;
    if (source_done_) co_return BodyEnd::complete;
    if (!co_await read_more()) {
      const bool at_end = result_.error == boost::asio::error::eof;
      if (!at_end) co_return BodyEnd::source_failed;
      if (flow_.from.kind != BodyKind::until_close) co_return BodyEnd::source_ended;
      source_done_ = true;
    }
  }
}

// Bytes of data at the front of the buffer, and bytes of the buffer that they came from.
std::size_t BodyRelay::decode(std::size_t& used) {
  if (source_done_ || flow_.buffer.empty()) return 0;
  switch (flow_.from.kind) {
    case BodyKind::none: return 0;
    case BodyKind::until_close: return used = flow_.buffer.size();
    case BodyKind::length:
      used = static_cast<std::size_t>(std::min<std::uint64_t>(left_, flow_.buffer.size()));
      left_ -= used;
      source_done_ = left_ == 0;
      return used;
    case BodyKind::chunked: {
      const auto step = decoder_.decode(flow_.buffer.data(), flow_.buffer.size());
      used = step.consumed;
      source_done_ = decoder_.done();
      return step.data;
    }
  }
  return 0;
}

awaitable<bool> BodyRelay::write_piece(std::size_t data) {
  Gather gather;
  gather.add(flow_.head);
  flow_.head = {};
  ChunkHead chunk{};
  const bool chunked = flow_.to.kind == BodyKind::chunked;
  if (chunked && data > 0) {
    chunk = make_chunk_head(data);
    gather.add(chunk.view());
  }
  gather.add({flow_.buffer.data(), data});
  std::string end;
  if (chunked && data > 0) end = kChunkEnd;
  if (chunked && source_done_) end.append(kLastChunk).append(decoder_.trailers()).append(kChunkEnd);
  gather.add(end);
  if (gather.empty()) co_return true;

  const std::size_t size = gather.size();
  result_.error = write_now(flow_.sink, gather);
  if (!result_.error && !gather.empty()) {
    flow_.on_progress();
    result_.error = co_await write_rest(flow_.sink, gather);
  }
  result_.written += size - gather.size();
  co_return !result_.error;
}

awaitable<bool> BodyRelay::read_more() {
  if (stopped_) {
    result_.error = boost::asio::error::operation_aborted;
    co_return false;
  }
  flow_.buffer.make_room(flow_.buffer_bytes, flow_.buffer_bytes);
  flow_.on_progress();
  waits_for_source_ = true;
  result_.error = co_await read_some(flow_.source, flow_.buffer);
  waits_for_source_ = false;
  co_return !result_.error;
}

}  // namespace egress::http
