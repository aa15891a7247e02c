#include "shim/inherited_file.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <cerrno>

#include "oci/base/system.h"

namespace tidewaiter::shim {
namespace {

// --preserve-fds hands numbers from 3 on to the new process.
constexpr int kAbovePreserved = 512;

}  // namespace

Result<std::string> inherited_file(const std::string& text) {
  const UniqueFd file(::memfd_create("tidewaiter", MFD_CLOEXEC));
  if (!file.valid()) return fail(errno, "memfd_create");
  TRY(sys::write_all(file.get(), text));
  int inherited = ::fcntl(file.get(), F_DUPFD, kAbovePreserved);
  if (inherited < 0) inherited = ::fcntl(file.get(), F_DUPFD, 3);  // RLIMIT_NOFILE is lower than that
  if (inherited < 0) return fail(errno, "fcntl F_DUPFD");
  return "/proc/self/fd/" + std::to_string(inherited);
}

}  // namespace tidewaiter::shim
