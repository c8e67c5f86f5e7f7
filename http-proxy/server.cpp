#include "http-proxy/server.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>
#include <thread>
#include <vector>

#include "common/net/admin.hpp"
#include "common/net/admin_tls.hpp"
#include "common/net/cpus.hpp"
#include "common/net/lifecycle.hpp"
#include "common/net/own_addresses.hpp"
#include "common/version.hpp"
#include "http-proxy/rules_file.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

namespace asio = boost::asio;

namespace {

constexpr std::chrono::seconds kReloadInterval(1);
constexpr std::size_t kMostPooled = 1024;  // of all workers

// Unique among proxies that a request may pass, and tells nothing of where this one runs.
std::string make_pseudonym() {
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "egress-%08x", std::random_device{}());
  return text.data();
}

// Of files, kept free for all that is no client's connection or its upstream.
std::size_t reserved_files(std::size_t files) { return 64 + std::min(files / 8, kMostPooled * 2); }

std::size_t connection_limit(const HttpProxyConfig& config) {
  if (config.limits.connections > 0) return config.limits.connections;
  const auto files = net::raise_file_limit();
  return net::connections_for(
      {.files = files, .per_connection = 2, .reserved = reserved_files(files)});
}

class Server {
 public:
  Server(HttpProxyConfig config, const ServerHooks& hooks)
      : config_(std::move(config)),
        hooks_(hooks),
        pseudonym_(config_.pseudonym.empty() ? make_pseudonym() : config_.pseudonym),
        access_log_(STDOUT_FILENO),
        slots_(connection_limit(config_)),
        clients_(config_.limits.connections_per_client),
        rules_file_(config_.rules_path),
        reload_timer_(io_),
        lifecycle_(io_, {.drain = config_.deadlines.drain}, lifecycle_hooks(),
                   [this] { return slots_.used() == 0; }) {}

  Result<void> run() {
    if (auto opened = open(); !opened) return opened;
    for (auto& worker : workers_) threads_.emplace_back([&worker] { worker->run(); });
    lifecycle_.set_ready();
    hooks_.info("ready: " + std::to_string(config_.rules.rules.size()) + " rules, " +
                std::to_string(workers_.size()) + " threads, at most " +
                std::to_string(slots_.limit()) + " clients");
    watch_rules();
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
    const auto own = net::read_own_addresses();
    if (!own) return own.error();
    config_.policy.own_addresses = *own;
    config_.policy.own_listeners = config_.listen;
    config_.policy.own_listeners.insert(config_.policy.own_listeners.end(),
                                        config_.admin.listen.begin(), config_.admin.listen.end());
    const auto policy = std::make_shared<const Policy>(config_.rules, config_.policy);
    const std::size_t count = config_.threads == 0 ? net::usable_cpus() : config_.threads;
    const Worker::Shared shared{
        config_,     pseudonym_,
        access_log_, slots_,
        clients_,    std::max<std::size_t>(1, std::min(slots_.limit() / 4, kMostPooled) / count)};
    for (std::size_t i = 0; i < count; ++i) {
      auto worker = Worker::open(shared, policy);
      if (!worker) return worker.error();
      workers_.push_back(std::move(*worker));
    }
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
    return {.not_ready_because = [this] { return lifecycle_.not_ready_because(); },
            .metrics = [this] { return metrics_text(); },
            .status = [this] { return status_json(); },
            .not_alive_because = {}};
  }

  std::string metrics_text() const {
    std::vector<const Metrics*> threads;
    for (const auto& worker : workers_) threads.push_back(&std::as_const(*worker).metrics());
    net::MetricsText out;
    Metrics::append_to(out, threads);
    using Type = net::MetricsText::Type;
    out.family("egress_http_proxy_connections", Type::gauge, "Clients, connected now.")
        .sample({}, std::uint64_t{slots_.used()});
    out.family("egress_http_proxy_connections_limit", Type::gauge, "Clients at once, at most.")
        .sample({}, std::uint64_t{slots_.limit()});
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

  std::string status_json() const {
    const auto why = lifecycle_.not_ready_because();
    return nlohmann::json{{"version", kVersion},
                          {"stage", why.empty() ? "ready" : why},
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

  void watch_rules() {
    Diagnostics diagnostics;
    if (auto table = rules_file_.poll(diagnostics)) adopt(std::move(*table), diagnostics);
    reload_timer_.expires_after(kReloadInterval);
    reload_timer_.async_wait([this](boost::system::error_code error) {
      if (!error) watch_rules();
    });
  }

  void adopt(RuleTable table, const Diagnostics& diagnostics) {
    rules_refused_ = diagnostics.has_errors();
    if (rules_refused_) {
      hooks_.error("the rules stay as they were, for the file that changed has errors\n" +
                   diagnostics.to_text(Severity::error));
      return;
    }
    config_.rules = std::move(table);
    const auto policy = std::make_shared<const Policy>(config_.rules, config_.policy);
    for (auto& worker : workers_) worker->adopt(policy);
    hooks_.info("new rules: " + std::to_string(config_.rules.rules.size()));
  }

  HttpProxyConfig config_;
  const ServerHooks& hooks_;
  std::string pseudonym_;
  net::AccessLog access_log_;
  net::ConnectionSlots slots_;
  ClientCounts clients_;
  RulesFile rules_file_;
  bool rules_refused_ = false;
  asio::io_context io_;  // of the main thread: signals, admin endpoint, reload
  asio::steady_timer reload_timer_;
  net::Lifecycle lifecycle_;
  std::vector<net::AdminServer> admins_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::vector<std::thread> threads_;
};

}  // namespace

Result<void> serve(HttpProxyConfig config, const ServerHooks& hooks) {
  return Server(std::move(config), hooks).run();
}

}  // namespace egress::http
