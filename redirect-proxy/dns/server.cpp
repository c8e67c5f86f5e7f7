#include "redirect-proxy/dns/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "common/file_watch.hpp"
#include "common/net/admin.hpp"
#include "common/net/admin_tls.hpp"
#include "common/net/cpus.hpp"
#include "common/net/lifecycle.hpp"
#include "common/net/own_addresses.hpp"
#include "redirect-proxy/dns/checker.hpp"
#include "redirect-proxy/dns/directory.hpp"
#include "redirect-proxy/dns/pool_builder.hpp"
#include "redirect-proxy/dns/report.hpp"
#include "redirect-proxy/dns/worker.hpp"

namespace egress::dns {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kReloadInterval(1);

std::size_t connection_limit(const DnsProxyConfig& config, std::size_t threads) {
  const auto files = net::raise_file_limit();
  if (config.connections > 0) return config.connections;
  std::size_t listeners = 0;
  for (const auto& target : config.table.targets) listeners += target.local.size() * threads;
  return net::connections_for(
      {.files = files,
       .per_connection = 2,
       .reserved = 128 + listeners + std::min(config.udp_flows, files / 4)});
}

class Server {
 public:
  Server(DnsProxyConfig config, const ServerHooks& hooks)
      : config_(std::move(config)),
        hooks_(hooks),
        thread_count_(config_.threads == 0 ? net::usable_cpus() : config_.threads),
        log_(STDOUT_FILENO),
        slots_(connection_limit(config_, thread_count_)),
        builder_(thread_count_),
        table_file_(config_.table_path),
        reload_timer_(io_),
        checker_(io_, {.interval = config_.check_interval},
                 [this](const Endpoint& endpoint, bool up) { on_check(endpoint, up); }),
        lifecycle_(io_, {.drain = config_.drain}, lifecycle_hooks(),
                   [this] { return slots_.used() == 0; }) {}

  Result<void> run() {
    if (auto opened = open(); !opened) return opened;
    for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    lifecycle_.set_ready();
    hooks_.info("serving " + std::to_string(snapshot_->size()) + " ports by " +
                std::to_string(workers_.size()) + " threads, at most " +
                std::to_string(slots_.limit()) + " clients");
    directory_->follow(config_.table);
    watch_table();
    io_.run();
    for (auto& worker : workers_) worker->stop();
    for (auto& thread : threads_) thread.join();
    return {};
  }

 private:
  net::Lifecycle::Hooks lifecycle_hooks() {
    return {.drain =
                [this] {
                  hooks_.info("draining");
                  for (auto& worker : workers_) worker->drain();
                },
            .abort =
                [this] {
                  for (auto& worker : workers_) worker->abort();
                },
            .end = [this] { io_.stop(); }};
  }

  Result<void> open() {
    outside_ = net::read_addresses_of(config_.outside_interface);
    auto directory = Directory::make(
        io_, {net::resolver_options(config_.dns), config_.hold_gone},
        {.on_change = [this] { publish(); }, .info = hooks_.info, .warn = hooks_.warn});
    if (!directory) return directory.error();
    directory_ = std::move(*directory);
    snapshot_ = build();
    checker_.set(tcp_endpoints(*snapshot_));
    for (std::size_t i = 0; i < thread_count_; ++i) {
      workers_.push_back(std::make_unique<Worker>(shared_, i));
      if (auto opened = workers_.back()->open(snapshot_); !opened) return opened;
    }
    return open_admin();
  }

  Result<void> open_admin() {
    net::AdminOptions options;
    if (config_.admin.has_tls()) {
      auto tls =
          net::make_admin_tls(config_.admin.tls_certificate, config_.admin.tls_key, hooks_.error);
      if (!tls) return tls.error();
      options.transport = std::move(*tls);
    }
    for (const auto& where : config_.admin.listen) {
      auto admin = net::AdminServer::open(io_, where, admin_handlers(), options);
      if (!admin) return admin.error();
      admins_.push_back(std::move(*admin));
    }
    return {};
  }

