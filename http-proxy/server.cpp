#include "http-proxy/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <vector>

#include "common/net/cpus.hpp"
#include "common/net/destination.hpp"
#include "common/net/server.hpp"
#include "common/version.hpp"
#include "http-proxy/dialler.hpp"
#include "http-proxy/rules_file.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

namespace {

constexpr std::string_view kConnections = "EGRESS_HTTP_PROXY_CONNECTIONS";
constexpr std::size_t kMostPooled = 1024;  // of all workers

// Unique among proxies that a request may pass, and tells nothing of where this one runs.
std::string make_pseudonym() {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "egress-%08x", std::random_device{}());
  return text.data();
}

// Of files, kept free for all that is no client's connection or its upstream: the admin endpoint
// has up to 41 of them.
std::size_t reserved_files(std::size_t files) { return 96 + std::min(files / 8, kMostPooled * 2); }

class Proxy final : public net::Service {
 public:
  Proxy(HttpProxyConfig config, const Log& log)
      : config_(std::move(config)),
        log_(log),
        files_(net::raise_file_limit()),
        limit_(net::limit_connections(
            config_.limits.connections, kConnections,
            {.files = files_, .per_connection = 2, .reserved = reserved_files(files_)})),
        pseudonym_(config_.pseudonym.empty() ? make_pseudonym() : config_.pseudonym),
        access_log_(STDOUT_FILENO),
        slots_(limit_.connections),
        clients_(config_.limits.connections_per_client),
        rules_file_(config_.rules_path),
        server_({.admin = config_.admin,
                 .egress_interface = config_.egress_interface,
                 .drain = config_.deadlines.drain,
                 .drain_delay = config_.deadlines.drain_delay},
                *this, log_) {}

  Result<void> run() {
    if (!limit_.warning.empty()) log_(LogLevel::warn, limit_.warning);
    if (auto opened = open(); !opened) return opened;
    std::vector<std::function<void()>> loops;
    for (auto& worker : workers_) loops.emplace_back([&worker] { worker->run(); });
    server_.run(std::move(loops));
    return {};
  }

 private:
  Result<void> open() {
    if (auto added = add_local_side(config_); !added) return added;
    const auto policy = std::make_shared<const Policy>(config_.rules, config_.policy);
    const std::size_t count = config_.threads == 0 ? net::usable_cpus() : config_.threads;
    const Worker::Shared shared{
        config_,
        pseudonym_,
        access_log_,
        slots_,
        clients_,
        std::max<std::size_t>(1, std::min(slots_.limit() / 4, kMostPooled) / count),
        server_.egress()};
    for (std::size_t i = 0; i < count; ++i) {
      auto worker = Worker::open(shared, policy);
      if (!worker) return worker.error();
      workers_.push_back(std::move(*worker));
    }
    return server_.open_admin();
  }

  void on_start() override {
    log_(LogLevel::info,
         "nameservers: " + net::to_list(workers_.front()->resolver().resolv_conf().nameservers));
    log_(LogLevel::info, "ready: " + std::to_string(config_.rules.rules.size()) + " rules, " +
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

  std::string metrics() override {
    std::vector<const Metrics*> threads;
    for (const auto& worker : workers_) threads.push_back(&std::as_const(*worker).metrics());
    net::MetricsText out;
    Metrics::append_to(out, threads);
    using Type = net::MetricsText::Type;
    net::append_connections(out, "egress_http_proxy", slots_);
    out.family("egress_http_proxy_access_log_dropped_total", Type::counter,
               "Lines that nobody took.")
        .sample({}, access_log_.dropped());
    out.family("egress_http_proxy_rules", Type::gauge, "Rules in force.")
        .sample({}, std::uint64_t{config_.rules.rules.size()});
    out.family("egress_http_proxy_rules_refused", Type::gauge,
               "1 while the rules file has errors and older rules are in force.")
        .sample({}, std::uint64_t{rules_refused_ ? 1U : 0U});
    return out.take();
  }

  std::string status() override {
    return nlohmann::json{{"version", kVersion},
                          {"stage", server_.stage()},
                          {"threads", workers_.size()},
                          {"connections", {{"open", slots_.used()}, {"limit", slots_.limit()}}},
                          {"rules",
                           {{"source", config_.rules.source},
                            {"count", config_.rules.rules.size()},
                            {"enforced", config_.policy.enforcement == Enforcement::on},
                            {"newer_rules_refused", rules_refused_}}},
                          {"name", pseudonym_}}
               .dump(2) +
           "\n";
  }

  void reload(net::Reload when) override {
    if (const auto line = limit_notice_.poll(std::chrono::steady_clock::now()))
      log_(LogLevel::warn, *line);
    follow_own_addresses();
    if (when == net::Reload::always && config_.rules_path.empty()) {
      return log_(LogLevel::warn,
                  "SIGHUP: nothing to reload: EGRESS_HTTP_PROXY_DESTINATION_FILE is not set");
    }
    Diagnostics diagnostics;
    if (auto table = rules_file_.read(when, diagnostics)) adopt(std::move(*table), diagnostics);
  }

  void adopt(RuleTable table, const Diagnostics& diagnostics) {
    rules_refused_ = diagnostics.has_errors();
    if (rules_refused_) {
      log_(LogLevel::error, "the changed rules file is rejected, the rules stay as they are\n" +
                                diagnostics.to_text(Severity::error));
      return;
    }
    config_.rules = std::move(table);
    publish();
    log_(LogLevel::info, "new rules: " + std::to_string(config_.rules.rules.size()));
  }

  void publish() {
    const auto policy = std::make_shared<const Policy>(config_.rules, config_.policy);
    for (auto& worker : workers_) worker->adopt(policy);
  }

  // Addresses come and go while the pod lives, by router advertisements for example.
  void follow_own_addresses() {
    const auto before = config_.policy.local;
    if (add_local_side(config_) && config_.policy.local != before) publish();
  }

  HttpProxyConfig config_;
  const Log& log_;
  const std::size_t files_;
  const net::ConnectionLimit limit_;
  const std::string pseudonym_;
  net::AccessLog access_log_;
  net::ConnectionSlots slots_;
  net::ConnectionLimitNotice limit_notice_{slots_, kConnections};
  ClientCounts clients_;
  RulesFile rules_file_;
  bool rules_refused_ = false;
  net::Server server_;
  std::vector<std::unique_ptr<Worker>> workers_;
};

}  // namespace

Result<void> serve(HttpProxyConfig config, const Log& log) {
  return Proxy(std::move(config), log).run();
}

}  // namespace egress::http
