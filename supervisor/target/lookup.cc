#include "supervisor/target/lookup.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

namespace tidewaiter::supervisor {
namespace {

constexpr int kMaxLinks = 40;        // MAXSYMLINKS (include/linux/namei.h)
constexpr ino_t kProcRootInode = 1;  // PROC_ROOT_INO (fs/proc/internal.h)
constexpr std::size_t kMaxPath = 4096;

// Puts the components of `path` on top of what is still to be walked, the next one last. What ends in "/" has
// to be a directory: there "." is the last component.
void push_components(std::string_view path, std::vector<std::string>& pending) {
  std::vector<std::string> components;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    if (slash != 0) components.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash + 1);
    if (path.empty()) components.emplace_back(".");
  }
  pending.insert(pending.end(), components.rbegin(), components.rend());
}

}  // namespace

Result<FoundFile> Lookup::find(int directory, const std::string& path, bool follow_last) {
  if (path.empty()) return fail(ENOENT, "empty path");
  UniqueFd at = TRY(start(directory, path));
  std::vector<std::string> pending;
  push_components(path, pending);
  for (int links = 0; !pending.empty();) {
    const std::string name = std::move(pending.back());
    pending.pop_back();
    if (name == "..") {
      at = TRY(parent(std::move(at)));
      continue;
    }
    UniqueFd next = TRY(files_.open_component(at.get(), name, false));
    if (!S_ISLNK(TRY(files_.status(next.get())).mode)) {
      at = std::move(next);
      continue;
    }
    if (++links > kMaxLinks || (pending.empty() && !follow_last)) return fail(ELOOP, "symbolic link");
    Followed followed = TRY(follow(at.get(), name, next.get()));
    if (followed.place.valid()) {
      at = std::move(followed.place);
      continue;
    }
    // As the kernel says of a link that holds nothing; and a chain of long ones is not to grow without end.
    if (followed.text.empty()) return fail(ENOENT, "symbolic link");
    if (followed.text.size() + pending.size() > kMaxPath) return fail(ENAMETOOLONG, "symbolic link");
    if (followed.text.front() == '/') at = TRY(root());
    push_components(followed.text, pending);
  }
  return found(std::move(at));
}

Result<FoundFile> Lookup::find_descriptor(int number) {
  if (number == AT_FDCWD) return found(TRY(files_.open_proc_link(target_.tid(), "cwd")));
  return found(TRY(target_.duplicate_fd(number)));
}

Result<UniqueFd> Lookup::start(int directory, const std::string& path) {
  if (path.front() == '/') return root();
  if (directory == AT_FDCWD) return files_.open_proc_link(target_.tid(), "cwd");
  return target_.duplicate_fd(directory);
}

Result<UniqueFd> Lookup::root() { return files_.open_proc_link(target_.tid(), "root"); }

Result<UniqueFd> Lookup::parent(UniqueFd directory) {
  const UniqueFd top = TRY(root());
  const FileStatus here = TRY(files_.status(directory.get()));
  const FileStatus highest = TRY(files_.status(top.get()));
  if (here.same_file(highest) && here.mount == highest.mount) return directory;
  return files_.open_component(directory.get(), "..", false);
}

Result<Lookup::Followed> Lookup::follow(int directory, const std::string& name, int link) {
  if (TRY(files_.on_procfs(link))) {
    const bool top = TRY(files_.status(directory)).inode == kProcRootInode;
    // Whose they are the kernel sees by who asks. The container's procfs has the numbers of its own pid
    // namespace.
    if (top && name == "self") {
      const std::string process = TRY(target_.innermost_number("NStgid"));
      return Followed{{}, process};
    }
    if (top && name == "thread-self") {
      const std::string process = TRY(target_.innermost_number("NStgid"));
      return Followed{{}, process + "/task/" + TRY(target_.innermost_number("NSpid"))};
    }
    if (TRY(files_.is_magic_link(directory, name))) {
      return Followed{TRY(files_.open_component(directory, name, true)), ""};
    }
  }
  return Followed{{}, TRY(files_.read_link(link))};
}

Result<FoundFile> Lookup::found(UniqueFd fd) {
  FoundFile file;
  file.status = TRY(files_.status(fd.get()));
  file.path = TRY(files_.path(fd.get()));
  file.fd = std::move(fd);
  return file;
}

}  // namespace tidewaiter::supervisor
