#include "supervisor/worker/folder_watches.h"

#include <sys/eventfd.h>
#include <sys/inotify.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::supervisor {

Result<FolderWatches*> FolderWatches::start() {
  UniqueFd inotify(::inotify_init1(IN_CLOEXEC));
  if (!inotify.valid()) return fail(errno, "inotify_init1");
  std::unique_ptr<FolderWatches> watches(new FolderWatches(std::move(inotify)));
  try {
    std::thread([self = watches.get()] { self->run(); }).detach();
  } catch (const std::system_error& error) {
    return fail(error.code().value(), "start the thread that watches folders");
  }
  return watches.release();
}

Status FolderWatches::add(const std::string& folder, int changed) {
  const std::lock_guard lock(mutex_);
  const int watch =
      ::inotify_add_watch(inotify_.get(), folder.c_str(),
                          IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF);
  if (watch < 0) return fail(errno, "watch " + folder);
  const auto [begin, end] = changed_.equal_range(watch);
  if (std::none_of(begin, end, [&](const auto& each) { return each.second == changed; })) {
    changed_.emplace(watch, changed);
  }
  return {};
}

void FolderWatches::forget(int changed) {
  const std::lock_guard lock(mutex_);
  for (auto each = changed_.begin(); each != changed_.end();) {
    if (each->second != changed) {
      ++each;
      continue;
    }
    const int watch = each->first;
    each = changed_.erase(each);
    if (!changed_.contains(watch)) (void)::inotify_rm_watch(inotify_.get(), watch);
  }
}

void FolderWatches::run() {
  alignas(struct inotify_event) std::array<char, 8192> bytes;
  for (;;) {
    const auto size = sys::read(inotify_.get(), bytes.data(), bytes.size());
    if (!size) {
      log::error("state folders are not watched any more", {{"error", size.error().message()}});
      return;
    }
    const std::lock_guard lock(mutex_);
    for (std::size_t at = 0; at + sizeof(struct inotify_event) <= *size;) {
      struct inotify_event event {};
      std::memcpy(&event, bytes.data() + at, sizeof event);
      at += sizeof event + event.len;
      const bool all = (event.mask & IN_Q_OVERFLOW) != 0;
      const auto [begin, end] =
          all ? std::pair(changed_.begin(), changed_.end()) : changed_.equal_range(event.wd);
      for (auto each = begin; each != end; ++each) (void)::eventfd_write(each->second, 1);
      // The folder has gone, and the number with it.
      if ((event.mask & IN_IGNORED) != 0) changed_.erase(event.wd);
    }
  }
}

}  // namespace tidewaiter::supervisor
