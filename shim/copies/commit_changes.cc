#include "shim/copies/commit_changes.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <map>
#include <utility>
#include <vector>

#include "oci/base/system.h"

namespace tidewaiter::shim {
namespace {

constexpr const char* kCapability = "security.capability";

std::string too_deep() { return "nested deeper than " + std::to_string(kMaxLayerDepth) + " folders"; }

// Of a regular file, by what it will get.
Status check_rights(const struct stat& status, const std::vector<Attribute>& attributes) {
  if ((status.st_mode & S_ISUID) != 0)
    return fail(
        "is a set-user-ID file, which is not committed: it would run with its owner's rights on the host");
  if ((status.st_mode & S_ISGID) != 0 && (status.st_mode & S_IXGRP) != 0)
    return fail(
        "is a set-group-ID file, which is not committed: it would run with its group's rights on the host");
  for (const Attribute& each : attributes) {
    if (each.name == kCapability)
      return fail("is a file with capabilities, which is not committed: it would run with them on the host");
  }
  return {};
}

Status check_file(const Layer& layer, int file) {
  TRY(check_marks(layer, file));
  return check_rights(TRY(sys::fstat(file)), TRY(attributes_of(layer, file)));
}

Status check_folder(const Layer& layer, int folder, int depth) {
  if (depth > kMaxLayerDepth) return fail(too_deep());
  TRY(check_marks(layer, folder));
  TRY(is_opaque(layer, folder));
  for (const std::string& name : TRY(names_in(folder))) {
    const auto check = [&]() -> Status {
      const auto status = TRY(look_at(folder, name));
      if (!status) return fail("has gone: somebody still writes to the layer");
      if (is_whiteout(*status)) return {};
      if (S_ISCHR(status->st_mode) || S_ISBLK(status->st_mode))
        return fail("is a device file, which is not committed: it would lead to a device of the host");
      if (S_ISREG(status->st_mode)) return check_file(layer, TRY(open_file_in(folder, name)).get());
      if (!S_ISDIR(status->st_mode)) return {};
      const UniqueFd below = TRY(open_folder_in(folder, name));
      return check_folder(layer, below.get(), depth + 1);
    };
    Status checked = check();
    if (!checked) {
      std::string& context = checked.error().context;
      // The names in front of it make the path.
      if (!context.starts_with('/') && !context.empty()) context.insert(0, ": ");
      context.insert(0, "/" + name);
      return checked;
    }
  }
  return {};
}

// One commit. Paths are told in errors, and used for nothing.
class Committer {
 public:
  explicit Committer(const Commit& commit) : commit_(commit), temporary_(".tidewaiter-" + commit.token) {}

  Status run() { return commit_folder(commit_.upper, commit_.target, false, 0); }

 private:
  void step() const {
    if (commit_.before_step) commit_.before_step();
  }

  // `replaces`: what the target has and the layer has not goes.
  Status commit_folder(int upper, int target, bool replaces, int depth) {
    if (depth > kMaxLayerDepth) return fail(too_deep());
    // Of an earlier time that came to an end half way.
    TRY(remove(target, temporary_, depth));
    const std::vector<std::string> names = TRY(names_in(upper));
    for (const std::string& name : names) {
      const std::size_t length = path_.size();
      path_ += (path_.empty() ? "" : "/") + name;
      Status committed = in_context(name, commit_entry(upper, target, name, replaces, depth));
      path_.resize(length);
      TRY(std::move(committed));
    }
    if (replaces) {
      for (const std::string& name : TRY(names_in(target))) {
        if (!std::binary_search(names.begin(), names.end(), name)) TRY(remove(target, name, depth));
      }
    }
    return copy_folder_attributes(upper, target);
  }

