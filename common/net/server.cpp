#include "common/net/server.hpp"

#include <utility>

#include "common/net/admin_tls.hpp"

namespace egress::net {

namespace {

constexpr std::chrono::seconds kTick(1);

}  // namespace

// The threads beside the main loop, which end with it in any case.
class Server::Threads {
 public:
  explicit Threads(Server& server) : server_(server) {}
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;
  ~Threads() {
    server_.service_.stop();
    for (auto& thread : threads_) thread.join();
  }

  void start(std::vector<std::function<void()>> loops) {
    threads_.reserve(loops.size());
    for (auto& loop : loops) {
      threads_.emplace_back([&server = server_, loop = std::move(loop)] {
        try {
          loop();
        } catch (...) {
          server.fail(std::current_exception());
        }
      });
    }
  }

 private:
  Server& server_;
  std::vector<std::thread> threads_;
};

Server::Server(ServerOptions options, Service& service, const Log& log)
    : options_(std::move(options)),
      service_(service),
      log_(log),
      timer_(io_),
      egress_(io_, options_.egress_interface),
      lifecycle_(io_, {.drain = options_.drain, .delay = options_.drain_delay},
                 {.drain = [this] { service_.drain(); },
                  .abort = [this] { service_.abort(); },
                  .end = [this] { io_.stop(); },
                  .reload = [this] { service_.reload(Reload::always); }},
                 [this] { return service_.is_idle(); }) {}

Result<void> Server::open_admin() {
  AdminOptions options{.transport = {}, .egress = &egress_};
  if (options_.admin.has_tls()) {
    auto tls = make_admin_tls(options_.admin.tls_certificate, options_.admin.tls_key,
                              [this](std::string_view text) { log_(LogLevel::error, text); });
    if (!tls) return tls.error();
    options.transport = std::move(*tls);
  }
  const AdminHandlers handlers{.not_ready_because = [this] { return not_ready_because(); },
                               .metrics = [this] { return service_.metrics(); },
                               .status = [this] { return service_.status(); },
                               .not_alive_because = {}};
  for (const auto& where : options_.admin.listen) {
    auto admin = AdminServer::open(io_, where, handlers, options);
    if (!admin) return admin.error();
    admins_.push_back(std::move(*admin));
  }
  return {};
}

void Server::run(std::vector<std::function<void()>> loops) {
  {
    Threads threads(*this);
    threads.start(std::move(loops));
    lifecycle_.set_ready();
    service_.on_start();
    tick();
    io_.run();
  }
  if (failure_) std::rethrow_exception(failure_);
}

std::string Server::not_ready_because() const {
  auto why = lifecycle_.not_ready_because();
  return why.empty() ? service_.not_ready_because() : why;
}

std::string Server::stage() const {
  auto why = not_ready_because();
  return why.empty() ? "ready" : why;
}

void Server::tick() {
  egress_.retry();
  service_.reload(Reload::if_changed);
  timer_.expires_after(kTick);
  timer_.async_wait([this](boost::system::error_code error) {
    if (!error) tick();
  });
}

void Server::fail(std::exception_ptr failure) {
  const std::lock_guard lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
  io_.stop();
}

}  // namespace egress::net
