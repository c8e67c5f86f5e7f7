// Moves one message to the other side: its new head, then its body piece by piece, from the framing
// that it came in to the framing that it goes on in. Holds one buffer's worth and no more.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "http-proxy/framing.hpp"
#include "http-proxy/session_io.hpp"

namespace egress::http {

enum class BodyEnd : std::uint8_t {
  complete,
  source_ended,   // closed before the end of the body
  source_failed,  // reset, or cancelled at the deadline
  malformed,      // its chunks; `fault` says how
  sink_failed,
};

struct BodyFlow {
  Socket& source;
  ReadBuffer& buffer;  // what was read of the body already, and perhaps of the message behind it
  Socket& sink;
  std::string_view head;  // goes first
  Body from;
  Body to;
  std::size_t buffer_bytes = 0;
  std::function<void()> on_progress;  // after each piece, to renew the deadline
};

struct BodyResult {
  BodyEnd end = BodyEnd::complete;
  std::uint64_t read = 0;     // bytes of the source, framing included
  std::uint64_t written = 0;  // bytes to the sink, head included
  std::string_view fault;
  error_code error;
};

// run() moves all of it, or up to the first failure.
class BodyRelay {
 public:
  explicit BodyRelay(BodyFlow flow) : flow_(std::move(flow)), left_(flow_.from.length) {}

  awaitable<void> run();

  // While it runs: the source is the slow one.
  bool waits_for_source() const { return waits_for_source_; }
  // It is to end at its next wait.
  void stop() { stopped_ = true; }
  bool has_ended() const { return ended_; }
  bool is_complete() const { return ended_ && result_.end == BodyEnd::complete; }
  const BodyResult& result() const { return result_; }

 private:
  awaitable<BodyEnd> move_all();
  std::size_t decode(std::size_t& used);
  awaitable<bool> write_piece(std::size_t data);
  awaitable<bool> read_more();

  BodyFlow flow_;
  BodyResult result_;
  ChunkDecoder decoder_;
  std::uint64_t left_;
  bool source_done_ = false;
  bool waits_for_source_ = false;
  bool ended_ = false;
  bool stopped_ = false;
};

}  // namespace egress::http