  Status commit_entry(int upper, int target, const std::string& name, bool replaces, int depth) {
    const auto status = TRY(look_at(upper, name));
    if (!status) return fail("has gone: somebody still writes to the layer");
    if (is_whiteout(*status)) return remove(target, name, depth);
    const auto there = TRY(look_at(target, name));
    if (there && S_ISDIR(there->st_mode) != S_ISDIR(status->st_mode)) TRY(remove(target, name, depth));
    switch (status->st_mode & S_IFMT) {
      case S_IFDIR:
        return commit_subfolder(upper, target, name, replaces, depth);
      case S_IFREG:
        return commit_file(upper, target, name, *status);
      case S_IFLNK:
        return commit_link(upper, target, name, *status);
      case S_IFIFO:
      case S_IFSOCK:
        return commit_special(target, name, *status);
      default:
        return fail("is a device file, which is not committed");
    }
  }

  Status commit_subfolder(int upper, int target, const std::string& name, bool replaces, int depth) {
    step();
    // Nobody else's until it has its owner and mode.
    if (::mkdirat(target, name.c_str(), 0700) != 0 && errno != EEXIST) return fail(errno, "mkdir");
    const UniqueFd from = TRY(open_folder_in(upper, name));
    const UniqueFd to = TRY(open_folder_in(target, name));
    const bool opaque = replaces || TRY(is_opaque(commit_.layer, from.get()));
    return commit_folder(from.get(), to.get(), opaque, depth + 1);
  }

  Status commit_file(int upper, int target, const std::string& name, const struct stat& status) {
    if (status.st_nlink > 1 && TRY(link_to_committed(target, name, status))) return {};
    const UniqueFd from = TRY(open_file_in(upper, name));
    const std::vector<Attribute> attributes = TRY(attributes_of(commit_.layer, from.get()));
    // Once more, for whoever was sent an open file of the container's can still change its mode.
    TRY(check_rights(status, attributes));
    step();
    const UniqueFd to =
        TRY(sys::openat(target, temporary_, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, S_IRUSR | S_IWUSR));
    TRY(copy_bytes(from.get(), to.get(), status.st_size));
    step();
    if (::fchown(to.get(), status.st_uid, status.st_gid) != 0) return fail(errno, "chown");
    TRY(set_attributes(to.get(), attributes));
    // Last: fchown(2) takes bits of the mode away, and whatever else is written changes the times.
    if (::fchmod(to.get(), status.st_mode & 07777U) != 0) return fail(errno, "chmod");
    TRY(set_times(to.get(), status));
    if (status.st_nlink > 1) {
      const struct stat made = TRY(sys::fstat(to.get()));
      committed_[status.st_ino] = {path_, made.st_dev, made.st_ino};
    }
    return take_place(target, name);
  }

  // Another name of a file that was committed under one already. False: make it anew.
  Result<bool> link_to_committed(int target, const std::string& name, const struct stat& status) {
    const auto found = committed_.find(status.st_ino);
    if (found == committed_.end()) return false;
    const auto file =
        sys::openat2(commit_.target, found->second.path, O_PATH | O_NOFOLLOW,
                     RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV);
    if (!file) return false;
    const struct stat there = TRY(sys::fstat(file->get()));
    if (there.st_dev != found->second.device || there.st_ino != found->second.inode) return false;
    step();
    const std::string by_descriptor = "/proc/self/fd/" + std::to_string(file->get());
    // The folder may be full of links to it (EMLINK), and the mount another (EXDEV): a copy does as well.
    if (::linkat(AT_FDCWD, by_descriptor.c_str(), target, temporary_.c_str(), AT_SYMLINK_FOLLOW) != 0)
      return false;
    TRY(take_place(target, name));
    // rename(2) of one name of a file over another of it does nothing, and leaves both.
    TRY(remove(target, temporary_, 0));
    return true;
  }

  Status commit_link(int upper, int target, const std::string& name, const struct stat& status) {
    const std::string leads_to = TRY(read_link_in(upper, name));
    step();
    if (::symlinkat(leads_to.c_str(), target, temporary_.c_str()) != 0) return fail(errno, "symlink");
    return finish_unopened(target, name, status);
  }

  Status commit_special(int target, const std::string& name, const struct stat& status) {
    step();
    const mode_t mask = ::umask(0);
    const int made =
        ::mknodat(target, temporary_.c_str(), (status.st_mode & S_IFMT) | (status.st_mode & 01777U), 0);
    const int code = errno;
    ::umask(mask);
    if (made != 0) return fail(code, "mknod");
    return finish_unopened(target, name, status);
  }

