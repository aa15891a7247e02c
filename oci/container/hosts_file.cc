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
#include <set>
#include <utility>
#include <vector>

#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::container {
namespace {

constexpr std::size_t kLargestBase = 1U << 20U;
// Where the names begin. It is there without any, too: the base may hold such a line of its own.
constexpr std::string_view kHead = "# Host names that the policy allows\n";
constexpr std::string_view kPinnedHead = "# Host names that the policy pins\n";
constexpr std::string_view kBlanks = " \t\r\v\f";  // isspace(3), as the C library's reader has it

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

// As names are compared: the case of letters does not count (hosts(5)), and a dot at the end says nothing.
std::string folded(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  std::string text(name);
  for (char& c : text) c = 'A' <= c && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return text;
}

// The words of a line, without its comment, or what no C program would read.
std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kEnds("#\0", 2);
  line = line.substr(0, line.find_first_of(kEnds));
  std::vector<std::string_view> words;
  for (std::size_t begin = 0; (begin = line.find_first_not_of(kBlanks, begin)) != std::string_view::npos;) {
    const std::size_t end = std::min(line.find_first_of(kBlanks, begin), line.size());
    words.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

// Calls visit(line), without its end, for each.
template <typename Visit>
void each_line(std::string_view text, const Visit& visit) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

std::set<std::string> names_of(std::string_view pinned) {
  std::set<std::string> names;
  each_line(pinned, [&names](std::string_view line) {
    const auto words = words_of(line);
    for (std::size_t i = 1; i < words.size(); ++i) names.insert(folded(words[i]));
  });
  return names;
}

// `text` without these names. A line that has none of them stays as it is, and one that has no other goes.
std::string without(std::string_view text, const std::set<std::string>& names) {
  std::string kept;
  each_line(text, [&](std::string_view line) {
    const auto words = words_of(line);
    const auto is_one = [&names](std::string_view word) { return names.contains(folded(word)); };
    const bool any = words.size() > 1 && std::any_of(words.begin() + 1, words.end(), is_one);
    if (!any) {
      kept.append(line) += '\n';
      return;
    }
    std::string left;
    for (std::size_t i = 1; i < words.size(); ++i) {
      if (!is_one(words[i])) left.append("\t").append(words[i]);
    }
    if (!left.empty()) kept.append(words[0]).append(left) += '\n';
  });
  return kept;
}

// From kHead on, without what fills `text` up.
std::string_view names_in(std::string_view text) {
  const std::size_t head = text.rfind(kHead);
  if (head == std::string_view::npos) return kHead;
  text.remove_prefix(head);
  return text.substr(0, text.find_last_not_of('\n') + 2);
}

}  // namespace

Result<HostsFile> HostsFile::open(const std::string& path, spec::HostsBase base, std::string pinned) {
  // It does not wait for a lease that the container has taken on its file (F_SETLEASE).
  UniqueFd file = TRY(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0644));
  // Whatever the umask: the container's user reads it.
  if (::fchmod(file.get(), 0644) != 0) return fail(errno, path);
  UniqueFd lock = TRY(sys::open(path + ".lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  return HostsFile(std::move(file), std::move(lock), std::move(base), std::move(pinned));
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
  if (!pinned_.empty())
    text = std::string(kPinnedHead).append(pinned_).append(without(text, names_of(pinned_)));
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
