#include "common/net/metrics.hpp"

#include <charconv>

namespace egress::net {
namespace {

std::string number(double value) {
  char text[32] = {};
  const auto result = std::to_chars(text, text + sizeof text, value);
  return {text, result.ptr};
}

std::string_view to_text(MetricsText::Type type) {
  switch (type) {
    case MetricsText::Type::counter: return "counter";
    case MetricsText::Type::gauge: return "gauge";
    case MetricsText::Type::histogram: return "histogram";
  }
  return "untyped";
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      out += "\\n";
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
}

}  // namespace

void DurationHistogram::add(std::uint64_t microseconds) {
  const double seconds = static_cast<double>(microseconds) / 1e6;
  std::size_t index = 0;
  while (index < kBounds.size() && seconds > kBounds[index]) ++index;
  buckets_[index].add();
  microseconds_.add(microseconds);
}

MetricsText& MetricsText::family(std::string_view name, Type type, std::string_view help) {
  name_ = name;
  text_ += "# HELP " + name_ + " " + std::string(help) + "\n";
  text_ += "# TYPE " + name_ + " " + std::string(to_text(type)) + "\n";
  return *this;
}

MetricsText& MetricsText::sample(Labels labels, std::uint64_t value) {
  write({}, labels, std::to_string(value));
  return *this;
}

MetricsText& MetricsText::sample(Labels labels, double value) {
  write({}, labels, number(value));
  return *this;
}

MetricsText& MetricsText::histogram(Labels labels,
                                    std::span<const DurationHistogram* const> threads) {
  std::uint64_t below = 0;
  double seconds = 0;
  for (std::size_t i = 0; i <= DurationHistogram::kBounds.size(); ++i) {
    for (const auto* cells : threads) below += cells->bucket(i);
    const bool is_last = i == DurationHistogram::kBounds.size();
    const std::string bound = is_last ? "+Inf" : number(DurationHistogram::kBounds[i]);
    write({"_bucket", bound}, labels, std::to_string(below));
  }
  for (const auto* cells : threads) seconds += static_cast<double>(cells->microseconds()) / 1e6;
  write({"_sum", {}}, labels, number(seconds));
  write({"_count", {}}, labels, std::to_string(below));
  return *this;
}

void MetricsText::write(const Extra& extra, Labels labels, std::string_view value) {
  text_ += name_;
  text_ += extra.suffix;
  char before = '{';
  const auto label = [&](std::string_view name, std::string_view its_value) {
    text_ += before;
    before = ',';
    text_ += name;
    text_ += "=\"";
    append_escaped(text_, its_value);
    text_ += '"';
  };
  for (const auto& [name, its_value] : labels) label(name, its_value);
  if (!extra.bound.empty()) label("le", extra.bound);
  if (before == ',') text_ += '}';
  text_ += ' ';
  text_ += value;
  text_ += '\n';
}

}  // namespace egress::net