  Status finish_unopened(int target, const std::string& name, const struct stat& status) {
    step();
    // Whoever else may write to the folder may have put another file in its place.
    const UniqueFd made = TRY(sys::openat(target, temporary_, O_PATH | O_NOFOLLOW));
    const struct stat found = TRY(sys::fstat(made.get()));
    if ((found.st_mode & S_IFMT) != (status.st_mode & S_IFMT) || found.st_nlink != 1 ||
        found.st_uid != ::geteuid())
      return fail("somebody else has changed " + temporary_);
    if (::fchownat(made.get(), "", status.st_uid, status.st_gid, AT_EMPTY_PATH) != 0)
      return fail(errno, "chown");
    const std::array<struct timespec, 2> times{status.st_atim, status.st_mtim};
    if (::utimensat(made.get(), "", times.data(), AT_EMPTY_PATH) != 0) return fail(errno, "utimensat");
    return take_place(target, name);
  }

  Status take_place(int target, const std::string& name) {
    step();
    if (::renameat(target, temporary_.c_str(), target, name.c_str()) != 0) return fail(errno, "rename");
    return {};
  }

  // Whatever is there. Nothing is a success.
  Status remove(int target, const std::string& name, int depth) {
    const auto there = TRY(look_at(target, name));
    if (!there) return {};
    if (!S_ISDIR(there->st_mode)) {
      step();
      if (::unlinkat(target, name.c_str(), 0) != 0 && errno != ENOENT) return fail(errno, "unlink " + name);
      return {};
    }
    // Not what the container may nest, but what the folder had.
    if (depth > 4 * kMaxLayerDepth) return fail("nested too deep to be removed");
    {
      const UniqueFd folder = TRY(open_folder_in(target, name));
      for (const std::string& one : TRY(names_in(folder.get())))
        TRY(in_context(name, remove(folder.get(), one, depth + 1)));
    }
    step();
    if (::unlinkat(target, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
      return fail(errno, "rmdir " + name);
    return {};
  }

  // Only what holds something is copied: a file may claim any size.
  static Status copy_bytes(int from, int to, off_t size) {
    if (::ioctl(to, FICLONE, from) == 0) return {};
    off_t at = 0;
    while (at < size) {
      const off_t data = ::lseek(from, at, SEEK_DATA);
      if (data < 0 && errno == ENXIO) break;  // a hole until the end
      if (data < 0) return fail(errno, "seek");
      const off_t hole = ::lseek(from, data, SEEK_HOLE);
      if (hole < 0) return fail(errno, "seek");
      TRY(copy_part(from, to, data, hole));
      at = hole;
    }
    if (::ftruncate(to, size) != 0) return fail(errno, "truncate");
    return {};
  }

  static Status copy_part(int from, int to, off_t at, off_t end) {
    std::vector<char> piece(256U << 10U);
    while (at < end) {
      const auto wanted = std::min(piece.size(), static_cast<std::size_t>(end - at));
      const ssize_t count = ::pread(from, piece.data(), wanted, at);
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) return fail(errno, "read");
      if (count == 0) return {};
      for (ssize_t done = 0; done < count;) {
        const ssize_t written =
            ::pwrite(to, piece.data() + done, static_cast<std::size_t>(count - done), at + done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) return fail(errno, "write");
        done += written;
      }
      at += count;
    }
    return {};
  }

  static Status set_attributes(int file, const std::vector<Attribute>& attributes) {
    for (const Attribute& each : attributes) {
      if (::fsetxattr(file, each.name.c_str(), each.value.data(), each.value.size(), 0) != 0 &&
          errno != EOPNOTSUPP)
        return fail(errno, "set the extended attribute " + each.name);
    }
    return {};
  }

  static Status set_times(int file, const struct stat& status) {
    const std::array<struct timespec, 2> times{status.st_atim, status.st_mtim};
    if (::futimens(file, times.data()) != 0) return fail(errno, "futimens");
    return {};
  }

  Status copy_folder_attributes(int upper, int target) {
    const struct stat status = TRY(sys::fstat(upper));
    const struct stat there = TRY(sys::fstat(target));
    step();
    if ((status.st_uid != there.st_uid || status.st_gid != there.st_gid) &&
        ::fchown(target, status.st_uid, status.st_gid) != 0)
      return fail(errno, "chown");
    const auto wanted = TRY(attributes_of(commit_.layer, upper));
    const auto has = TRY(attributes_of(commit_.layer, target));
    for (const Attribute& each : has) {
      const bool stays = std::any_of(wanted.begin(), wanted.end(),
                                     [&](const Attribute& one) { return one.name == each.name; });
      // What the host's own rules put there, such as an SELinux label, is not the container's to take away.
      if (stays || each.name.starts_with("security.") || each.name.starts_with("trusted.")) continue;
      if (::fremovexattr(target, each.name.c_str()) != 0 && errno != ENODATA)
        return fail(errno, "remove the extended attribute " + each.name);
    }
    if (wanted != has) TRY(set_attributes(target, wanted));
    if (::fchmod(target, status.st_mode & 07777U) != 0) return fail(errno, "chmod");
    return set_times(target, status);
  }

  struct Committed {
    std::string path;  // from the target
    dev_t device;
    ino_t inode;
  };

  const Commit& commit_;
  const std::string temporary_;
  std::string path_;
  std::map<ino_t, Committed> committed_;  // of the layer's files that have several names
};

}  // namespace

Status check_commit(const Layer& layer, int upper) { return check_folder(layer, upper, 0); }

Status commit_changes(const Commit& commit) { return Committer(commit).run(); }

namespace {

// A folder of a layer that is to go: the kernel's own in a work folder have no mode bits at all.
Result<UniqueFd> open_to_empty(int folder, const std::string& name) {
  auto opened = open_folder_in(folder, name);
  if (opened || opened.error().code != EACCES) return opened;
  if (::fchmodat(folder, name.c_str(), 0700, 0) != 0) return opened;
  return open_folder_in(folder, name);
}

// Takes what is in `folder/name` out of it: removed, or, of a folder, moved to `folder` under a free name.
Status empty_into(int folder, const std::string& name, std::uint64_t& next) {
  const UniqueFd below = TRY(open_to_empty(folder, name));
  for (const std::string& inner : TRY(names_in(below.get()))) {
    const auto status = TRY(look_at(below.get(), inner));
    if (!status) continue;
    if (!S_ISDIR(status->st_mode)) {
      if (::unlinkat(below.get(), inner.c_str(), 0) != 0) return fail(errno, "unlink " + inner);
      continue;
    }
    // To move it takes the right to write to it.
    static_cast<void>(TRY(open_to_empty(below.get(), inner)));
    int moved = -1;
    do {
      const std::string free = "." + std::to_string(next++);
      moved = ::renameat2(below.get(), inner.c_str(), folder, free.c_str(), RENAME_NOREPLACE);
    } while (moved != 0 && errno == EEXIST);
    if (moved != 0) return fail(errno, "move " + inner);
  }
  if (::unlinkat(folder, name.c_str(), AT_REMOVEDIR) != 0) return fail(errno, "rmdir " + name);
  return {};
}

}  // namespace

// Level by level: each folder within moves up beside the one that is being emptied.
Status remove_layer(const std::string& folder) {
  const auto top = sys::open(folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  if (!top && top.error().code == ENOENT) return {};
  if (!top) return tl::unexpected(top.error());
  std::uint64_t next = 0;
  for (auto names = TRY(names_in(top->get())); !names.empty(); names = TRY(names_in(top->get()))) {
    for (const std::string& name : names) {
      const auto status = TRY(look_at(top->get(), name));
      if (!status) continue;
      if (S_ISDIR(status->st_mode)) {
        TRY(in_context(folder, empty_into(top->get(), name, next)));
      } else if (::unlinkat(top->get(), name.c_str(), 0) != 0) {
        return fail(errno, "unlink " + name);
      }
    }
  }
  if (::rmdir(folder.c_str()) != 0 && errno != ENOENT) return fail(errno, "rmdir " + folder);
  return {};
}

}  // namespace tidewaiter::shim
