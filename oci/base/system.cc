#include "oci/base/system.h"

#include <dirent.h>
#include <limits.h>
#include <linux/landlock.h>
#include <linux/openat2.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <utility>

namespace tidewaiter::sys {
namespace {

// Runs `call` until it is not interrupted by a signal.
template <typename Call>
auto again(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// 64 random bits as hex: nobody else can have made a file of that name beforehand.
Result<std::string> random_suffix() {
  std::uint64_t bits = 0;
  if (again([&] { return ::getrandom(&bits, sizeof bits, 0); }) != sizeof bits) {
    return fail(errno, "getrandom");
  }
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(bits >> shift) & 0xFU];
  return text;
}

// Gives `fd` the owner and mode of the file it is going to replace. fchown clears set-id bits, so the
// mode comes second.
Status keep_owner_and_mode(int fd, const struct stat& existing) {
  const struct stat made = TRY(fstat(fd));
  if ((made.st_uid != existing.st_uid || made.st_gid != existing.st_gid) &&
      ::fchown(fd, existing.st_uid, existing.st_gid) != 0) {
    return fail(errno, "fchown");
  }
  if (::fchmod(fd, existing.st_mode & 07777U) != 0) return fail(errno, "fchmod");
  return {};
}

// `path` itself, or the file at the end of its chain of symbolic links, which need not exist.
Result<std::string> resolve_links(const std::string& path) {
  constexpr int kMaxLinks = 40;  // as path_resolution(7)
  std::string resolved = path;
  for (int followed = 0; followed <= kMaxLinks; ++followed) {
    struct stat status {};
    if (::lstat(resolved.c_str(), &status) != 0) {
      if (errno == ENOENT) return resolved;
      return fail(errno, resolved);
    }
    if (!S_ISLNK(status.st_mode)) return resolved;
    const std::string target = TRY(readlink(resolved));
    if (target.starts_with('/')) {
      resolved = target;
    } else {
      resolved = parent_of(resolved);
      resolved += '/';
      resolved += target;
    }
  }
  return fail(ELOOP, path);
}

// Writes the file `temporary`, which is to take the place of `path`.
Status write_beside(const std::string& path, const std::string& temporary, std::string_view data, mode_t mode,
                    Sync sync) {
  struct stat existing {};
  const bool exists = ::lstat(path.c_str(), &existing) == 0;
  if (!exists && errno != ENOENT) return fail(errno, "stat");
  if (exists && !S_ISREG(existing.st_mode)) return fail("not a regular file");

  // Closed to others until it has the owner it is to have.
  const UniqueFd fd = TRY(open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR));
  Status written = [&]() -> Status {
    if (exists) {
      TRY(keep_owner_and_mode(fd.get(), existing));
    } else if (::fchmod(fd.get(), mode & 07777U) != 0) {
      return fail(errno, "fchmod " + temporary);
    }
    TRY(write_all(fd.get(), data));
    if (sync == Sync::kBytes && again([&] { return ::fsync(fd.get()); }) != 0) {
      return fail(errno, "fsync " + temporary);
    }
    return {};
  }();
  if (!written) ::unlink(temporary.c_str());
  return written;
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

// Deeper trees are left with an error: a container that may write there must not make us run out of stack
// or descriptors.
constexpr int kMaxTreeDepth = 128;

Status remove_entry(int parent, const std::string& name, int depth);

Status remove_below(UniqueFd fd, int depth) {
  Directory directory(::fdopendir(fd.get()), &::closedir);
  if (!directory) return fail(errno, "fdopendir");
  // The stream owns the descriptor now.
  const int number = fd.release();
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const struct dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) {
      if (errno != 0) return fail(errno, "readdir");
      break;
    }
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  for (const std::string& name : names) TRY(remove_entry(number, name, depth));
  return {};
}

Status remove_entry_unnamed(int parent, const std::string& name, int depth) {
  if (::unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  // A folder is EISDIR on Linux, EPERM by POSIX (unlink(2)).
  if (errno != EISDIR && errno != EPERM) return fail(errno, "");
  const int unlink_error = errno;
  if (depth >= kMaxTreeDepth) return fail("nested too deep to be removed");
  const int fd =
      again([&] { return ::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); });
  if (fd < 0) {
    if (errno == ENOENT) return {};
    // Not a folder after all: then it was EPERM for another reason.
    return fail(errno == ENOTDIR || errno == ELOOP ? unlink_error : errno, "");
  }
  TRY(remove_below(UniqueFd(fd), depth + 1));
  if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT) return fail(errno, "");
  return {};
}

