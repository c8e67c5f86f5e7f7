#include "common/net/dns_channel.hpp"

#include <arpa/nameser.h>
#include <netinet/in.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <utility>

namespace egress::net {

namespace asio = boost::asio;
using boost::system::error_code;
using std::chrono::milliseconds;

namespace {

Error make_ares_error(int status) {
  return {ExitCode::facts, "DNS", ::ares_strerror(status), "see /etc/resolv.conf"};
}

// Once for the process, at its first channel.
int initialise_library() {
  static const int status = ::ares_library_init(ARES_LIB_INIT_ALL);
  return status;
}

}  // namespace

struct DnsChannel::Query {
  std::weak_ptr<DnsChannel> channel;
  OnReply on_reply;
};

Result<std::shared_ptr<DnsChannel>> DnsChannel::make(asio::io_context& io,
                                                     const ResolverOptions& options) {
  if (const int status = initialise_library(); status != ARES_SUCCESS) {
    return make_ares_error(status);
  }
  std::shared_ptr<DnsChannel> channel(new DnsChannel(io));
  std::string resolv_conf = options.resolv_conf;
  ares_options settings{};
  // Names are never replaced by what the variable HOSTALIASES says.
  settings.flags = ARES_FLAG_NOALIASES;
  settings.timeout = static_cast<int>(options.try_timeout.count());
  settings.tries = 1;
  settings.udp_port = settings.tcp_port = options.port;
  settings.resolvconf_path = resolv_conf.data();
  settings.sock_state_cb = &DnsChannel::on_socket_state;
  settings.sock_state_cb_data = channel.get();
  ares_channel made = nullptr;
  const int status =
      ::ares_init_options(&made, &settings,
                          ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_UDP_PORT |
                              ARES_OPT_TCP_PORT | ARES_OPT_RESOLVCONF | ARES_OPT_SOCK_STATE_CB);
  if (status != ARES_SUCCESS) return make_ares_error(status);
  channel->channel_.reset(made);
  channel->read_resolv_conf();
  return channel;
}

DnsChannel::~DnsChannel() {
  timer_.cancel();
  channel_.reset();
}

void DnsChannel::read_resolv_conf() {
  ares_options saved{};
  int mask = 0;
  if (::ares_save_options(channel_.get(), &saved, &mask) == ARES_SUCCESS) {
    for (int i = 0; i < saved.ndomains; ++i) {
      std::string domain(saved.domains[i]);
      if (domain.ends_with('.')) domain.pop_back();
      if (!domain.empty()) resolv_conf_.search_list.push_back(std::move(domain));
    }
  }
  ::ares_destroy_options(&saved);
  ares_addr_port_node* servers = nullptr;
  if (::ares_get_servers_ports(channel_.get(), &servers) != ARES_SUCCESS) return;
  for (const auto* at = servers; at != nullptr; at = at->next) {
    const auto* const bytes = reinterpret_cast<const std::uint8_t*>(&at->addr);
    resolv_conf_.nameservers.push_back(
        IpAddress::from_bytes({bytes, at->family == AF_INET ? 4U : 16U}));
  }
  ::ares_free_data(servers);
}

void DnsChannel::ask(const std::string& name, Family family, OnReply on_reply) {
  auto query = std::make_unique<Query>(Query{weak_from_this(), std::move(on_reply)});
  ::ares_query(channel_.get(), name.c_str(), ns_c_in, family == Family::v4 ? ns_t_a : ns_t_aaaa,
               &DnsChannel::on_answer, query.release());
  wait_until_timeout();
}

// c-ares may call this from within ares_query or ares_destroy, when nobody is ready for a reply.
void DnsChannel::on_answer(void* query, int status, int, unsigned char* message, int size) {
  const std::unique_ptr<Query> owner(static_cast<Query*>(query));
  const auto self = owner->channel.lock();
  if (!self) return;
  DnsReply reply;
  if (message != nullptr && size > 0) {
    reply.status = DnsReply::Status::answered;
    reply.message.assign(message, message + size);
  } else if (status == ARES_ETIMEOUT) {
    reply.status = DnsReply::Status::timeout;
  }
  asio::post(self->io_, [on_reply = std::move(owner->on_reply),
                         reply = std::move(reply)]() mutable { on_reply(std::move(reply)); });
}

void DnsChannel::on_socket_state(void* self, int fd, int readable, int writable) {
  auto& channel = *static_cast<DnsChannel*>(self);
  auto found = channel.sockets_.find(fd);
  if (readable == 0 && writable == 0) {
    if (found == channel.sockets_.end()) return;
    // c-ares closes it, after this.
    found->second->descriptor.release();
    channel.sockets_.erase(found);
    return;
  }
  if (found == channel.sockets_.end()) {
    auto socket = std::make_shared<Socket>(channel.io_);
    error_code error;
    socket->descriptor.assign(fd, error);
    if (error) return;  // unheard, the server counts as silent
    found = channel.sockets_.emplace(fd, std::move(socket)).first;
  }
  found->second->wants_read = readable != 0;
  found->second->wants_write = writable != 0;
  channel.watch(fd, found->second);
}

void DnsChannel::watch(int fd, const std::shared_ptr<Socket>& socket) {
  using Wait = asio::posix::stream_descriptor;
  const auto wait = [&](Wait::wait_type what, bool Socket::*awaits) {
    (*socket).*awaits = true;
    socket->descriptor.async_wait(
        what, [weak = weak_from_this(), socket, fd, what, awaits](error_code error) {
          (*socket).*awaits = false;
          const auto self = weak.lock();
          if (error || !self) return;
          const bool is_read = what == Wait::wait_read;
          ::ares_process_fd(self->channel_.get(), is_read ? fd : ARES_SOCKET_BAD,
                            is_read ? ARES_SOCKET_BAD : fd);
          const auto found = self->sockets_.find(fd);
          if (found != self->sockets_.end() && found->second == socket) self->watch(fd, socket);
          self->wait_until_timeout();
        });
  };
  if (socket->wants_read && !socket->awaits_read) wait(Wait::wait_read, &Socket::awaits_read);
  if (socket->wants_write && !socket->awaits_write) wait(Wait::wait_write, &Socket::awaits_write);
}

void DnsChannel::wait_until_timeout() {
  timeval next{};
  if (::ares_timeout(channel_.get(), nullptr, &next) == nullptr) {
    timer_.cancel();
    return;
  }
  const milliseconds time(next.tv_sec * 1000 + next.tv_usec / 1000 + 1);
  timer_.expires_after(time);
  timer_.async_wait([weak = weak_from_this()](error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    ::ares_process_fd(self->channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    self->wait_until_timeout();
  });
}

}  // namespace egress::net
