// A tunnel: bytes both ways between a client and an upstream, until both have ended or the time is
// up. Looks at the TLS hello on its way where the rules ask for it; changes no byte. While nothing
// moves it holds no buffer and no pipe. Owns both connections.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "http-proxy/access_record.hpp"
#include "http-proxy/client_hello.hpp"
#include "http-proxy/connection.hpp"
#include "http-proxy/session_io.hpp"
#include "http-proxy/tunnel_pipe.hpp"

namespace egress::http {

class Worker;
class Policy;

// What a session hands over.
struct TunnelStart {
  Socket client;
  Socket upstream;
  std::string from_client;    // read already, to be passed on first
  std::string from_upstream;  // the same, to the client
  std::string method;
  std::string target;
  std::string host;  // canonical name that CONNECT asked for; empty: no hello is looked for
  std::shared_ptr<const Policy> policy;
  std::chrono::steady_clock::time_point began;
  AccessRecord record;  // of the request so far; its views are set anew
};

// Runs on the worker's loop, owned by what it waits for; its line is logged when it ends.
void start_tunnel(Worker& worker, TunnelStart start);

class Tunnel final : public Connection, public std::enable_shared_from_this<Tunnel> {
 public:
  Tunnel(Worker& worker, TunnelStart start);
  ~Tunnel() override;

  void begin();

 private:
  // One way: what was read of the source and not yet written to the sink.
  struct Direction {
    Direction(Socket& from, Socket& to) : source(from), sink(to) {}

    Socket& source;
    Socket& sink;
    std::string kept;  // before what is in the pipe
    std::optional<Pipe> pipe;
    std::uint64_t bytes = 0;  // written
    unsigned full_reads = 0;  // in a row: bulk data goes by the pipe
    bool ended = false;       // the source sends no more
    bool closed = false;      // and the sink was told
  };
  enum class Step : std::uint8_t { again, wait_source, wait_sink, done, failed };

  void on_deadline() override;
  void on_drain() override {}
  void on_abort() override;

  void pump(Direction& way);
  void wait(Direction& way, Socket& socket, Socket::wait_type what);
  Step move(Direction& way);
  Step flush(Direction& way);
  Step fill(Direction& way);
  Step fill_pipe(Direction& way);
  Step end_source(Direction& way);
  void renew_deadline();

  // False where the tunnel must not go on.
  bool look_at_hello(std::string_view bytes);
  SniOutcome judge_hello();
  bool holds_for_hello(const Direction& way) const;

  Worker& worker_;
  Socket client_;
  Socket upstream_;
  Direction up_;    // client to upstream
  Direction down_;  // upstream to client
  std::unique_ptr<ClientHelloReader> hello_;  // until it is decided
  std::shared_ptr<const Policy> policy_;
  std::chrono::steady_clock::time_point began_;
  std::string method_, target_, host_, server_name_;
  AccessRecord record_;
};

}  // namespace egress::http
