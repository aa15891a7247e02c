#include "supervisor/target/file_calls.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

// Not sys::open(): a file system of the target's may take as long as it likes, and the signal that takes a
// receiver out of a call whose target has gone has to end it.
Result<UniqueFd> open_at(int directory, const std::string& path, int flags) {
  UniqueFd fd(::openat(directory, path.c_str(), flags | O_CLOEXEC));
  if (!fd.valid()) return fail(errno, "open " + path);
  return fd;
}

std::string own_link(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// EACCES for what nobody could execute, whatever it is to others: reading /proc/kmsg takes from the kernel's
// log.
Status check_executable(int fd) {
  struct stat file {};
  struct statvfs system {};
  if (::fstat(fd, &file) != 0) return fail(errno, "fstat");
  if (::fstatvfs(fd, &system) != 0) return fail(errno, "fstatvfs");
  if ((file.st_mode & 0111) == 0 || (system.f_flag & ST_NOEXEC) != 0) return fail(EACCES, "not executable");
  return {};
}

class SystemFileCalls final : public FileCalls {
 public:
  Result<UniqueFd> open_proc_link(pid_t tid, const char* name) override {
    return open_at(AT_FDCWD, "/proc/" + std::to_string(tid) + "/" + name, O_PATH);
  }

  Result<UniqueFd> open_component(int directory, const std::string& name, bool follow) override {
    return open_at(directory, name, O_PATH | (follow ? 0 : O_NOFOLLOW));
  }

  Result<bool> is_magic_link(int directory, const std::string& name) override {
    const auto opened = sys::openat2(directory, name, O_PATH, RESOLVE_NO_MAGICLINKS);
    return !opened && opened.error().code == ELOOP;
  }

  Result<std::string> read_link(int link) override {
    // A symbolic link's text has less than PATH_MAX bytes on every file system there is (page_get_link).
    std::string text(4096, '\0');
    const ssize_t size = ::readlinkat(link, "", text.data(), text.size());
    if (size < 0) return fail(errno, "readlinkat");
    text.resize(static_cast<std::size_t>(size));
    return text;
  }

  Result<FileStatus> status(int fd) override {
    struct statx found {};
    if (::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MODE | STATX_INO | STATX_MNT_ID, &found) != 0) {
      return fail(errno, "statx");
    }
    FileStatus status;
    status.device = makedev(found.stx_dev_major, found.stx_dev_minor);
    status.inode = found.stx_ino;
    status.mount = (found.stx_mask & STATX_MNT_ID) != 0 ? found.stx_mnt_id : 0;
    status.mode = found.stx_mode;
    return status;
  }

  Result<bool> on_procfs(int fd) override {
    struct statfs found {};
    if (::fstatfs(fd, &found) != 0) return fail(errno, "fstatfs");
    return found.f_type == PROC_SUPER_MAGIC;
  }

  Result<std::string> path(int fd) override { return sys::readlink(own_link(fd)); }

  Result<std::string> first_bytes(int fd, std::size_t size) override {
    // Not a device or a FIFO, where opening does something, or takes for ever.
    if (const FileStatus found = TRY(status(fd)); !S_ISREG(found.mode)) return fail(EACCES, "not a file");
    TRY(check_executable(fd));
    const UniqueFd file = TRY(open_at(AT_FDCWD, own_link(fd), O_RDONLY | O_NOCTTY | O_NONBLOCK));
    std::string bytes(size, '\0');
    std::size_t have = 0;
    while (have < size) {
      const ssize_t count = ::pread(file.get(), bytes.data() + have, size - have, static_cast<off_t>(have));
      if (count < 0) return fail(errno, "pread");
      if (count == 0) break;
      have += static_cast<std::size_t>(count);
    }
    bytes.resize(have);
    return bytes;
  }
};

}  // namespace

FileCalls& system_file_calls() {
  static SystemFileCalls calls;
  return calls;
}

}  // namespace tidewaiter::supervisor
