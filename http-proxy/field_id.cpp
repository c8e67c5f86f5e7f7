// Knows the fields that a proxy treats on its own.
#include <array>
#include <utility>

#include "http-proxy/header_section.hpp"

namespace egress::http {
namespace {

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

struct Known {
  std::string_view name;
  FieldId id;
};

constexpr std::array kKnown{
    Known{"accept", FieldId::accept},
    Known{"authorization", FieldId::authorization},
    Known{"connection", FieldId::connection},
    Known{"content-length", FieldId::content_length},
    Known{"expect", FieldId::expect},
    Known{"forwarded", FieldId::forwarded},
    Known{"host", FieldId::host},
    Known{"http2-settings", FieldId::http2_settings},
    Known{"keep-alive", FieldId::keep_alive},
    Known{"max-forwards", FieldId::max_forwards},
    Known{"proxy", FieldId::proxy},
    Known{"proxy-connection", FieldId::proxy_connection},
    Known{"proxy-status", FieldId::proxy_status},
    Known{"te", FieldId::te},
    Known{"trailer", FieldId::trailer},
    Known{"transfer-encoding", FieldId::transfer_encoding},
    Known{"upgrade", FieldId::upgrade},
    Known{"via", FieldId::via},
    Known{"www-authenticate", FieldId::www_authenticate},
    Known{"x-forwarded-for", FieldId::x_forwarded_for},
};

constexpr std::string_view kProxyPrefix = "proxy-";

// A bit for each length that a known name has, so that most others cost one look.
constexpr std::uint32_t kLengths = [] {
  std::uint32_t lengths = 0;
  for (const auto& known : kKnown) lengths |= 1U << known.name.size();
  return lengths;
}();

}  // namespace

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lower(a[i]) != lower(b[i])) return false;
  }
  return true;
}

FieldId field_id(std::string_view name) {
  if (name.empty()) return FieldId::other;
  const char first = lower(name.front());
  if (name.size() < 32 && (kLengths >> name.size() & 1U) != 0) {
    for (const auto& known : kKnown) {
      if (known.name.size() == name.size() && known.name.front() == first &&
          equal_ignoring_case(known.name, name)) {
        return known.id;
      }
    }
  }
  const bool proxy = first == 'p' && name.size() > kProxyPrefix.size() &&
                     equal_ignoring_case(name.substr(0, kProxyPrefix.size()), kProxyPrefix);
  return proxy ? FieldId::proxy_any : FieldId::other;
}

const HeaderField* find_field(const std::vector<HeaderField>& fields, FieldId id) {
  for (const auto& field : fields) {
    if (field.id == id) return &field;
  }
  return nullptr;
}

}  // namespace egress::http
