#include "common/net/admin_tls.hpp"

#include <boost/asio/ssl/context.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <chrono>
#include <utility>

#include "common/file_watch.hpp"
#include "common/net/admin_session.hpp"

namespace egress::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace ssl = asio::ssl;
using boost::system::error_code;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kCheckInterval(1);

using Context = std::shared_ptr<ssl::context>;

Error file_error(const std::string& path, const error_code& error) {
  return {ExitCode::configuration, path, error.message(),
          "EGRESS_ADMIN_TLS_CERT and EGRESS_ADMIN_TLS_KEY name PEM files that belong together"};
}

Result<Context> load(const std::string& certificate, const std::string& key) {
  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  error_code error;
  context->set_options(ssl::context::default_workarounds | ssl::context::no_tlsv1 |
                           ssl::context::no_tlsv1_1 | ssl::context::single_dh_use,
                       error);
  context->use_certificate_chain_file(certificate, error);
  if (error) return file_error(certificate, error);
  context->use_private_key_file(key, ssl::context::pem, error);
  if (error) return file_error(key, error);
  return context;
}

class AdminTls final : public AdminTransport {
 public:
  AdminTls(std::string certificate, std::string key, Context context,
           std::function<void(std::string_view)> on_error)
      : certificate_(std::move(certificate)),
        key_(std::move(key)),
        context_(std::move(context)),
        on_error_(std::move(on_error)) {}

  asio::awaitable<void> serve(beast::tcp_stream& tcp, const AdminHandlers& handlers,
                              const AdminOptions& options) override {
    renew();
    const auto context = context_;  // a later certificate is for later connections
    beast::ssl_stream<beast::tcp_stream&> stream(tcp, *context);
    tcp.expires_after(options.deadline);
    co_await stream.async_handshake(ssl::stream_base::server, asio::use_awaitable);
    co_await serve_admin(stream, tcp, handlers, options);
    tcp.expires_after(options.deadline);
    co_await stream.async_shutdown(asio::use_awaitable);
  }

 private:
  void renew() {
    const auto now = Clock::now();
    if (now < next_check_) return;
    next_check_ = now + kCheckInterval;
    const bool changed = certificate_.has_changed();
    if (!key_.has_changed() && !changed) return;
    auto loaded = load(certificate_.path(), key_.path());
    if (loaded) {
      context_ = std::move(*loaded);
    } else {
      on_error_(to_text(loaded.error()));
    }
  }

  FileWatch certificate_;
  FileWatch key_;
  Context context_;
  std::function<void(std::string_view)> on_error_;
  Clock::time_point next_check_ = Clock::time_point::min();
};

}  // namespace

Result<std::shared_ptr<AdminTransport>> make_admin_tls(
    std::string certificate, std::string key, std::function<void(std::string_view)> on_error) {
  auto context = load(certificate, key);
  if (!context) return context.error();
  return std::make_shared<AdminTls>(std::move(certificate), std::move(key), std::move(*context),
                                    std::move(on_error));
}

}  // namespace egress::net
