#include "shim/copied_folders.h"

#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include <cerrno>
#include <cstdint>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/policy/compile_copies.h"
#include "oci/policy/wording.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"
#include "shim/denied_paths.h"

namespace tidewaiter::shim {
namespace {

using policy::CopyRule;
using policy::quote;

// What the container sees of the host.
struct Shown {
  std::string place;   // in the container
  std::string source;  // canonical
  HostMounts::Place on_disk;
  bool writable;
};

bool overlap(const HostMounts::Place& a, const HostMounts::Place& b) {
  return a.device == b.device && (spec::is_below(a.path, b.path) || spec::is_below(b.path, a.path));
}

Result<std::vector<Shown>> shown_by(const spec::Json& config, const std::string& bundle,
                                    const HostMounts& mounts) {
  const auto on_host = [&bundle](const std::string& path) {
    return sys::realpath(path.starts_with('/') ? path : bundle + "/" + path);
  };
  std::vector<Shown> shown;
  const auto add = [&](const std::string& place, const std::string& path, bool writable) -> Status {
    auto source = on_host(path);
    if (!source && source.error().code == ENOENT) return {};  // the runtime refuses it, or makes it
    if (!source) return in_context(place, Status(tl::unexpected(source.error())));
    HostMounts::Place on_disk = mounts.find(*source);
    shown.push_back({place, std::move(*source), std::move(on_disk), writable});
    return {};
  };
  if (const spec::Json* root = spec::member(config, "root")) {
    const spec::Json* read_only = spec::member(*root, "readonly");
    if (const std::string path = spec::text_member(*root, "path"); !path.empty())
      TRY(add("/", path, read_only == nullptr || *read_only != true));
  }
  const spec::Json* list = spec::member(config, "mounts");
  if (list == nullptr || !list->is_array()) return shown;
  for (const spec::Json& mount : *list) {
    if (!mount.is_object() || !spec::is_bind(mount)) continue;
    TRY(add(spec::absolute(spec::text_member(mount, "destination")), spec::text_member(mount, "source"),
            !spec::has_option(mount, "ro") && !spec::has_option(mount, "rro")));
  }
  return shown;
}

// Of the part of `path` that is there.
Result<std::string> existing_part(std::string path) {
  while (!sys::stat(path)) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos || slash == 0) return std::string("/");
    path.resize(slash);
  }
  return sys::realpath(path);
}

// File systems that an upper layer cannot be on: without RENAME_WHITEOUT, or without extended attributes of
// the kernel's own, or whose names come from elsewhere (ovl_get_upper() in fs/overlayfs/super.c). On any
// other that cannot either, the mount fails.
std::string_view unfit_file_system(std::uint64_t type) {
  constexpr std::pair<std::uint64_t, std::string_view> kUnfit[] = {
      {OVERLAYFS_SUPER_MAGIC, "overlay"}, {NFS_SUPER_MAGIC, "NFS"},     {FUSE_SUPER_MAGIC, "FUSE"},
      {MSDOS_SUPER_MAGIC, "FAT"},         {V9FS_MAGIC, "9p"},           {CIFS_SUPER_MAGIC, "CIFS"},
      {SMB2_SUPER_MAGIC, "SMB"},          {SQUASHFS_MAGIC, "squashfs"}, {ISOFS_SUPER_MAGIC, "ISO 9660"}};
  for (const auto& [magic, name] : kUnfit) {
    if (magic == type) return name;
  }
  return {};
}

Status check_layers(const std::string& layers, const std::string& there, const std::vector<Shown>& shown,
                    const HostMounts& mounts) {
  struct statfs status {};
  if (::statfs(there.c_str(), &status) != 0) return fail(errno, "statfs " + there);
  if (const std::string_view name = unfit_file_system(static_cast<std::uint64_t>(status.f_type));
      !name.empty())
    return fail(
        "/files/copy_on_write: " + layers + ", where the changes are to be kept, is on a file system (" +
        std::string(name) +
        ") that cannot hold them: name a folder on another, such as ext4 or XFS, in \"changes_folder\" of "
        "the configuration");
  const HostMounts::Place own = mounts.find(there);
  for (const Shown& each : shown) {
    // A folder that merely contains it, such as the root file system of a host, is bad enough.
    if (own.device == each.on_disk.device && spec::is_below(own.path, each.on_disk.path) &&
        spec::is_below(there, each.source))
      return fail("/files/copy_on_write: " + layers +
                  ", where the changes are to be kept, is seen in the container, "
                  "for the bundle binds " +
                  quote(each.source) + " at " + quote(each.place) +
                  ": name another folder in \"changes_folder\" of the configuration");
  }
  return {};
}

Result<std::string> look_at(const CopyRule& rule, const spec::Json& config, const std::vector<Shown>& shown,
                            const HostMounts& mounts) {
  static_cast<void>(TRY(policy::copied_mount(rule, config)));
  const Shown* own = nullptr;
  for (const Shown& each : shown) {
    if (each.place == rule.path) own = &each;
  }
  if (own == nullptr)
    return fail(rule.pointer + ": what the bundle binds at " + quote(rule.path) + " is not there");
  const struct stat status = TRY(in_context(rule.pointer, sys::stat(own->source)));
  if (!S_ISDIR(status.st_mode))
    return fail(rule.pointer + ": the bundle binds a file at " + quote(rule.path) +
                ", and only a folder can be copied: bind the one that it is in");
  if (const auto below = mounts.below(own->source); !below.empty())
    return fail(rule.pointer + ": another file system is mounted in what is bound at " + quote(rule.path) +
                ", at " + quote(own->source + below.front().path) +
                ", and an overlay does not show it: bind that to a place of its own");
  for (const Shown& each : shown) {
    if (&each == own || !each.writable || !overlap(each.on_disk, own->on_disk)) continue;
    return fail(rule.pointer + ": the bundle shows what is bound at " + quote(rule.path) + " at " +
                quote(each.place) +
                " as well, where it can be written to: bind it read-only there, or not at all");
  }
  return own->source;
}

}  // namespace

Result<std::map<std::string, std::string, std::less<>>> find_copied_folders(
    const std::vector<CopyRule>& rules, const spec::Json& config, const std::string& bundle,
    const std::string& layers) {
  const HostMounts mounts = TRY(HostMounts::own());
  const std::vector<Shown> shown = TRY(shown_by(config, bundle, mounts));
  std::map<std::string, std::string, std::less<>> folders;
  for (const CopyRule& rule : rules) folders[rule.path] = TRY(look_at(rule, config, shown, mounts));
  TRY(check_layers(layers, TRY(existing_part(layers)), shown, mounts));
  return folders;
}

}  // namespace tidewaiter::shim
