// Bytes both ways between two TCP connections, until both ends have ended or the time is up: by a
// buffer of the thread while messages are small, by splice(2) for bulk. A half-close is passed on.
// A relay that is idle holds no buffer and no pipe. Changes no byte.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "common/net/deadlines.hpp"
#include "common/net/pipe_pool.hpp"

namespace egress::net {

struct RelayOptions {
  std::chrono::milliseconds idle = std::chrono::minutes(15);  // without a byte either way
  std::chrono::milliseconds half_close =
      std::chrono::seconds(60);  // the same, once a side has ended
  PipePool::Options pipes;
};

enum class RelayEnd : std::uint8_t {
  complete,      // both sides ended, all was passed on
  client_error,  // reset, or it went away with bytes for it under way
  upstream_error,
  idle,     // the time was up
  refused,  // by the observer
  aborted,
};
std::string_view to_text(RelayEnd end);  // "client_error"

struct RelayBytes {
  std::uint64_t to_upstream = 0;  // written, not merely read
  std::uint64_t to_client = 0;
};

enum class Inspection : std::uint8_t {
  pass,    // send it on, and show the next bytes
  hold,    // keep it back until a later answer
  finish,  // send it on, and show no more
  refuse,  // end the relay; nothing held is sent
};

// Who started a relay; owned by it. Called on the relay's thread.
class RelayObserver {
 public:
  virtual ~RelayObserver() = default;
  // The next bytes from the client, before they are sent. Not called after it said finish.
  virtual Inspection on_client_bytes(std::string_view) { return Inspection::finish; }
  // Once, after both sockets are closed; the observer is destroyed next.
  virtual void on_end(RelayEnd end, const RelayBytes& bytes) = 0;
};

struct RelayStart {
  boost::asio::ip::tcp::socket client;  // connected; non-blocking is set here
  boost::asio::ip::tcp::socket upstream;
  std::string from_client;    // read already: shown to the observer and passed on first
  std::string from_upstream;  // the same, to the client
  std::unique_ptr<RelayObserver> observer;
};

// The relays of one thread, and what they share.
class Relays {
 public:
  // At most held back for an observer that said hold; then the relay ends as refused.
  static constexpr std::size_t kMostHeld = 64U << 10U;

  // Both must outlive this object.
  Relays(boost::asio::io_context& io, Deadlines& deadlines, RelayOptions options);
  // Ends those under way as aborted.
  ~Relays();
  Relays(const Relays&) = delete;
  Relays& operator=(const Relays&) = delete;

  // Runs on its own from here; ends by itself, or by abort(). May end within this call.
  void start(RelayStart start);
  void abort();  // for good: one that is started later ends at once

  std::size_t active() const;
  // Moved by all relays that there were, those under way included.
  RelayBytes total() const;

 private:
  class Relay;
  struct Shared;

  std::unique_ptr<Shared> shared_;
};

}  // namespace egress::net
