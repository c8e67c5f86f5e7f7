// Heads out of text for tests; the text stays alive beside what was parsed of it.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "http-proxy/headers.hpp"
#include "http-proxy/message.hpp"

namespace egress::http::test {

struct ParsedRequest {
  std::unique_ptr<std::string> text;
  RequestHead head;
};

inline ParsedRequest request_head(std::string text) {
  ParsedRequest parsed{std::make_unique<std::string>(std::move(text)), {}};
  RequestParser parser;
  if (parser.parse(*parsed.text) != Progress::complete) {
    throw std::invalid_argument("no head: " + *parsed.text + ": " + parser.failure().text);
  }
  parsed.head = parser.head();
  return parsed;
}

struct ParsedResponse {
  std::unique_ptr<std::string> text;
  ResponseHead head;
};

inline ParsedResponse response_head(std::string text) {
  ParsedResponse parsed{std::make_unique<std::string>(std::move(text)), {}};
  ResponseParser parser;
  if (parser.parse(*parsed.text) != Progress::complete) {
    throw std::invalid_argument("no head: " + *parsed.text + ": " + parser.failure().text);
  }
  parsed.head = parser.head();
  return parsed;
}

}  // namespace egress::http::test
