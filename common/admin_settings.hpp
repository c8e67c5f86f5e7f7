// Where the administrator's endpoint listens, and with which certificate: the EGRESS_ADMIN_
// variables, the same in every program that has the endpoint. Opens nothing.
#pragma once

#include <string>
#include <vector>

#include "common/diagnostic.hpp"
#include "common/environment.hpp"
#include "common/host.hpp"

namespace egress {

struct AdminSettings {
  std::vector<ListenAddress> listen;  // empty: off
  // Paths of PEM files; both or neither.
  std::string tls_certificate;
  std::string tls_key;

  bool has_tls() const { return !tls_certificate.empty(); }
};

// `defaults` hold for what no variable sets.
AdminSettings parse_admin_settings(const Environment& environment, Diagnostics& diagnostics,
                                   AdminSettings defaults);

}  // namespace egress
