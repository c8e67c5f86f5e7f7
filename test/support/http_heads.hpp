// Header sections out of text for tests, with the parser that owns what their views refer to.
#pragma once

#include <memory>
#include <stdexcept>
#include <string>

#include "http-proxy/headers.hpp"
#include "http-proxy/message.hpp"

namespace egress::http::test {

template <class Parser>
struct Parsed {
  template <class... Options>
  explicit Parsed(const std::string& text, Options... options)
      : parser(std::make_unique<Parser>(options...)) {
    if (parser->parse(text) != Progress::complete)
      throw std::invalid_argument("no head: " + text + ": " + parser->failure().text);
  }

  std::unique_ptr<Parser> parser;
  const decltype(parser->head())& head = parser->head();
};

inline Parsed<RequestParser> request_head(const std::string& text) {
  return Parsed<RequestParser>(text);
}
inline Parsed<ResponseParser> response_head(const std::string& text,
                                            Reading reading = Reading::repair) {
  return Parsed<ResponseParser>(text, HeadLimits{}, reading);
}

}  // namespace egress::http::test