Status remove_entry(int parent, const std::string& name, int depth) {
  return in_context(name, remove_entry_unnamed(parent, name, depth));
}

}  // namespace

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode) {
  return openat(AT_FDCWD, path, flags, mode);
}

Result<UniqueFd> openat(int directory, const std::string& path, int flags, mode_t mode) {
  UniqueFd fd(again([&] { return ::openat(directory, path.c_str(), flags | O_CLOEXEC, mode); }));
  if (!fd.valid()) return fail(errno, "open " + path);
  return fd;
}

Result<UniqueFd> openat2(int directory, const std::string& path, std::uint64_t flags, std::uint64_t resolve) {
  struct open_how how {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  UniqueFd fd(static_cast<int>(
      again([&] { return ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how); })));
  if (!fd.valid()) return fail(errno, "open " + path);
  return fd;
}

Result<struct stat> stat(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return fail(errno, "stat " + path);
  return status;
}

Result<struct stat> fstat(int fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail(errno, "fstat descriptor " + std::to_string(fd));
  return status;
}

Status mkdir(const std::string& path, mode_t mode) {
  if (::mkdir(path.c_str(), mode) != 0) return fail(errno, "mkdir " + path);
  return {};
}

Status unlink(const std::string& path) {
  if (::unlink(path.c_str()) != 0) return fail(errno, "unlink " + path);
  return {};
}

Status rename(const std::string& from, const std::string& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) return fail(errno, "rename " + from + " to " + to);
  return {};
}

Result<std::string> readlink(const std::string& path) { return readlinkat(AT_FDCWD, path); }

Result<std::string> readlinkat(int directory, const std::string& path) {
  // Files of /proc claim a size of 0, so the size is not asked for but found.
  std::array<char, PATH_MAX> target;
  const ssize_t size = ::readlinkat(directory, path.c_str(), target.data(), target.size());
  if (size < 0) return fail(errno, "readlink " + path);
  if (static_cast<std::size_t>(size) == target.size()) return fail(ENAMETOOLONG, "readlink " + path);
  return std::string(target.data(), static_cast<std::size_t>(size));
}

Result<std::string> realpath(const std::string& path) {
  std::array<char, PATH_MAX> resolved{};
  if (::realpath(path.c_str(), resolved.data()) == nullptr) return fail(errno, "resolve " + path);
  return std::string(resolved.data());
}

Result<std::size_t> read(int fd, void* buffer, std::size_t size) {
  const ssize_t count = again([&] { return ::read(fd, buffer, size); });
  if (count < 0) return fail(errno, "read descriptor " + std::to_string(fd));
  return static_cast<std::size_t>(count);
}

Result<std::size_t> write(int fd, const void* data, std::size_t size) {
  const ssize_t count = again([&] { return ::write(fd, data, size); });
  if (count < 0) return fail(errno, "write descriptor " + std::to_string(fd));
  return static_cast<std::size_t>(count);
}

Result<UniqueFd> pidfd_open(pid_t pid, unsigned int flags) {
  // The kernel makes it close-on-exec (pidfd_open(2)). glibc 2.36 has a wrapper; older ones do not.
  UniqueFd fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, flags)));
  if (!fd.valid()) return fail(errno, "pidfd_open " + std::to_string(pid));
  return fd;
}

Result<UniqueFd> eventfd(unsigned int initial, int flags) {
  UniqueFd fd(::eventfd(initial, flags | EFD_CLOEXEC));
  if (!fd.valid()) return fail(errno, "eventfd");
  return fd;
}

