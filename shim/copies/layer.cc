#include "shim/copies/layer.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <memory>
#include <string_view>

#include "oci/base/system.h"

namespace tidewaiter::shim {
namespace {

constexpr std::uint64_t kStay =
    RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;

std::string prefix_of(const Layer& layer) { return layer.user_xattr ? "user.overlay." : "trusted.overlay."; }

// flistxattr(2): names, each with a NUL.
Result<std::vector<std::string>> attribute_names(int file) {
  std::string list(XATTR_LIST_MAX, '\0');
  const ssize_t size = ::flistxattr(file, list.data(), list.size());
  if (size < 0 && errno == EOPNOTSUPP) return std::vector<std::string>();
  if (size < 0) return fail(errno, "list extended attributes");
  list.resize(static_cast<std::size_t>(size));
  std::vector<std::string> names;
  for (std::size_t at = 0; at < list.size();) {
    const std::size_t end = std::min(list.find('\0', at), list.size());
    names.push_back(list.substr(at, end - at));
    at = end + 1;
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Absent: there is no such attribute.
Result<std::optional<std::string>> attribute(int file, const std::string& name) {
  std::string value(XATTR_SIZE_MAX, '\0');
  const ssize_t size = ::fgetxattr(file, name.c_str(), value.data(), value.size());
  if (size < 0 && (errno == ENODATA || errno == EOPNOTSUPP)) return std::nullopt;
  if (size < 0) return fail(errno, "read the extended attribute " + name);
  value.resize(static_cast<std::size_t>(size));
  return value;
}

}  // namespace

Result<std::vector<std::string>> names_in(int folder) {
  UniqueFd own = TRY(sys::openat(folder, ".", O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), &::closedir);
  if (!stream) return fail(errno, "fdopendir");
  static_cast<void>(own.release());  // the stream's now
  std::vector<std::string> names;
  while (true) {
    errno = 0;
    const struct dirent* entry = ::readdir(stream.get());
    if (entry == nullptr && errno != 0) return fail(errno, "readdir");
    if (entry == nullptr) break;
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

Result<std::optional<struct stat>> look_at(int folder, const std::string& name) {
  struct stat status {};
  if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return status;
  if (errno == ENOENT) return std::nullopt;
  return fail(errno, name);
}

Result<UniqueFd> open_folder_in(int folder, const std::string& name) {
  return sys::openat2(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, kStay);
}

Result<UniqueFd> open_file_in(int folder, const std::string& name) {
  // Not to wait for whoever might write to a fifo.
  UniqueFd file = TRY(sys::openat2(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, kStay));
  if (!S_ISREG(TRY(sys::fstat(file.get())).st_mode)) return fail(name + ": is no regular file any more");
  return file;
}

Result<std::string> read_link_in(int folder, const std::string& name) {
  return sys::readlinkat(folder, name);
}

bool is_whiteout(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == 0; }

Result<bool> is_opaque(const Layer& layer, int folder) {
  const auto mark = TRY(attribute(folder, prefix_of(layer) + "opaque"));
  if (!mark) return false;
  if (*mark == "y") return true;
  return fail("is marked for the overlay in a way that this version does not know");
}

Status check_marks(const Layer& layer, int file) {
  // Of ovl_xattr_table in fs/overlayfs: what says nothing of what the file holds or where it is.
  constexpr std::string_view kKnown[] = {"opaque", "origin", "impure", "nlink", "uuid", "upper", "protattr"};
  const std::string prefix = prefix_of(layer);
  for (const std::string& name : TRY(attribute_names(file))) {
    if (!name.starts_with(prefix)) continue;
    const std::string_view mark = std::string_view(name).substr(prefix.size());
    if (std::find(std::begin(kKnown), std::end(kKnown), mark) == std::end(kKnown))
      return fail("has the extended attribute " + name + ", which an overlay may understand otherwise");
  }
  return {};
}

Result<std::vector<Attribute>> attributes_of(const Layer& layer, int file) {
  std::vector<Attribute> attributes;
  const std::string prefix = prefix_of(layer);
  for (std::string& name : TRY(attribute_names(file))) {
    if (name.starts_with(prefix)) continue;
    auto value = TRY(attribute(file, name));
    if (value) attributes.push_back({std::move(name), std::move(*value)});
  }
  return attributes;
}

std::string kind_of(const struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFREG:
      return "file";
    case S_IFDIR:
      return "folder";
    case S_IFLNK:
      return "link";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    default:
      return "device";
  }
}

void raise_open_files() {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  static_cast<void>(::setrlimit(RLIMIT_NOFILE, &limit));
}

}  // namespace tidewaiter::shim
