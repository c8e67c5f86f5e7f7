#include "http-proxy/exchange.hpp"

#include <algorithm>
#include <utility>

namespace egress::http {

namespace {

constexpr std::size_t kKeptTextBytes = 16U << 10U;

Failure timeout(unsigned status, ProxyError error, std::string text) {
  return {status, error, std::move(text), Persistence::close, {}, {}, 0};
}

std::string_view write_request_head(Workspace& work, const Request& request,
                                    const RequestRewrite& rewrite) {
  work.to_origin.clear();
  append_request_head(work.request.head(), request, rewrite, work.to_origin);
  return work.to_origin;
}

void shrink(std::string& text) {
  text.clear();
  if (text.capacity() > kKeptTextBytes) text.shrink_to_fit();
}

}  // namespace

void Workspace::reset() {
  request.reset();
  response.reset();
  from_client.clear();
  from_origin.clear();
  shrink(to_origin);
  shrink(to_client);
}

Exchange::Exchange(Workspace& work, const Request& request, const ExchangeOptions& options)
    : work_(work),
      request_(request),
      options_(options),
      request_body_(work.from_client, {.head = write_request_head(work, request, options.rewrite),
                                       .from = request.body,
                                       .to = request.body}),
      bound_(authenticates_connection(work.request.head())) {
  work_.response.restart();
  work_.from_origin.clear();
}

Exchange::Step Exchange::next(Lane lane) {
  if (end_) return Step::done;
  return lane == Lane::request ? next_of_request() : next_of_response();
}

std::size_t Exchange::room(Lane lane) const {
  if (lane == Lane::request)
    return room_in(work_.from_client, options_.buffer_bytes, options_.buffer_bytes);
  const auto maximum = has_response() ? options_.buffer_bytes
                                      : std::max(options_.head_bytes + 1, options_.buffer_bytes);
  return room_in(work_.from_origin, options_.buffer_bytes, maximum);
}

Exchange::Step Exchange::next_of_request() {
  client_is_slow_ = false;
  if (!origin_takes_) return Step::done;
  switch (request_body_.next()) {
    case BodyMover::Step::write: return Step::write;
    case BodyMover::Step::read: progress_ = client_is_slow_ = true; return Step::read;
    case BodyMover::Step::complete: return Step::done;
    case BodyMover::Step::malformed: break;
  }
  if (has_response()) return cut_short(ProxyError::http_request_error);
  return fail(bad_request(std::string(request_body_.fault())));
}

Exchange::Step Exchange::next_of_response() {
  while (!end_) {
    switch (phase_) {
      case Phase::head:
        switch (work_.response.parse(view(work_.from_origin))) {
          case Progress::need_more: return Step::read;
          case Progress::failed: return fail(work_.response.failure());
          case Progress::complete: begin_response();
        }
        break;
      case Phase::interim:
        if (!head_pieces_.empty()) return Step::write;
        work_.response.reset();
        progress_ = true;
        phase_ = Phase::head;
        break;
      case Phase::upgrade:
        if (!head_pieces_.empty()) return Step::write;
        return end(ExchangeEnd::upgraded);
      case Phase::body:
        switch (response_body_->next()) {
          case BodyMover::Step::write: status_ = work_.response.head().status; return Step::write;
          case BodyMover::Step::read: progress_ = true; return Step::read;
          case BodyMover::Step::complete: return finish();
          case BodyMover::Step::malformed: break;
        }
        if (status_ != 0) return cut_short(ProxyError::http_protocol_error);
        return break_protocol(std::string(response_body_->fault()));
    }
  }
  return Step::done;
}

void Exchange::begin_response() {
  const auto& head = work_.response.head();
  work_.from_origin.consume(head.size);
  auto response = read_response(head, request_.method, options_.responses);
  if (!response) {
    fail(response.error());
    return;
  }
  response_ = std::move(*response);
  if (head.status == 101) return begin_upgrade();
  if (head.status < 200) return begin_interim();
  begin_final();
}

void Exchange::begin_interim() {
  if (++interims_ > kMostInterimResponses) {
    break_protocol("The origin sent more than " + std::to_string(kMostInterimResponses) +
                   " interim responses.");
    return;
  }
  // RFC 9110 §15.2: not to a client of HTTP/1.0.
  if (work_.request.head().version == Version::http11) {
    write_head();
    head_pieces_.add(work_.to_client);
  }
  phase_ = Phase::interim;
}

void Exchange::begin_upgrade() {
  if (request_.upgrade.empty()) {
    break_protocol("The origin switched protocols, which nobody asked for.");
    return;
  }
  write_head();
  head_pieces_.add(work_.to_client);
  status_ = work_.response.head().status;
  phase_ = Phase::upgrade;
}

void Exchange::begin_final() {
  to_ = client_body(response_.body, work_.request.head().version);
  const bool keeps = request_.persistence == Persistence::keep_alive &&
                     options_.client == Persistence::keep_alive && is_request_sent() &&
                     to_.kind != BodyKind::until_close;
  client_ = keeps ? Persistence::keep_alive : Persistence::close;
  bound_ = bound_ || authenticates_connection(work_.response.head());
  write_head();
  response_body_.emplace(work_.from_origin,
                         BodyFlow{.head = work_.to_client, .from = response_.body, .to = to_});
  output_ = &response_body_->pieces();
  phase_ = Phase::body;
}

void Exchange::write_head() {
  work_.to_client.clear();
  append_response_head(work_.response.head(), response_,
                       {options_.rewrite.pseudonym, work_.request.head().version, client_},
                       work_.to_client);
}

Exchange::Step Exchange::finish() {
  reusable_ = response_.persistence == Persistence::keep_alive && work_.from_origin.size() == 0 &&
              is_request_sent();
  return end(ExchangeEnd::complete);
}

void Exchange::source_ended(Lane lane) {
  if (end_) return;
  if (lane == Lane::response && has_response() && response_body_->source_ended()) return;
  source_failed(lane);
}

void Exchange::source_failed(Lane lane) {
  if (end_) return;
  if (lane == Lane::request) {
    leave_client();
  } else if (has_response()) {
    cut_short(ProxyError::http_response_incomplete);
  } else {
    lose_origin();
  }
}

void Exchange::sink_failed(Lane lane) {
  if (lane == Lane::response) return leave_client();
  // Its answer may be under way all the same.
  origin_takes_ = false;
}

void Exchange::expire() {
  if (end_) return;
  if (has_response()) {
    cut_short(ProxyError::connection_read_timeout);
  } else if (client_is_slow_) {
    fail(timeout(408, ProxyError::http_request_error,
                 "The body of the request did not come in time."));
  } else {
    fail(timeout(504, ProxyError::http_response_timeout, "The origin did not answer in time."));
  }
}

void Exchange::leave_client() {
  if (!end_) end(ExchangeEnd::client_gone);
}

Exchange::Step Exchange::end(ExchangeEnd end) {
  end_ = end;
  return Step::done;
}

Exchange::Step Exchange::fail(Failure failure) {
  failure_ = std::move(failure);
  return end(ExchangeEnd::failed);
}

Exchange::Step Exchange::break_protocol(std::string sentence) {
  return fail(bad_response(ProxyError::http_protocol_error, std::move(sentence)));
}

Exchange::Step Exchange::cut_short(ProxyError error) {
  error_ = error;
  // Before its header section was written, a response can be replaced.
  if (status_ == 0) return fail(bad_response(error, "The origin's response broke off."));
  return end(ExchangeEnd::cut_short);
}

Exchange::Step Exchange::lose_origin() {
  if (work_.from_origin.size() > 0) {
    return fail(bad_response(ProxyError::http_response_incomplete,
                             "The origin closed the connection within the head of its response."));
  }
  failure_ = bad_response(ProxyError::connection_terminated,
                          "The origin closed the connection without a response.");
  return end(interims_ > 0 ? ExchangeEnd::failed : ExchangeEnd::origin_gone);
}

}  // namespace egress::http
