#include "oci/spec/state.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "tests/fuzz/fuzz.h"

// The container process state, and where it ends among the bytes that a runtime sends.

namespace tidewaiter::spec {
namespace {

using Progress = JsonObjectScanner::Progress;

struct Scanned {
  Progress progress = Progress::kIncomplete;
  std::size_t size = 0;
  bool operator==(const Scanned&) const = default;
};

Scanned scan(std::string_view text, std::size_t piece) {
  JsonObjectScanner scanner;
  Scanned scanned;
  while (!text.empty()) {
    const std::string_view next = text.substr(0, piece);
    text.remove_prefix(next.size());
    scanned.progress = scanner.feed(next);
  }
  if (scanned.progress == Progress::kComplete) scanned.size = scanner.size();
  return scanned;
}

bool same(const ContainerProcessState& a, const ContainerProcessState& b) {
  const auto all = [](const ContainerProcessState& state) {
    return std::tie(state.document, state.fds, state.pid, state.metadata, state.id, state.status,
                    state.init_pid, state.bundle);
  };
  return all(a) == all(b);
}

void check(std::string_view text) {
  const Scanned scanned = scan(text, text.size());
  for (const std::size_t piece : {1U, 2U, 7U, 64U}) MUST(scan(text, piece) == scanned);
  MUST(scanned.size <= text.size());
  // Of what is a state as a whole, the scanner leaves nothing over that says something. (The library passes
  // over a byte order mark.)
  if (parse_state(text) && !text.starts_with("\xef\xbb\xbf")) {
    MUST(scanned.progress == Progress::kComplete);
    MUST(text.substr(scanned.size).find_first_not_of(" \t\n\r") == std::string_view::npos);
  }
  if (scanned.progress == Progress::kComplete) text = text.substr(0, scanned.size);

  const auto state = parse_state(text);
  fuzz::note(state.has_value());
  if (!state) {
    MUST(state.error().code == 0 && !state.error().context.empty());
    return;
  }
  MUST(!state->id.empty() && state->pid >= 0 && state->init_pid >= 0);
  MUST(std::count(state->fds.begin(), state->fds.end(), "seccompFd") == 1);
  const std::string written = dump_state(*state);
  const auto again = parse_state(written);
  MUST(again && same(*again, *state) && dump_state(*again) == written);
}

}  // namespace
}  // namespace tidewaiter::spec

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::spec::check(tidewaiter::fuzz::Input(data, size).rest());
  return 0;
}
