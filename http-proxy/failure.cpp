#include "http-proxy/failure.hpp"

#include <utility>

#include "common/escape.hpp"

namespace egress::http {

std::string_view to_text(ProxyError error) {
  switch (error) {
    case ProxyError::dns_timeout: return "dns_timeout";
    case ProxyError::dns_error: return "dns_error";
    case ProxyError::destination_not_found: return "destination_not_found";
    case ProxyError::destination_unavailable: return "destination_unavailable";
    case ProxyError::destination_ip_prohibited: return "destination_ip_prohibited";
    case ProxyError::destination_ip_unroutable: return "destination_ip_unroutable";
    case ProxyError::connection_refused: return "connection_refused";
    case ProxyError::connection_terminated: return "connection_terminated";
    case ProxyError::connection_timeout: return "connection_timeout";
    case ProxyError::connection_read_timeout: return "connection_read_timeout";
    case ProxyError::connection_write_timeout: return "connection_write_timeout";
    case ProxyError::connection_limit_reached: return "connection_limit_reached";
    case ProxyError::http_request_error: return "http_request_error";
    case ProxyError::http_request_denied: return "http_request_denied";
    case ProxyError::http_response_incomplete: return "http_response_incomplete";
    case ProxyError::http_response_header_section_size: return "http_response_header_section_size";
    case ProxyError::http_response_body_size: return "http_response_body_size";
    case ProxyError::http_response_transfer_coding: return "http_response_transfer_coding";
    case ProxyError::http_response_timeout: return "http_response_timeout";
    case ProxyError::http_upgrade_failed: return "http_upgrade_failed";
    case ProxyError::http_protocol_error: return "http_protocol_error";
    case ProxyError::proxy_internal_error: return "proxy_internal_error";
    case ProxyError::proxy_configuration_error: return "proxy_configuration_error";
    case ProxyError::proxy_loop_detected: return "proxy_loop_detected";
  }
  return "proxy_internal_error";
}

Failure bad_request(std::string text) {
  return {400, ProxyError::http_request_error, std::move(text), Persistence::close, {}, {}, 0};
}

Failure bad_response(ProxyError error, std::string text) {
  return {502, error, std::move(text), Persistence::close, {}, {}, 0};
}

std::string quoted(std::string_view text) {
  constexpr std::size_t kShownBytes = 80;
  std::string out = "\"";
  out += escape(text.substr(0, kShownBytes));
  return out += text.size() > kShownBytes ? "...\"" : "\"";
}

// RFC 9110 §15, RFC 6585, RFC 5842.
std::string_view reason_phrase(unsigned status) {
  switch (status) {
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 414: return "URI Too Long";
    case 417: return "Expectation Failed";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 502: return "Bad Gateway";
    case 503: return "Service Unavailable";
    case 504: return "Gateway Timeout";
    case 505: return "HTTP Version Not Supported";
    case 508: return "Loop Detected";
    default: return "Error";
  }
}

}  // namespace egress::http
