#include "http-proxy/error_page.hpp"

#include <algorithm>
#include <optional>

#include "common/escape.hpp"

namespace egress::http {
namespace {

constexpr std::string_view kAllowedMethods =
    "CONNECT, DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT";

std::string escape_html(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '&': out += "&amp;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

std::string title(const Failure& failure) {
  return std::to_string(failure.status) + " " + std::string(reason_phrase(failure.status));
}

std::string plain_page(const Failure& failure, const ErrorContext& context) {
  std::string page = title(failure) + "\n\n" + escape(failure.text) + "\n";
  if (!failure.host.empty()) page += "\nHost: " + escape(failure.host) + "\n";
  if (failure.rule_line != 0) {
    page += "Rule: " + escape(failure.rule) + "\nLine: " + std::to_string(failure.rule_line) +
            " of " + escape(context.rules_source) + "\n";
  }
  return page;
}

std::string html_row(std::string_view name, std::string_view value) {
  return "<tr><th>" + std::string(name) + "</th><td>" + escape_html(escape(value)) + "</td></tr>\n";
}

std::string html_page(const Failure& failure, const ErrorContext& context) {
  std::string page =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"><title>" +
      title(failure) +
      "</title>\n<style>body{font-family:sans-serif;max-width:40em;margin:3em auto;padding:0 1em}"
      "th{text-align:left;padding-right:1em}</style></head>\n<body>\n<h1>" +
      title(failure) + "</h1>\n<p>" + escape_html(escape(failure.text)) + "</p>\n<table>\n";
  if (!failure.host.empty()) page += html_row("Host", failure.host);
  if (failure.rule_line != 0) {
    page += html_row("Rule", failure.rule);
    page += html_row(
        "Line", std::to_string(failure.rule_line) + " of " + std::string(context.rules_source));
  }
  return page + "</table>\n<p>This answer comes from the egress proxy.</p>\n</body>\n</html>\n";
}

// RFC 8941 §3.3.3: printable ASCII between quotes.
std::string structured_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

std::string proxy_status(const Failure& failure, const ErrorContext& context) {
  std::string value =
      structured_string(context.pseudonym) + "; error=" + std::string(to_text(failure.error));
  if (failure.rule_line != 0) {
    value += "; details=" + structured_string("line " + std::to_string(failure.rule_line) + ": " +
                                              escape(failure.rule));
  }
  return value;
}

// The weight of a media range, in thousandths; malformed ones count as 1 (RFC 9110 §12.4.2).
int weight_of(std::string_view range) {
  const auto parameter = range.find("q=");
  if (parameter == range.npos || range.find(';') > parameter) return 1000;
  const auto text = range.substr(parameter + 2);
  if (text.empty() || text.front() != '0') return 1000;
  int weight = 0, scale = 100;
  for (const char c : text.substr(std::min<std::size_t>(text.size(), 2), 3)) {
    if (c < '0' || c > '9') break;
    weight += (c - '0') * scale;
    scale /= 10;
  }
  return weight;
}

}  // namespace

bool wants_html(const RequestHead& head) {
  std::optional<int> html, plain;
  for (const auto& field : head.fields) {
    if (field.id != FieldId::accept) continue;
    for_each_element(field.value, [&](std::string_view range) {
      const auto type = trim(range.substr(0, range.find(';')));
      if (equal_ignoring_case(type, "text/html")) html = weight_of(range);
      if (equal_ignoring_case(type, "text/plain")) plain = weight_of(range);
    });
  }
  return html.value_or(0) > plain.value_or(0);
}

void append_error_response(const Failure& failure, const ErrorContext& context, std::string& out) {
  const bool html = context.request != nullptr && wants_html(*context.request);
  const bool is_head = context.request != nullptr && context.request->method == Method::head;
  const auto page = html ? html_page(failure, context) : plain_page(failure, context);
  out += "HTTP/1.1 " + title(failure) + "\r\nContent-Type: " + (html ? "text/html" : "text/plain") +
         "; charset=utf-8\r\nContent-Length: " + std::to_string(page.size()) +
         "\r\nCache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nProxy-Status: " +
         proxy_status(failure, context) + "\r\n";
  if (failure.status == 405) out += "Allow: " + std::string(kAllowedMethods) + "\r\n";
  const bool keeps = failure.persistence == Persistence::keep_alive;
  const bool http10 = context.request != nullptr && context.request->version == Version::http10;
  if (!keeps) out += "Connection: close\r\n";
  if (keeps && http10) out += "Connection: keep-alive\r\n";
  out += "\r\n";
  if (!is_head) out += page;
}

}  // namespace egress::http