Result<Pipe> pipe() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(errno, "pipe");
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<std::string> read_file(const std::string& path, std::size_t limit) {
  const UniqueFd fd = TRY(open(path, O_RDONLY));
  return in_context("read " + path, read_all(fd.get(), limit));
}

Result<std::string> read_all(int fd, std::size_t limit) {
  std::array<char, 16U << 10U> piece;  // NOLINT(cppcoreguidelines-pro-type-member-init): most files are small
  std::string data;
  while (true) {
    // One byte more than allowed is asked for, so that a file of exactly `limit` bytes is told from a longer
    // one.
    const std::size_t wanted = std::min(piece.size(), limit + 1 - data.size());
    const std::size_t count = TRY(read(fd, piece.data(), wanted));
    if (count == 0) return data;
    data.append(piece.data(), count);
    if (data.size() > limit) return fail(EFBIG, "longer than " + std::to_string(limit) + " bytes");
  }
}

Status write_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const std::size_t count = TRY(write(fd, data.data(), data.size()));
    data.remove_prefix(count);
  }
  return {};
}

Status sync_directory(const std::string& path) {
  const UniqueFd directory = TRY(open(path, O_RDONLY | O_DIRECTORY));
  // Some file systems have no way to sync a folder and say EINVAL (fsync(2)); the rename is atomic even so.
  if (again([&] { return ::fsync(directory.get()); }) != 0 && errno != EINVAL) {
    return fail(errno, "fsync " + path);
  }
  return {};
}

Replacement::Replacement(std::string path, std::string temporary)
    : path_(std::move(path)), temporary_(std::move(temporary)) {}

Replacement::Replacement(Replacement&& other) noexcept
    : path_(std::move(other.path_)), temporary_(std::exchange(other.temporary_, "")) {}

Replacement::~Replacement() {
  if (temporary_.empty()) return;
  const int saved = errno;
  ::unlink(temporary_.c_str());
  errno = saved;
}

Result<Replacement> Replacement::write(const std::string& path, std::string_view data, mode_t mode, Sync sync,
                                       std::string_view suffix) {
  const std::string context = "replace " + path;
  std::string target = TRY(in_context(context, resolve_links(path)));
  std::string temporary = target;
  if (suffix.empty()) {
    temporary += "." + TRY(in_context(context, random_suffix()));
  } else {
    temporary += suffix;
    if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) return fail(errno, "unlink " + temporary);
  }
  TRY(in_context(context, write_beside(target, temporary, data, mode, sync)));
  return Replacement(std::move(target), std::move(temporary));
}

Status Replacement::take_place() {
  TRY(in_context("replace " + path_, rename(temporary_, path_)));
  temporary_.clear();
  return {};
}

Status replace_file(const std::string& path, std::string_view data, mode_t mode, std::string_view suffix) {
  Replacement replacement = TRY(Replacement::write(path, data, mode, Sync::kBytes, suffix));
  TRY(replacement.take_place());
  return in_context("replace " + path, sync_directory(parent_of(replacement.path())));
}

int landlock_version() {
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return version > 0 ? static_cast<int>(version) : 0;
}

Status make_directories(const std::string& path, mode_t mode) {
  std::size_t end = 0;
  do {
    end = path.find('/', end + 1);
    const std::string part = path.substr(0, end);
    if (::mkdir(part.c_str(), mode) == 0) {
      // mkdir(2) takes the umask's bits away.
      if (::chmod(part.c_str(), mode) != 0) return fail(errno, "chmod " + part);
      continue;
    }
    const int code = errno;
    struct stat status {};
    // An existing part may answer EROFS or EACCES before EEXIST is looked at.
    if (::stat(part.c_str(), &status) != 0) return fail(code, "mkdir " + part);
    if (!S_ISDIR(status.st_mode)) return fail(ENOTDIR, "mkdir " + part);
  } while (end != std::string::npos);
  return {};
}

Status remove_tree(const std::string& path) { return in_context("remove", remove_entry(AT_FDCWD, path, 0)); }

}  // namespace tidewaiter::sys
