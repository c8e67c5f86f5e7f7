#include "common/admin_settings.hpp"

#include "common/settings.hpp"

namespace egress {

AdminSettings parse_admin_settings(const Environment& environment, Diagnostics& diagnostics,
                                   AdminSettings defaults) {
  AdminSettings settings = std::move(defaults);
  SettingsReader reader(environment, diagnostics);
  if (environment.get("EGRESS_ADMIN_LISTEN") == "off") {
    settings.listen.clear();
  } else {
    reader.listen_addresses("EGRESS_ADMIN_LISTEN", settings.listen);
  }
  reader.text("EGRESS_ADMIN_TLS_CERT", settings.tls_certificate);
  reader.text("EGRESS_ADMIN_TLS_KEY", settings.tls_key);
  if (settings.tls_certificate.empty() != settings.tls_key.empty()) {
    const bool lacks_key = settings.tls_key.empty();
    diagnostics.error(lacks_key ? "EGRESS_ADMIN_TLS_KEY" : "EGRESS_ADMIN_TLS_CERT",
                      std::string("is not set, expected beside ") +
                          (lacks_key ? "EGRESS_ADMIN_TLS_CERT" : "EGRESS_ADMIN_TLS_KEY"));
  }
  return settings;
}

}  // namespace egress
