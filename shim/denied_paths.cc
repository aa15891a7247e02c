#include "shim/denied_paths.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "oci/base/mountinfo.h"
#include "oci/base/system.h"
#include "oci/policy/wording.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::shim {
namespace {

using policy::FileRule;
using policy::quote;

// `path` below `folder`, with a slash in front; empty: the folder itself. REQUIRES: spec::is_below().
std::string rest_of(const std::string& path, const std::string& folder) {
  return folder == "/" ? (path == "/" ? "" : path) : path.substr(folder.size());
}

std::string join(const std::string& folder, const std::string& rest) {
  if (rest.empty()) return folder;
  return (folder == "/" ? "" : folder) + rest;
}

// A part of the container's tree.
struct View {
  std::string place;   // in the container
  std::string source;  // what of the host it shows, canonical; empty: a file system of its own
  std::string type;    // of that
};

std::string root_path(const spec::Json& config) {
  const spec::Json* root = spec::member(config, "root");
  return root == nullptr ? "" : spec::text_member(*root, "path");
}

// The root, and then the mounts, in their order: of several that are above a path the last is the one seen.
Result<std::vector<View>> views_of(const spec::Json& config, const std::string& bundle) {
  const auto on_host = [&bundle](const std::string& path) {
    return sys::realpath(path.starts_with('/') ? path : bundle + "/" + path);
  };
  const std::string root = root_path(config);
  if (root.empty()) return fail("/root/path: is missing");
  std::vector<View> views{{"/", TRY(in_context("/root/path", on_host(root))), ""}};
  const spec::Json* mounts = spec::member(config, "mounts");
  if (mounts == nullptr || !mounts->is_array()) return views;
  for (const spec::Json& mount : *mounts) {
    if (!mount.is_object()) continue;
    View view{spec::absolute(spec::text_member(mount, "destination")), "", spec::text_member(mount, "type")};
    if (spec::is_bind(mount)) {
      auto source = on_host(spec::text_member(mount, "source"));
      if (!source && source.error().code == ENOENT) continue;  // the runtime refuses it, or makes it
      view.source = TRY(in_context("/mounts: " + view.place, std::move(source)));
    }
    views.push_back(std::move(view));
  }
  return views;
}

const View& seen_at(const std::vector<View>& views, const std::string& path) {
  const auto found = std::find_if(views.rbegin(), views.rend(),
                                  [&path](const View& view) { return spec::is_below(path, view.place); });
  return *found;  // the root, at least
}

bool is_denied(const std::vector<FileRule>& rules, const std::string& path) {
  return std::any_of(rules.begin(), rules.end(),
                     [&path](const FileRule& rule) { return spec::is_below(path, rule.path); });
}

// What is at `rest` below `source`, no link followed; nothing where nothing is.
Result<std::optional<struct stat>> look(const std::string& source, const std::string& rest) {
  const UniqueFd base = TRY(sys::open(source, O_PATH));
  if (rest.empty()) return TRY(sys::fstat(base.get()));
  const auto file = sys::openat2(base.get(), rest.substr(1), O_PATH, RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH);
  if (!file && file.error().code == ENOENT) return std::nullopt;
  if (!file) return fail(file.error().code, "");
  return TRY(sys::fstat(file->get()));
}

class Finder {
 public:
  Finder(const std::vector<FileRule>& rules, std::vector<View> views, HostMounts mounts)
      : rules_(rules), views_(std::move(views)), mounts_(std::move(mounts)) {}

  // Whether a file, and no folder, is to be covered.
  Result<bool> is_file(const FileRule& rule) const {
    const View& view = seen_at(views_, rule.path);
    if (view.source.empty()) {
      // Empty as yet: a folder is made in it.
      if (view.type == "tmpfs") return false;
      return fail(quote(rule.path) + " lies in a file system of the kernel's own (" + view.type +
                  "), where nothing is mounted: name it in the bundle's maskedPaths");
    }
    const std::string rest = rest_of(rule.path, view.place);
    const auto status = look(view.source, rest);
    if (!status && status.error().code == ELOOP)
      return fail(quote(rule.path) +
                  " leads over a symbolic link, which can be made to lead elsewhere: deny what it leads to");
    if (!status) return tl::unexpected(status.error());
    TRY(check_other_views(view, join(view.source, rest)));
    if (!*status || S_ISDIR((*status)->st_mode)) return false;
    if ((*status)->st_nlink > 1)
      return fail(quote(rule.path) + " is one of " + std::to_string((*status)->st_nlink) +
                  " names of its file (hard links), and the others would lead to it all the same: deny a "
                  "folder that has all of them");
    return true;
  }

