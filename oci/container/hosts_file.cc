#include "oci/container/hosts_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::container {
namespace {

constexpr std::size_t kLargestBase = 1U << 20U;
// Where the names begin. It is there without any, too: the base may hold such a line of its own.
constexpr std::string_view kHead = "# Host names that the policy allows\n";

class Lock {
 public:
  static Result<Lock> take(int fd) {
    while (::flock(fd, LOCK_EX) != 0) {
      if (errno != EINTR) return fail(errno, "lock the hosts file");
    }
    return Lock(fd);
  }
  Lock(Lock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Lock& operator=(Lock&&) = delete;
  ~Lock() {
    if (fd_ >= 0) ::flock(fd_, LOCK_UN);
  }

 private:
  explicit Lock(int fd) : fd_(fd) {}
  int fd_;
};

// The links on the way are the image's: none leads out of `root`. Neither does a FIFO keep us waiting.
Result<UniqueFd> open_below(const std::string& root, const std::string& path) {
  const UniqueFd folder = TRY(sys::open(root, O_PATH | O_DIRECTORY));
  UniqueFd file = TRY(sys::openat2(folder.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY,
                                   RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS));
  if (!S_ISREG(TRY(sys::fstat(file.get())).st_mode)) return fail(path + " is not a file");
  return file;
}

// From kHead on, without what fills `text` up.
std::string_view names_in(std::string_view text) {
  const std::size_t head = text.rfind(kHead);
  if (head == std::string_view::npos) return kHead;
  text.remove_prefix(head);
  return text.substr(0, text.find_last_not_of('\n') + 2);
}

}  // namespace

Result<HostsFile> HostsFile::open(const std::string& path, spec::HostsBase base) {
  // It does not wait for a lease that the container has taken on its file (F_SETLEASE).
  UniqueFd file = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
  // Whatever the umask: the container's user reads it.
  if (::fchmod(file.get(), 0644) != 0) return fail(errno, path);
  UniqueFd lock = TRY(sys::open(path + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  return HostsFile(std::move(file), std::move(lock), std::move(base));
}

Status HostsFile::write(std::string_view names) {
  const Lock lock = TRY(Lock::take(lock_.get()));
  auto base = read_base();
  if (!base) {
    log::warning("the container's own hosts file cannot be read, and is left out",
                 {{"error", base.error().message()}});
  }
  return replace(base.value_or(""), std::string(kHead).append(names));
}

Status HostsFile::follow_base() {
  const Lock lock = TRY(Lock::take(lock_.get()));
  if (::lseek(file_.get(), 0, SEEK_SET) != 0) return fail(errno, "read the hosts file");
  const std::string text = TRY(in_context("read the hosts file", sys::read_all(file_.get())));
  // What cannot be read now stays as the agent found it.
  return replace(TRY(read_base()), names_in(text));
}

Status HostsFile::replace(std::string text, std::string_view names) {
  if (!text.empty() && text.back() != '\n') text += '\n';
  text += names;
  // Never shorter than before, and in one go: a reader in between sees no end of an old line.
  const auto size = static_cast<std::size_t>(TRY(sys::fstat(file_.get())).st_size);
  text.resize(std::max(text.size(), size), '\n');
  const ssize_t written = ::pwrite(file_.get(), text.data(), text.size(), 0);
  if (written < 0) return fail(errno, "write the hosts file");
  if (static_cast<std::size_t>(written) != text.size()) return fail(ENOSPC, "write the hosts file");
  return {};
}

Result<std::string> HostsFile::read_base() {
  if (base_.root.empty()) return std::string();
  const auto base = open_below(base_.root, base_.path);
  if (!base && base.error().code == ENOENT) return std::string();
  if (!base) return tl::unexpected(base.error());
  // First: what is written after it has been read is told.
  if (!changes_.valid()) TRY(watch(base->get()));
  return sys::read_all(base->get(), kLargestBase);
}

Status HostsFile::watch(int base) {
  UniqueFd changes(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!changes.valid()) return fail(errno, "inotify_init1");
  if (::inotify_add_watch(changes.get(), ("/proc/self/fd/" + std::to_string(base)).c_str(), IN_CLOSE_WRITE) <
      0) {
    return fail(errno, "watch " + base_.path);
  }
  changes_ = std::move(changes);
  return {};
}

void HostsFile::take_base_changes() const {
  std::array<char, 4096> ignored;
  while (::read(changes_.get(), ignored.data(), ignored.size()) > 0) {
  }
}

}  // namespace tidewaiter::container
