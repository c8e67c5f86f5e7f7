#include "redirect-proxy/dns/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "common/file_watch.hpp"
#include "common/net/cpus.hpp"
#include "common/net/destination.hpp"
#include "common/net/server.hpp"
#include "redirect-proxy/dns/limits.hpp"
#include "redirect-proxy/dns/report.hpp"
#include "redirect-proxy/dns/upstreams.hpp"
#include "redirect-proxy/dns/worker.hpp"

namespace egress::dns {

namespace {

class Proxy final : public net::Service {
 public:
  Proxy(DnsProxyConfig config, const Log& log)
      : config_(std::move(config)),
        log_(log),
        thread_count_(config_.threads == 0 ? net::usable_cpus() : config_.threads),
        access_log_(STDOUT_FILENO),
        files_(net::raise_file_limit()),
        limits_(share_descriptors(config_, config_.table, files_, thread_count_)),
        slots_(limits_.connections),
        extra_attempts_(limits_.extra_attempts),
        table_file_(config_.table_path),
        server_({.admin = config_.admin,
                 .egress_interface = config_.outside_interface,
                 .drain = config_.drain,
                 .drain_delay = config_.drain_delay},
                *this, log_) {}

  Result<void> run() {
    if (auto opened = open(); !opened) return opened;
    std::vector<std::function<void()>> loops;
    for (auto& worker : workers_) loops.emplace_back([&worker] { worker->run(); });
    server_.run(std::move(loops));
    return {};
  }

 private:
  void on_start() override {
    log_(LogLevel::info, "nameservers: " + net::to_list(upstreams_->directory().nameservers()));
    log_(LogLevel::info, "serving " + std::to_string(uses_.size()) + " ports by " +
                             std::to_string(workers_.size()) + " threads, at most " +
                             std::to_string(slots_.limit()) + " clients");
  }
  bool is_idle() override { return slots_.used() == 0; }
  void drain() override {
    log_(LogLevel::info, "draining: no new connections from here on");
    for (auto& worker : workers_) worker->drain();
  }
  void abort() override {
    for (auto& worker : workers_) worker->abort();
  }
  void stop() override {
    for (auto& worker : workers_) worker->stop();
  }

  Result<void> open() {
    auto upstreams =
        Upstreams::make(server_.io(), config_, limits_.checks,
                        {.publish = [this](auto snapshot) { publish(std::move(snapshot)); },
                         .info = [this](std::string_view text) { log_(LogLevel::info, text); },
                         .warn = [this](std::string_view text) { log_(LogLevel::warn, text); }});
    if (!upstreams) return upstreams.error();
    upstreams_ = std::move(*upstreams);
    Diagnostics diagnostics;
    check_loops(config_.table, upstreams_->own_addresses(), config_.admin.listen, diagnostics);
    if (diagnostics.has_errors())
      return Error{ExitCode::configuration, "the table", diagnostics.to_text(Severity::error), {}};
    for (std::size_t i = 0; i < thread_count_; ++i)
      workers_.push_back(std::make_unique<Worker>(shared_, i));
    if (auto applied = apply(config_.table); !applied) return applied;
    return server_.open_admin();
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
    for (const auto& warning : limits_.warnings) log_(LogLevel::warn, warning);
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

  std::string metrics() override {
    net::MetricsText out;
    net::append_connections(out, "egress_dns_proxy", slots_);
    return to_metrics(report()) + out.take();
  }
  std::string status() override { return to_status(report()); }
  std::string not_ready_because() override { return upstreams_->not_ready_because(); }

  Report report() {
    std::size_t flows = 0;
    for (const auto& worker : workers_) flows += worker->flows();
    return {.upstreams = *upstreams_,
            .uses = uses_,
            .stage = server_.stage(),
            .threads = workers_.size(),
            .connections = slots_.used(),
            .connections_limit = slots_.limit(),
            .udp_flows = flows,
            .udp_flows_limit = limits_.udp_flows,
            .log_dropped = access_log_.dropped(),
            .table_refused = table_refused_};
  }

  void reload(net::Reload when) override {
    if (const auto line = limit_notice_.poll(std::chrono::steady_clock::now()))
      log_(LogLevel::warn, *line);
    if (when == net::Reload::always && config_.table_path.empty()) {
      return log_(LogLevel::warn,
                  "SIGHUP: nothing to reload: EGRESS_DNS_PROXY_DESTINATION_FILE is not set");
    }
    if (table_file_.has_changed() || when == net::Reload::always) read_table_again();
  }

  void read_table_again() {
    Diagnostics diagnostics;
    auto table = parse_contained(config_.table_path, diagnostics, [&] {
      return read_table(Environment({{"EGRESS_DNS_PROXY_DESTINATION_FILE", config_.table_path}}),
                        config_.admin, upstreams_->own_addresses(), diagnostics);
    });
    if (diagnostics.has_errors()) return reject(diagnostics.to_text(Severity::error));
    const auto applied = apply(std::move(table));
    if (!applied) return reject(to_text(applied.error()) + "\n");
    table_refused_ = false;
    log_(LogLevel::info, "new table applied: " + std::to_string(uses_.size()) + " ports");
  }

  void reject(const std::string& why) {
    table_refused_ = true;
    log_(LogLevel::error, "changed table rejected, the one before stays applied\n" + why);
  }

  DnsProxyConfig config_;
  const Log& log_;
  const std::size_t thread_count_;
  net::AccessLog access_log_;
  const std::size_t files_;  // the limit of open ones
  Limits limits_;
  net::ConnectionSlots slots_;
  net::ConnectionSlots extra_attempts_;
  net::ConnectionLimitNotice limit_notice_{slots_, "EGRESS_DNS_PROXY_CONNECTIONS"};
  FileWatch table_file_;
  bool table_refused_ = false;
  net::Server server_;
  const Worker::Shared shared_{
      .config = config_,
      .log = access_log_,
      .slots = slots_,
      .extra_attempts = extra_attempts_,
      .health = [this](Protocol protocol) -> Health& { return upstreams_->health(protocol); },
      .egress = server_.egress(),
      .max_pipes = limits_.pipes / thread_count_};
  std::unique_ptr<Upstreams> upstreams_;
  std::map<LocalPort, EntryUses> uses_;  // of each entry
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace

Result<void> serve(DnsProxyConfig config, const Log& log) {
  return Proxy(std::move(config), log).run();
}

}  // namespace egress::dns
