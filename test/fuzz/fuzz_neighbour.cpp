// Any bytes are a neighbour's message or none; what a message claims or asks for survives being
// encoded and read again.
#include <cstdint>
#include <cstdlib>

#include "common/link/neighbour_messages.hpp"

using namespace egress;
using namespace egress::link;

namespace {

// From :: nobody tells its own link-layer address, so the frame's sender stands for it.
void check_round_trip(const Question& question) {
  const auto again = parse_neighbour(encode_question(question));
  const NeighbourMessage expected{question.sender, question.source, question.target};
  if (again != expected) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of its own size, so that a read beyond it is seen.
  const Frame frame(data, data + size);
  const auto message = parse_neighbour(frame);
  if (!message) return 0;
  if (message->claims && message->claims->is_unspecified()) {
    // Only an advertisement has a target that its source may not have.
    if (message->asks) std::abort();
    return 0;
  }
  if (message->asks && !message->asks->is_unspecified()) {
    if (message->claims && message->claims->family() != message->asks->family()) std::abort();
    check_round_trip({message->sender, message->claims, *message->asks});
  }
  if (message->claims && !message->claims->is_multicast()) {
    const auto told = parse_neighbour(encode_announcement(message->sender, *message->claims));
    if (!told || told->claims != message->claims || told->sender != message->sender) std::abort();
  }
  return 0;
}
