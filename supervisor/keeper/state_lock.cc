#include "supervisor/keeper/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>

#include "oci/base/system.h"
#include "oci/container/record.h"

namespace tidewaiter::supervisor {

Result<UniqueFd> lock_state_folder(const std::string& state_folder, const std::string& text) {
  const std::string path = state_folder + "/" + container::Record::kLockName;
  UniqueFd lock = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  if (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    return fail(errno, "another agent serves " + state_folder);
  }
  TRY(sign_lock(lock, text));
  return lock;
}

Status sign_lock(const UniqueFd& lock, const std::string& text) {
  if (::ftruncate(lock.get(), 0) != 0) return fail(errno, container::Record::kLockName);
  if (::lseek(lock.get(), 0, SEEK_SET) != 0) return fail(errno, container::Record::kLockName);
  return sys::write_all(lock.get(), text);
}

}  // namespace tidewaiter::supervisor
