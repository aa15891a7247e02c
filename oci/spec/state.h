#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/spec/config.h"

namespace tidewaiter::spec {

// The container process state a runtime sends with the notify fd (runtime-spec, runtime.md, "The Container
// Process State"). Runtimes differ: crun hard-codes ociVersion 0.2.0 and sends pid 0 and bundle "." for
// exec; nothing but `id` may be relied on. What is read here of `document` is beside it.
struct ContainerProcessState {
  Json document;                 // all that the runtime said: keys in order, unknown ones too
  std::vector<std::string> fds;  // names, in the order of the descriptors; the listener is "seccompFd"
  pid_t pid = 0;         // of the process that loaded the filter, in the runtime's pid namespace; 0 unknown
  std::string metadata;  // linux.seccomp.listenerMetadata
  std::string id;        // state.id, never empty
  std::string status;    // state.status
  pid_t init_pid = 0;    // state.pid; 0 unknown
  std::string bundle;    // state.bundle; may be "."
};

// Missing or ill-typed members other than `fds` and `state.id` are tolerated and left empty. `fds` must name
// "seccompFd" exactly once.
Result<ContainerProcessState> parse_state(std::string_view text);

// As text, in one line: parse_state() makes the same of it again.
std::string dump_state(const ContainerProcessState& state);

// Recognises the end of one JSON object in a byte stream, fed in pieces: some runtimes never close the
// connection after the message, so waiting for end-of-file would wait for ever. Looks at structure only
// (braces, brackets, strings); parse_state() judges the rest.
class JsonObjectScanner {
 public:
  enum class Progress { kIncomplete, kComplete, kNotAnObject };
  // kComplete once the object's last brace was seen; later bytes are ignored.
  Progress feed(std::string_view bytes);
  // How many of all bytes fed, from the first one, make up the object and the white space before it.
  // REQUIRES: kComplete was returned.
  [[nodiscard]] std::size_t size() const { return size_; }

 private:
  std::size_t size_ = 0;
  std::size_t depth_ = 0;
  bool in_string_ = false;
  bool escaped_ = false;
  bool started_ = false;
  bool complete_ = false;
};

}  // namespace tidewaiter::spec
