// The administrator's endpoint over TLS 1.2 and later, with a certificate that is read again when
// its files change, as the Secret of OpenShift's service CA does. Apart from admin.hpp, so that a
// program without it links no OpenSSL.
#pragma once

#include <memory>
#include <string>

#include "common/net/admin.hpp"
#include "common/result.hpp"

namespace egress::net {

// `certificate` is a chain, the server's own first; both files are PEM. A pair that fails later is
// reported by `on_error`, and the last good one serves on. Errors (stage configuration): a file
// that cannot be read, that holds no such thing, or a key of another certificate.
Result<std::shared_ptr<AdminTransport>> make_admin_tls(
    std::string certificate, std::string key, std::function<void(std::string_view)> on_error);

}  // namespace egress::net
