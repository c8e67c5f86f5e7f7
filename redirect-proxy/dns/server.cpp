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
#include "redirect-proxy/dns/limits.hpp"
#include "redirect-proxy/dns/report.hpp"
#include "redirect-proxy/dns/upstreams.hpp"
#include "redirect-proxy/dns/worker.hpp"

namespace egress::dns {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kReloadInterval(1);

class Server {
 public:
  Server(DnsProxyConfig config, const ServerHooks& hooks)
      : config_(std::move(config)),
        hooks_(hooks),
        thread_count_(config_.threads == 0 ? net::usable_cpus() : config_.threads),
        log_(STDOUT_FILENO),
        files_(net::raise_file_limit()),
        limits_(share_descriptors(config_, config_.table, files_, thread_count_)),
        slots_(limits_.connections),
        extra_attempts_(limits_.extra_attempts),
        table_file_(config_.table_path),
        reload_timer_(io_),
        lifecycle_(io_, {.drain = config_.drain}, lifecycle_hooks(),
                   [this] { return slots_.used() == 0; }) {}

  Result<void> run() {
    if (auto opened = open(); !opened) return opened;
    for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    lifecycle_.set_ready();
    hooks_.info("serving " + std::to_string(uses_.size()) + " ports by " +
                std::to_string(workers_.size()) + " threads, at most " +
                std::to_string(slots_.limit()) + " clients");
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
    auto upstreams =
        Upstreams::make(io_, config_, limits_.checks,
                        {.publish = [this](auto snapshot) { publish(std::move(snapshot)); },
                         .info = hooks_.info,
                         .warn = hooks_.warn});
    if (!upstreams) return upstreams.error();
    upstreams_ = std::move(*upstreams);
    for (std::size_t i = 0; i < thread_count_; ++i)
      workers_.push_back(std::make_unique<Worker>(shared_, i));
    if (auto applied = apply(config_.table); !applied) return applied;
    return open_admin();
  }

  // Whole or not at all: nothing is changed before all ports of all workers are bound.
  Result<void> apply(TargetTable text) {
    std::vector<LocalPort> added;
    std::map<LocalPort, EntryUses> uses;
    for (const auto local : local_ports(text)) {
      const auto known = uses_.find(local);
      if (known == uses_.end()) added.push_back(local);
      uses.emplace(local, known == uses_.end() ? make_entry_uses(thread_count_) : known->second);
    }
    std::vector<OpenPorts> opened;
    for (std::size_t i = 0; i < workers_.size(); ++i) {
      auto ports = workers_[i]->open(added);
      if (!ports) return ports.error();
      for (auto& [local, port] : *ports) port.use = uses.at(local)[i];
      opened.push_back(std::move(*ports));
    }
    uses_ = std::move(uses);
    limits_ = share_descriptors(config_, text, files_, thread_count_);
    for (const auto& warning : limits_.warnings) hooks_.warn(warning);
    slots_.set_limit(limits_.connections);
    const auto snapshot = upstreams_->set_table(make_table(std::move(text)));
    for (std::size_t i = 0; i < workers_.size(); ++i)
      workers_[i]->adopt({snapshot, std::move(opened[i]), max_flows(i)});
    return {};
  }

  void publish(const std::shared_ptr<const Snapshot>& snapshot) {
    for (std::size_t i = 0; i < workers_.size(); ++i)
      workers_[i]->adopt({snapshot, {}, max_flows(i)});
  }

  // A worker's part of the flows.
  std::size_t max_flows(std::size_t worker) const {
    return limits_.udp_flows / thread_count_ + (worker < limits_.udp_flows % thread_count_ ? 1 : 0);
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
    return stage.empty() ? upstreams_->not_ready_because() : stage;
  }

  Report report() {
    std::size_t flows = 0;
    for (const auto& worker : workers_) flows += worker->flows();
    const auto why = not_ready_because();
    return {.upstreams = *upstreams_,
            .uses = uses_,
            .stage = why.empty() ? "ready" : why,
            .threads = workers_.size(),
            .connections = slots_.used(),
            .connections_limit = slots_.limit(),
            .udp_flows = flows,
            .udp_flows_limit = limits_.udp_flows,
            .log_dropped = log_.dropped(),
            .table_refused = table_refused_};
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
    auto table =
        read_table(Environment({{"EGRESS_DNS_PROXY_DESTINATION_FILE", config_.table_path}}),
                   config_.admin, diagnostics);
    if (diagnostics.has_errors()) return reject(diagnostics.to_text(Severity::error));
    const auto applied = apply(std::move(table));
    if (!applied) return reject(to_text(applied.error()) + "\n");
    table_refused_ = false;
    hooks_.info("new table applied: " + std::to_string(uses_.size()) + " ports");
  }

  void reject(const std::string& why) {
    table_refused_ = true;
    hooks_.error("changed table rejected, the one before stays applied\n" + why);
  }

  DnsProxyConfig config_;
  const ServerHooks& hooks_;
  const std::size_t thread_count_;
  std::vector<IpAddress> outside_;  // sorted; as they were at the start
  net::AccessLog log_;
  const std::size_t files_;  // the limit of open ones
  Limits limits_;
  net::ConnectionSlots slots_;
  net::ConnectionSlots extra_attempts_;
  const Worker::Shared shared_{
      .config = config_,
      .log = log_,
      .slots = slots_,
      .extra_attempts = extra_attempts_,
      .health = [this](Protocol protocol) -> Health& { return upstreams_->health(protocol); },
      .is_outside =
          [this](const IpAddress& local) {
            return std::binary_search(outside_.begin(), outside_.end(), local);
          },
      .max_pipes = limits_.pipes / thread_count_};
  FileWatch table_file_;
  bool table_refused_ = false;
  asio::io_context io_;  // of the main thread: signals, names, checks, endpoint, reload
  asio::steady_timer reload_timer_;
  std::unique_ptr<Upstreams> upstreams_;
  std::map<LocalPort, EntryUses> uses_;  // of each entry
  net::Lifecycle lifecycle_;
  std::vector<net::AdminServer> admins_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<void> serve(DnsProxyConfig config, const ServerHooks& hooks) {
  return Server(std::move(config), hooks).run();
}

}  // namespace egress::dns