 private:
  // Whether what is on the host at `path` is seen anywhere in the container where it is not denied.
  Status check_other_views(const View& own, const std::string& path) const {
    const HostMounts::Place place = mounts_.find(path);
    for (const View& view : views_) {
      if (view.source.empty()) continue;
      if (&view != &own) TRY(check_view(view, "", mounts_.find(view.source), place));
      // As if all of them were recursive: not to be seen through is no harm.
      for (const HostMounts::Below& each : mounts_.below(view.source)) {
        if (&view == &own && spec::is_below(path, join(view.source, each.path))) continue;
        TRY(check_view(view, each.path, each.shows, place));
      }
    }
    return {};
  }

  // `below`: where in the view a part of the host is that `shows` it.
  Status check_view(const View& view, const std::string& below, const HostMounts::Place& shows,
                    const HostMounts::Place& denied) const {
    if (shows.device != denied.device) return {};
    std::string place = join(view.place, below);
    if (spec::is_below(denied.path, shows.path)) {
      place = join(place, rest_of(denied.path, shows.path));
    } else if (!spec::is_below(shows.path, denied.path)) {
      return {};
    }
    if (is_denied(rules_, place) || &seen_at(views_, place) != &view) return {};
    return fail("what it names is seen at " + quote(place) + " as well: deny that, too");
  }

  const std::vector<FileRule>& rules_;
  const std::vector<View> views_;
  const HostMounts mounts_;
};

}  // namespace

HostMounts::HostMounts(std::string_view mountinfo) {
  for (tidewaiter::Mount& mount : parse_mountinfo(mountinfo))
    mounts_.push_back({std::move(mount.point), {std::move(mount.device), std::move(mount.root)}});
}

Result<HostMounts> HostMounts::own() { return HostMounts(TRY(sys::read_file("/proc/self/mountinfo"))); }

HostMounts::Place HostMounts::find(const std::string& path) const {
  const Mount* best = nullptr;
  for (const Mount& mount : mounts_) {
    if (!spec::is_below(path, mount.point)) continue;
    // Of those at one place the last lies above.
    if (best == nullptr || mount.point.size() >= best->point.size()) best = &mount;
  }
  if (best == nullptr) return {"", path};
  return {best->shows.device, join(best->shows.path, rest_of(path, best->point))};
}

std::vector<HostMounts::Below> HostMounts::below(const std::string& path) const {
  std::vector<Below> found;
  for (const Mount& mount : mounts_) {
    if (mount.point != path && spec::is_below(mount.point, path))
      found.push_back({rest_of(mount.point, path), mount.shows});
  }
  return found;
}

Result<std::set<std::string, std::less<>>> find_denied_files(const std::vector<FileRule>& rules,
                                                             const spec::Json& config,
                                                             const std::string& bundle) {
  const Finder finder(rules, TRY(views_of(config, bundle)), TRY(HostMounts::own()));
  std::set<std::string, std::less<>> files;
  for (const FileRule& rule : rules) {
    if (TRY(in_context(rule.pointer, finder.is_file(rule)))) files.insert(rule.path);
  }
  return files;
}

Result<std::uint64_t> file_system_type(const std::string& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return fail(errno, "statfs " + path);
  return static_cast<std::uint64_t>(status.f_type);
}

Result<bool> has_snapshots(const spec::Json& config, const std::string& bundle, const FileSystemType& type) {
  constexpr std::uint64_t kBcachefs = 0xca451a4e;  // BCACHEFS_SUPER_MAGIC
  const auto snaps = [&type](const std::string& path) {
    const auto found = type(path);
    return !found || *found == BTRFS_SUPER_MAGIC || *found == kBcachefs;
  };
  const HostMounts mounts = TRY(HostMounts::own());
  const auto views = views_of(config, bundle);
  if (!views && !root_path(config).empty() && views.error().code != ENOENT) {
    return tl::unexpected(views.error());
  }
  if (!views) return false;  // the runtime refuses it
  for (const View& view : *views) {
    if (view.source.empty()) {
      if (view.type == "btrfs" || view.type == "bcachefs") return true;
      continue;
    }
    if (snaps(view.source)) return true;
    for (const HostMounts::Below& each : mounts.below(view.source)) {
      if (snaps(join(view.source, each.path))) return true;
    }
  }
  return false;
}

}  // namespace tidewaiter::shim
