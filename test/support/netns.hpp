// Network namespaces for tests against the real kernel: each runs in a child process of its own, so
// that nothing outlives it and nothing reaches the machine's own network.
#pragma once

#include <functional>
#include <string>

namespace egress::test {

// Forks a child, gives it new network and mount namespaces with `lo` up, and runs `body` there.
// What `body` throws, a failed REQUIRE among it, fails the calling test; CHECK does not reach it.
// May be nested: the inner namespace is new again, and the outer one stands at
// netns_path_of_parent(). Where no namespace can be had the test prints "SKIPPED: ..." and passes,
// or fails if the environment says CI=true.
void run_in_new_netns(const std::function<void()>& body);

// The network namespace of the process that forked this one.
std::string netns_path_of_parent();

// Runs commands by sh, up to the first that fails, and returns what they print, errors among it;
// throws std::runtime_error with that where one fails.
std::string run(const std::string& command);

}  // namespace egress::test
