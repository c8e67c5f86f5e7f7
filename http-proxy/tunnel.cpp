#include "http-proxy/tunnel.hpp"

#include <optional>
#include <utility>

#include "http-proxy/client_hello.hpp"
#include "http-proxy/worker.hpp"

namespace egress::http {

namespace {

class Tunnel final : public net::RelayObserver {
 public:
  Tunnel(Worker& worker, TunnelStart& start, Places places)
      : worker_(worker),
        places_(std::move(places)),
        policy_(std::move(start.policy)),
        began_(start.began),
        host_(std::move(start.host)),
        record_(std::move(start.record)) {
    if (host_) hello_ = std::make_unique<ClientHelloReader>();
    worker_.metrics().tunnels_opened.add();
  }

  net::Inspection on_client_bytes(std::string_view bytes) override;
  void on_end(net::RelayEnd end, const net::RelayBytes& bytes) override;

 private:
  SniOutcome judge_hello();
  bool allows(const std::string& server_name) const;
  bool enforces() const {
    return worker_.config().sni == SniCheck::enforce &&
           policy_->options().enforcement == Enforcement::on;
  }

  Worker& worker_;
  Places places_;
  std::unique_ptr<ClientHelloReader> hello_;  // until it is decided
  std::shared_ptr<const Policy> policy_;
  std::chrono::steady_clock::time_point began_;
  std::optional<Host> host_;
  AccessRecord record_;
};

// An encrypted hello is refused too, since the name inside could be any.
bool is_refusable(SniOutcome outcome) {
  switch (outcome) {
    case SniOutcome::mismatch:
    case SniOutcome::denied:
    case SniOutcome::encrypted:
    case SniOutcome::malformed: return true;
    default: return false;
  }
}

// Only enforcement holds a hello back: what is merely looked at must not be delayed.
net::Inspection Tunnel::on_client_bytes(std::string_view bytes) {
  if (!hello_) return net::Inspection::finish;
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
  if (hello_->feed({data, bytes.size()}) == ClientHelloReader::Status::need_more)
    return enforces() ? net::Inspection::hold : net::Inspection::pass;
  record_.sni = judge_hello();
  hello_.reset();
  if (!is_refusable(record_.sni) || !enforces()) return net::Inspection::finish;
  record_.error = ProxyError::http_request_denied;
  return net::Inspection::refuse;
}

SniOutcome Tunnel::judge_hello() {
  switch (hello_->status()) {
    case ClientHelloReader::Status::need_more:
    case ClientHelloReader::Status::malformed: return SniOutcome::malformed;
    case ClientHelloReader::Status::not_tls: return SniOutcome::not_tls;
    case ClientHelloReader::Status::complete: break;
  }
  const auto& name = hello_->server_name();
  if (!name.empty() && policy_->complete(Host::of_name(name)) == *host_) return SniOutcome::match;
  record_.server_name = name;
  if (!name.empty() && !allows(name)) return SniOutcome::denied;
  if (host_->is_address()) return name.empty() ? SniOutcome::absent : SniOutcome::match;
  // Where the name inside is encrypted, the one outside is that of a provider. Browsers send the
  // extension with nothing in it too (draft-ietf-tls-esni §6.2), so what the name outside tells
  // comes first.
  if (hello_->is_encrypted()) return SniOutcome::encrypted;
  return name.empty() ? SniOutcome::absent : SniOutcome::mismatch;
}

// As if CONNECT had asked for that name, and it had resolved to where the tunnel goes.
bool Tunnel::allows(const std::string& server_name) const {
  const auto host = policy_->complete(Host::of_name(server_name));
  return policy_->decide({host, record_.upstream_port, Access::tunnel}, {&*record_.upstream, 1})
             .verdict == Verdict::allow;
}

std::optional<ProxyError> error_of(net::RelayEnd end) {
  switch (end) {
    case net::RelayEnd::client_error:
    case net::RelayEnd::upstream_error: return ProxyError::connection_terminated;
    case net::RelayEnd::idle: return ProxyError::connection_read_timeout;
    default: return std::nullopt;
  }
}

void Tunnel::on_end(net::RelayEnd end, const net::RelayBytes& bytes) {
  record_.bytes_in += bytes.to_upstream;
  record_.bytes_out += bytes.to_client;
  if (!record_.error) record_.error = error_of(end);
  record_.total = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - began_);
  worker_.log(record_);
  worker_.metrics().tunnels_closed.add();
}

}  // namespace

void start_tunnel(Worker& worker, TunnelStart& start, Places places) {
  auto tunnel = std::make_unique<Tunnel>(worker, start, std::move(places));
  worker.relays().start({std::move(start.client), std::move(start.upstream),
                         std::move(start.from_client), std::move(start.from_upstream),
                         std::move(tunnel)});
}

}  // namespace egress::http
