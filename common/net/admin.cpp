#include "common/net/admin.hpp"

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <list>
#include <optional>
#include <utility>

#include "common/net/admin_session.hpp"
#include "common/net/connection_slots.hpp"
#include "common/net/listener.hpp"

namespace egress::net {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

namespace {

struct Page {
  http::status status = http::status::ok;
  std::string_view type = "text/plain; charset=utf-8";
  std::string text;
};

Page health(const std::function<std::string()>& why_not) {
  std::string reason = why_not ? why_not() : std::string();
  if (reason.empty()) return {http::status::ok, "text/plain; charset=utf-8", "ok\n"};
  return {http::status::service_unavailable, "text/plain; charset=utf-8", reason + "\n"};
}

Page page_for(std::string_view path, const AdminHandlers& handlers) {
  if (path == "/healthz" || path == "/livez") return health(handlers.not_alive_because);
  if (path == "/readyz") return health(handlers.not_ready_because);
  if (path == "/metrics" && handlers.metrics) {
    return {http::status::ok, "text/plain; version=0.0.4; charset=utf-8", handlers.metrics()};
  }
  if (path == "/status" && handlers.status) {
    return {http::status::ok, "application/json", handlers.status()};
  }
  if (path == "/") {
    return {http::status::ok, "text/plain; charset=utf-8",
            "/healthz\n/livez\n/readyz\n/metrics\n/status\n"};
  }
  return {http::status::not_found, "text/plain; charset=utf-8",
          "not found; / lists what there is\n"};
}

}  // namespace

AdminResponse answer_admin(const AdminRequest& request, const AdminHandlers& handlers) {
  Page page;
  const bool is_get = request.method() == http::verb::get || request.method() == http::verb::head;
  const std::string_view target(request.target().data(), request.target().size());
  if (!is_get) {
    page = {http::status::method_not_allowed, "text/plain; charset=utf-8", "GET and HEAD alone\n"};
  } else if (!target.starts_with('/')) {
    page = {http::status::bad_request, "text/plain; charset=utf-8", "this is no proxy\n"};
  } else {
    page = page_for(target.substr(0, target.find('?')), handlers);
  }
  AdminResponse response(page.status, request.version());
  response.set(http::field::content_type, page.type);
  response.set(http::field::cache_control, "no-store");
  if (!is_get) response.set(http::field::allow, "GET, HEAD");
  response.content_length(page.text.size());
  if (request.method() != http::verb::head) response.body() = std::move(page.text);
  // A body that nobody asked for is not read, so nothing can follow it.
  response.keep_alive(is_get && request.keep_alive() && !request.has_content_length() &&
                      !request.chunked());
  return response;
}

class AdminServer::State : public std::enable_shared_from_this<State> {
  // Fewer than connections are kept: what was accepted is read before it can be the oldest.
  static constexpr int kBatch = 8;

 public:
  State(AdminHandlers handlers, const AdminOptions& options)
      : handlers_(std::move(handlers)),
        options_(options),
        slots_(options.connections + kBatch + 1) {}

  Result<void> open(asio::io_context& io, const ListenAddress& listen) {
    auto listener =
        Listener::open(io, listen, slots_, {.batch = kBatch, .egress = options_.egress});
    if (!listener) return listener.error();
    listener_.emplace(std::move(*listener));
    listener_->start([weak = weak_from_this(), &io](Accepted accepted) {
      if (const auto self = weak.lock()) {
        self->serve(io, std::make_shared<Client>(std::move(accepted)));
      }
    });
    return {};
  }

  void close() {
    listener_->close();
    for (auto* client : clients_) client->stream.close();
  }

  std::uint16_t port() const { return listener_->port(); }

 private:
  struct Client {
    explicit Client(Accepted accepted)
        : stream(std::move(accepted.socket)), slot(std::move(accepted.slot)) {}

    beast::tcp_stream stream;
    ConnectionSlot slot;
  };

  void serve(asio::io_context& io, std::shared_ptr<Client> client) {
    if (clients_.size() >= options_.connections) {
      clients_.front()->stream.close();
      clients_.pop_front();
    }
    clients_.push_back(client.get());
    asio::co_spawn(io, serve_requests(shared_from_this(), client),
                   [self = shared_from_this(), client](std::exception_ptr) {
                     self->clients_.remove(client.get());
                   });
  }

  static asio::awaitable<void> serve_requests(std::shared_ptr<State> self,
                                              std::shared_ptr<Client> client) {
    auto& stream = client->stream;
    if (self->options_.transport) {
      co_await self->options_.transport->serve(stream, self->handlers_, self->options_);
    } else {
      co_await serve_admin(stream, stream, self->handlers_, self->options_);
    }
    error_code ignored;
    stream.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
  }

  const AdminHandlers handlers_;
  const AdminOptions options_;
  ConnectionSlots slots_;
  std::optional<Listener> listener_;
  std::list<Client*> clients_;  // in the order they came; their coroutines own them
};

Result<AdminServer> AdminServer::open(asio::io_context& io, const ListenAddress& listen,
                                      AdminHandlers handlers, const AdminOptions& options) {
  auto state = std::make_shared<State>(std::move(handlers), options);
  if (const auto opened = state->open(io, listen); !opened) return opened.error();
  return AdminServer(std::move(state));
}

AdminServer::AdminServer(std::shared_ptr<State> state) : state_(std::move(state)) {}
AdminServer::AdminServer(AdminServer&&) noexcept = default;
AdminServer& AdminServer::operator=(AdminServer&& other) noexcept {
  std::swap(state_, other.state_);
  return *this;
}
AdminServer::~AdminServer() {
  if (state_) state_->close();
}

std::uint16_t AdminServer::port() const { return state_->port(); }

}  // namespace egress::net
