#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/settings.h"
#include "oci/runtime/runtime_traits.h"
#include "oci/seccomp/filter_context.h"
#include "oci/seccomp/listener_trial.h"

namespace tidewaiter::shim {

// What `tidewaiter doctor` asks of the machine it runs on; tests answer in its place.
class Machine {
 public:
  virtual ~Machine() = default;

  [[nodiscard]] virtual std::string kernel_release() const = 0;  // uname -r
  [[nodiscard]] virtual Result<std::string> read_file(const std::string& path) const = 0;
  [[nodiscard]] virtual Result<std::vector<std::string>> list(const std::string& folder) const = 0;  // names
  // Whether files can be made in `folder`, or in the nearest folder above that exists.
  [[nodiscard]] virtual Status writable(const std::string& folder) const = 0;

  [[nodiscard]] virtual bool initial_root() const = 0;
  [[nodiscard]] virtual Result<seccomp::ListenerTrial> try_listener() const = 0;
  [[nodiscard]] virtual bool knows_notifications()
      const = 0;                                       // SECCOMP_GET_ACTION_AVAIL, SECCOMP_GET_NOTIF_SIZES
  [[nodiscard]] virtual int landlock_abi() const = 0;  // 0: none
  [[nodiscard]] virtual seccomp::LibraryVersion library_version() const = 0;
  [[nodiscard]] virtual unsigned library_api_level() const = 0;

  [[nodiscard]] virtual Result<std::string> find_runtime(const container::Settings& settings) const = 0;
  // The runtimes on PATH that we know, "/usr/bin/crun".
  [[nodiscard]] virtual std::vector<std::string> runtimes_on_path() const = 0;
  [[nodiscard]] virtual Result<runtime::Kind> identify(const std::string& runtime) const = 0;
  [[nodiscard]] virtual Result<std::string> version(const std::string& runtime) const = 0;  // "1.8.1"
  [[nodiscard]] virtual Result<std::string> agent_path(const std::string& configured) const = 0;
  // Whether the node's agent answers that listens there.
  [[nodiscard]] virtual Status ask_node_agent(const std::string& socket) const = 0;
  [[nodiscard]] virtual std::string init_path() const = 0;  // tidewaiter-init; empty: there is none
};

// The machine this runs on.
const Machine& this_machine();

}  // namespace tidewaiter::shim