  net::AdminHandlers admin_handlers() {
    return {.not_ready_because = [this] { return not_ready_because(); },
            .metrics = [this] { return to_metrics(report()); },
            .status = [this] { return to_status(report()); },
            .not_alive_because = {}};
  }

  std::string not_ready_because() const {
    const auto stage = lifecycle_.not_ready_because();
    return stage.empty() ? unresolved_names(*directory_) : stage;
  }

  Report report() {
    std::size_t flows = 0;
    for (const auto& worker : workers_) flows += worker->flows();
    const auto why = not_ready_because();
    return {.table = config_.table,
            .pools = *snapshot_,
            .directory = *directory_,
            .is_up = [this](const Endpoint& endpoint) { return checker_.is_up(endpoint); },
            .stage = why.empty() ? "ready" : why,
            .threads = workers_.size(),
            .connections = slots_.used(),
            .connections_limit = slots_.limit(),
            .udp_flows = flows,
            .log_dropped = log_.dropped(),
            .table_refused = table_refused_};
  }

  Snapshot build() {
    return builder_.build(
        config_.table, [this](const Host& host) { return directory_->addresses_of(host); },
        [this](const Endpoint& endpoint) { return checker_.is_up(endpoint); });
  }

  void publish() {
    snapshot_ = build();
    checker_.set(tcp_endpoints(*snapshot_));
    for (auto& worker : workers_) worker->adopt(snapshot_);
  }

  void on_check(const Endpoint& endpoint, bool up) {
    const auto was = std::find_if(health_.begin(), health_.end(),
                                  [&](const auto& each) { return each.first == endpoint; });
    if (was == health_.end() ? !up : was->second != up) {
      up ? hooks_.info(to_text(endpoint) + " is up again")
         : hooks_.warn(to_text(endpoint) + " is down: it takes no connection");
    }
    health_[endpoint] = up;
    for (auto& worker : workers_) worker->set_health(endpoint, up);
  }

  void watch_table() {
    if (table_file_.has_changed()) read_table_again();
    reload_timer_.expires_after(kReloadInterval);
    reload_timer_.async_wait([this](boost::system::error_code error) {
      if (!error) watch_table();
    });
  }

  void read_table_again() {
    Diagnostics diagnostics;
    auto table = read_table(
        Environment({{"EGRESS_DNS_PROXY_DESTINATION_FILE", config_.table_path}}), diagnostics);
    table_refused_ = diagnostics.has_errors();
    if (table_refused_) {
      hooks_.error("the table stays as it was, for the file that changed has errors\n" +
                   diagnostics.to_text(Severity::error));
      return;
    }
    config_.table = std::move(table);
    directory_->follow(config_.table);
    publish();
    hooks_.info("new table: " + std::to_string(snapshot_->size()) + " ports");
  }

  DnsProxyConfig config_;
  const ServerHooks& hooks_;
  const std::size_t thread_count_;
  std::vector<IpAddress> outside_;  // sorted; as they were at the start
  net::AccessLog log_;
  net::ConnectionSlots slots_;
  const Worker::Shared shared_{
      .config = config_,
      .log = log_,
      .slots = slots_,
      .is_outside =
          [this](const IpAddress& local) {
            return std::binary_search(outside_.begin(), outside_.end(), local);
          },
      .error = [this](std::string_view text) { hooks_.error(text); },
      .udp_flows = std::max<std::size_t>(1, config_.udp_flows / thread_count_)};
  PoolBuilder builder_;
  FileWatch table_file_;
  bool table_refused_ = false;
  asio::io_context io_;  // of the main thread: signals, names, checks, endpoint, reload
  asio::steady_timer reload_timer_;
  std::unique_ptr<Directory> directory_;
  Checker checker_;
  std::map<Endpoint, bool> health_;  // what was told last
  net::Lifecycle lifecycle_;
  Snapshot snapshot_;
  std::vector<net::AdminServer> admins_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<void> serve(DnsProxyConfig config, const ServerHooks& hooks) {
  return Server(std::move(config), hooks).run();
}

}  // namespace egress::dns
