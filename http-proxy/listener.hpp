// A listening socket of one worker: accepts clients and starts their sessions. Where files run out or
// the limit of connections is reached it leaves new ones to the backlog, looks again a few times a
// second, and never spins.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "common/result.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

class Listener {
 public:
  // Binds and listens, beside the listeners of other workers on the same address. Errors:
  // configuration, with the address.
  static Result<std::unique_ptr<Listener>> open(Worker& worker, const ListenAddress& where);

  // On the worker's thread, until close().
  void start();
  void close();

 private:
  Listener(Worker& worker, boost::asio::ip::tcp::acceptor acceptor);

  void accept();
  void pause();

  Worker& worker_;
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer timer_;
};

}  // namespace egress::http
