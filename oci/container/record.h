#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/settings.h"
#include "oci/spec/hosts_mount.h"

namespace tidewaiter::container {

// What the shim, or the hook, leaves for the agent and for later commands: `record.json` in the container's
// state folder.
struct Record {
  // A file, whatever its name.
  struct File {
    std::uint64_t device = 0;  // stat(2)
    std::uint64_t inode = 0;

    bool operator==(const File&) const = default;
  };

  std::string id;            // container id; empty when made by the precreate hook, which is not told it
  std::string config_path;   // the bundle's config file, to be restored at the end; empty: leave it alone
  std::string config_owner;  // whose rewriting of it that is; see Bundle::install
  std::string runtime;       // absolute path of the real runtime; empty when unknown (hook)
  std::string root;          // its --root, absolute; empty: the default, or not known (hook)
  std::string policy_name;
  std::string policy_path;  // the policy file; empty: not known
  std::string policy_text;  // as it was when the container was created, or reloaded for it
  std::optional<nlohmann::ordered_json> own_seccomp;  // the bundle's own linux.seccomp, if any
  bool agent = true;  // false: nobody has to answer for the container; the record is for other commands
  std::optional<std::uint64_t> open_files;  // policy::Plan::open_files
  std::optional<std::uint64_t> timeout;     // policy::Plan::timeout, in seconds
  std::uint64_t stop_signal = 0;            // policy::Plan::stop_signal
  std::uint64_t stop_grace = 0;             // policy::Limits::kStopGrace, in seconds
  bool shuts_real_time = false;             // policy::Plan::shuts_real_time
  bool sees_others = false;                 // policy::Plan::sees_others
  bool snapshots = false;                   // policy::Plan::snapshots
  bool bounds_memory = false;               // policy::Plan::bounds_memory
  std::string processors;                   // policy::Plan::processors
  bool holds_process = false;               // policy::Plan::holds_process
  std::vector<std::string> init;            // policy::Plan::init
  std::optional<File> init_file;            // what is bound there; absent without `init`
  std::vector<std::string> residual;        // policy::Plan::residual
  bool exempts_start = false;               // policy::Plan::exempts_start
  bool told_of_execs = false;               // policy::Plan::told_of_execs
  // What the container's hosts file, kHostsName, is made from; absent: there is none.
  std::optional<spec::HostsBase> hosts;
  std::string pinned_hosts;                         // policy::Plan::pinned_hosts
  std::string log_directory;                        // of the event log
  std::uint64_t log_max_bytes = 0;                  // one file's bound; one rotated file is kept beside it
  std::uint64_t log_total_bytes = 0;                // the log folder's bound: beyond it the oldest logs go
  std::uint64_t restart_seconds = kRestartSeconds;  // Settings::restart_seconds

  // File names inside the state folder.
  static constexpr const char* kFileName = "record.json";
  static constexpr const char* kSocketName = "agent.sock";
  static constexpr const char* kHostsName = "hosts";
  static constexpr const char* kDeniedName = "denied";  // policy::Listener::denied_file
  static constexpr const char* kLockName =
      "agent.lock";  // held with flock(2) while the agent lives; its pid is in it
};

Result<Record> read_record(const std::string& state_folder);
Status write_record(const std::string& state_folder, const Record& record);

}  // namespace tidewaiter::container
