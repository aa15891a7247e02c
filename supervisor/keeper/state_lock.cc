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

// Whoever reads it meanwhile finds the first line whole, the old one or the new one: an empty lock is that of
// an agent that has just begun.
Status sign_lock(const UniqueFd& lock, const std::string& text) {
  const ssize_t written = ::pwrite(lock.get(), text.data(), text.size(), 0);
  if (written < 0) return fail(errno, container::Record::kLockName);
  if (static_cast<std::size_t>(written) != text.size()) return fail(ENOSPC, container::Record::kLockName);
  if (::ftruncate(lock.get(), written) != 0) return fail(errno, container::Record::kLockName);
  return {};
}

}  // namespace tidewaiter::supervisor
