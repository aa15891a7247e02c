#include "supervisor/node/policy_folder.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

namespace tidewaiter::supervisor {

Result<PolicyFolder> PolicyFolder::watch(std::string path) {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!inotify.valid()) return fail(errno, "inotify_init1");
  PolicyFolder folder(std::move(path), std::move(inotify));
  TRY(folder.look());
  return folder;
}

Status PolicyFolder::look() {
  std::array<char, 4096> ignored;
  while (::read(inotify_.get(), ignored.data(), ignored.size()) > 0) {
  }
  // It may come, or another take its place.
  TRY(add(path_.substr(0, path_.rfind('/')), IN_CREATE | IN_MOVED_TO));
  // Files are written, or others take their places; in a folder of links, the links' folder does.
  Status watched = add(path_, IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO);
  if (!watched && watched.error().code == ENOENT) return {};
  return watched;
}

// What is watched already is watched on.
Status PolicyFolder::add(const std::string& folder, unsigned changes) const {
  if (::inotify_add_watch(inotify_.get(), folder.c_str(), changes | IN_ONLYDIR) >= 0) return {};
  return fail(errno, "watch " + folder);
}

}  // namespace tidewaiter::supervisor
