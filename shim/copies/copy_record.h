#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/policy/policy.h"

// What is kept beside the layers of a container's copied folders (oci/policy/compile_copies.h):
//
//   changes/ID/record.json   what was decided when the container was created; never written again
//              state.json    how far it has come; replaced as a whole, and on disk before anything follows
//              from it lock          held (flock(2)) by whoever attends on the container, or settles its
//              changes 0/upper       what the container wrote to the first folder of the policy; 0/work the
//              kernel's own list.0        of a dry run, what it would have changed
//
// It outlives the container, and the machine's running: unlike the state folder it lies on a disk. Only its
// owner may enter it (0700), and nothing of it but the overlay is seen in the container.

namespace tidewaiter::shim {

struct CopyRecord {
  struct Folder {
    std::string pointer;       // of the rule
    std::string path;          // in the container
    std::string source;        // on the host, canonical
    std::uint64_t device = 0;  // of the source, stat(2): another folder of that name is not written to
    std::uint64_t inode = 0;
    policy::Settlement on_success = policy::Settlement::kKeep;
    policy::Settlement on_failure = policy::Settlement::kKeep;
  };

  std::string id;
  std::string policy_name;
  std::string created;  // RFC 3339
  bool dry_run = false;
  bool user_xattr = false;  // policy::Listener::copies_user_xattr
  std::string log;          // the container's event log
  std::vector<Folder> folders;

  static constexpr const char* kFileName = "record.json";
  static constexpr const char* kLockName = "lock";
  static constexpr const char* kListName = "list";
};

// How the container's first process ended, as far as anybody learnt it.
struct Ending {
  std::optional<int> exit_code = {};
  std::optional<int> signal = {};  // that it died of
  std::string unknown = {};        // why neither is known

  [[nodiscard]] bool success() const { return exit_code == 0; }
};
// "exit code 0", "signal 9", "unknown: …".
std::string in_words(const Ending& ending);

struct CopyState {
  // Of the container.
  enum class Stage {
    kPrepared,  // nothing has run in it yet
    kAttended,  // its first process is there, and may have ended
    kEnded,     // it has
  };
  // Of the changes to one folder.
  enum class Phase {
    kOpen,        // nothing was decided
    kKept,        // until somebody decides
    kCommitting,  // some of them may have been made to the folder: no other end is possible any more
    kDiscarding,  // some of them may be gone: no other end is possible any more
    kListed,      // a dry run: the list is there, and the changes are not
    kSettled,     // made to the folder, or gone
  };
  struct Folder {
    Phase phase = Phase::kOpen;
    std::string token =
        {};  // kCommitting: in the names of temporary files; nobody knew it when the container ran
    std::string reason = {};  // kKept, kCommitting: what stood in the way
  };

  Stage stage = Stage::kPrepared;
  // Of the first process, in the pid namespace of who attends: a pid is another process's after a while, and
  // after the next start of the machine.
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // proc_pid_stat(5), field 22
  std::string boot;              // /proc/sys/kernel/random/boot_id
  Ending ending;
  std::vector<Folder> folders;

  static constexpr const char* kFileName = "state.json";
};

Result<CopyRecord> read_copy_record(const std::string& folder);
Status write_copy_record(const std::string& folder, const CopyRecord& record);
Result<CopyState> read_copy_state(const std::string& folder);
// On disk when it returns.
Status write_copy_state(const std::string& folder, const CopyState& state);

enum class Wait { kNo, kYes };
// The lock of the folder; an invalid descriptor where somebody else has it and we do not wait. ENOENT: there
// is no such folder, or not any more.
Result<UniqueFd> lock_copies(const std::string& folder, Wait wait);
// The file for it. Nobody else makes one: whoever waits for the lock of a folder that goes is to find none.
Status make_copies_lock(const std::string& folder);

// Removes what is left when the layers are gone: for whoever looks, all at once, by another name that begins
// with a dot and is no container's. REQUIRES: the lock.
Status remove_copies_folder(const std::string& folder);

}  // namespace tidewaiter::shim
