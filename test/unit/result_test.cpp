#include "common/result.hpp"

#include <catch2/catch.hpp>
#include <cerrno>

namespace egress {
namespace {

TEST_CASE("an error in words") {
  CHECK(to_text(Error{ExitCode::link, "link macvlan0", "EBUSY (Device or resource busy)", ""}) ==
        "link macvlan0: EBUSY (Device or resource busy)");
  CHECK(to_text(Error{ExitCode::link, "link macvlan0", "is gone", "start again"}) ==
        "link macvlan0: is gone\n  hint: start again");
  CHECK(to_text(Error{ExitCode::link, "", "no link", "make one"}) == "no link\n  hint: make one");
}

TEST_CASE("errno by name") {
  CHECK(errno_to_text(ENOENT) == "ENOENT (No such file or directory)");
  CHECK(errno_to_text(EPERM) == "EPERM (Operation not permitted)");
  CHECK(errno_to_text(EOPNOTSUPP).starts_with("E"));
  CHECK(errno_to_text(12345) == "errno 12345");
  CHECK(errno_to_text(-1) == "errno -1");
  CHECK(errno_to_text(524) == "errno 524");  // ENOTSUPP, which the kernel lets slip at times
}

TEST_CASE("the usual cause is named") {
  const std::string privileged =
      "needs CAP_NET_ADMIN and a writable /proc/sys: run the init container privileged";
  const std::string node =
      "entering the node's namespace needs CAP_SYS_ADMIN and hostPID: run privileged";
  const std::string kernel =
      "the node's kernel lacks nf_tables, or a part of it: load nf_tables, nft_nat, nft_fib";
  const std::string low_port =
      "ports below net.ipv4.ip_unprivileged_port_start (1024) need CAP_NET_BIND_SERVICE: choose a "
      "higher port, or lower that sysctl";
  const struct {
    ExitCode stage;
    int value;
    std::string hint;
  } cases[] = {
      {ExitCode::facts, EPERM, node},
      {ExitCode::facts, EACCES, node},
      {ExitCode::facts, ENOENT, ""},
      {ExitCode::facts, EROFS, privileged},
      {ExitCode::link, EPERM, privileged},
      {ExitCode::sysctl, EROFS, privileged},
      {ExitCode::sysctl, EACCES, privileged},
      {ExitCode::sysctl, ENOENT, ""},
      {ExitCode::ruleset, EPERM, "needs CAP_NET_ADMIN: run the init container privileged"},
      {ExitCode::ruleset, EOPNOTSUPP, kernel},
      {ExitCode::ruleset, EPROTONOSUPPORT, kernel},
      {ExitCode::ruleset, ENOENT, kernel},
      {ExitCode::ruleset, EINVAL, kernel},  // nfnetlink's answer for a subsystem it lacks
      {ExitCode::runtime, EACCES, low_port},
      {ExitCode::runtime, EPERM, ""},
      {ExitCode::runtime, EADDRINUSE, "another process of this pod listens there"},
      {ExitCode::internal, EPERM, ""},
      {ExitCode::route, EOPNOTSUPP, ""},
  };
  for (const auto& [stage, value, hint] : cases) {
    CAPTURE(to_text(stage), errno_to_text(value));
    CHECK(make_errno_error(stage, "it", value) ==
          Error{stage, "it", errno_to_text(value), hint, value});
  }
}

TEST_CASE("a result is a value or an error, and an error left unread is a bug") {
  const Result<int> good = 5;
  const Result<int> bad = Error{ExitCode::gateway, "10.0.0.1", "no answer", ""};
  CHECK(good.value() == 5);
  CHECK_FALSE(bad.has_value());
  CHECK(bad.error().stage == ExitCode::gateway);
  CHECK_THROWS_WITH(bad.value(), "unchecked error: 10.0.0.1: no answer");
}

TEST_CASE("exit codes are a contract") {
  const struct {
    ExitCode code;
    int number;
    std::string name;
  } cases[] = {
      {ExitCode::ok, 0, "ok"},
      {ExitCode::internal, 1, "internal"},
      {ExitCode::usage, 2, "usage"},
      {ExitCode::configuration, 3, "configuration"},
      {ExitCode::facts, 4, "facts"},
      {ExitCode::link, 5, "link"},
      {ExitCode::sysctl, 6, "sysctl"},
      {ExitCode::conflict, 7, "conflict"},
      {ExitCode::address, 8, "address"},
      {ExitCode::route, 9, "route"},
      {ExitCode::gateway, 10, "gateway"},
      {ExitCode::ruleset, 11, "ruleset"},
      {ExitCode::runtime, 12, "runtime"},
  };
  for (const auto& [code, number, name] : cases) {
    CHECK(static_cast<int>(code) == number);
    CHECK(to_text(code) == name);
  }
}

}  // namespace
}  // namespace egress
