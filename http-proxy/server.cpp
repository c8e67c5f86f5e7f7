#include "http-proxy/server.hpp"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <algorithm>
#include <csignal>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include "http-proxy/listener.hpp"

namespace egress::http {

namespace asio = boost::asio;

namespace {

std::size_t usable_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return static_cast<std::size_t>(std::max(1, CPU_COUNT(&set)));
}

class Server {
 public:
  Server(HttpProxyConfig config, const ServerHooks& hooks)
      : config_(std::move(config)), hooks_(hooks), signals_(io_, SIGTERM, SIGINT), timer_(io_) {}

  Result<void> run() {
    config_.policy.own_listeners = config_.listen;
    auto policy = std::make_shared<const Policy>(config_.rules, config_.policy);
    const std::size_t threads = config_.threads == 0 ? usable_cpus() : config_.threads;
    for (std::size_t i = 0; i < threads; ++i) {
      workers_.push_back(std::make_unique<Worker>(
          Worker::Shared{config_, "egress", access_log_, 8000 / threads}, policy));
      for (const auto& where : config_.listen) {
        auto listener = Listener::open(*workers_.back(), where);
        if (!listener) return listener.error();
        listeners_.push_back(std::move(*listener));
        listeners_.back()->start();
      }
    }
    for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    hooks_.info("ready");
    signals_.async_wait([this](boost::system::error_code, int) {
      for (auto& worker : workers_) worker->io().stop();
    });
    io_.run();
    for (auto& thread : threads_) thread.join();
    return {};
  }

 private:
  HttpProxyConfig config_;
  const ServerHooks& hooks_;
  AccessLog access_log_{STDOUT_FILENO};
  asio::io_context io_;
  asio::signal_set signals_;
  asio::steady_timer timer_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::unique_ptr<Listener>> listeners_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<void> serve(HttpProxyConfig config, const ServerHooks& hooks) {
  return Server(std::move(config), hooks).run();
}

}  // namespace egress::http
