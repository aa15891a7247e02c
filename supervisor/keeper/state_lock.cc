#include "supervisor/keeper/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "oci/base/system.h"
#include "oci/container/record.h"

namespace tidewaiter::supervisor {

Result<UniqueFd> lock_state_folder(const std::string& state_folder, pid_t agent) {
  const std::string path = state_folder + "/" + container::Record::kLockName;
  UniqueFd lock = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(errno, "another agent serves " + state_folder);
  }
  if (::ftruncate(lock.get(), 0) != 0) return fail(errno, path);
  TRY(sys::write_all(lock.get(), std::to_string(agent) + "\n"));
  return lock;
}

}  // namespace tidewaiter::supervisor
