#include "oci/policy/file_rule.h"

#include <filesystem>
#include <string>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::size_t kMaxPath = 4095;  // PATH_MAX, without the NUL
constexpr std::size_t kMaxName = 255;   // NAME_MAX

// The one way to write an absolute path: without "//", "." and "..", and without a slash at its end.
std::string canonical(std::string_view path) {
  std::string clean = std::filesystem::path(path).lexically_normal().string();
  // POSIX leaves it to the system what two slashes at the beginning mean; to Linux they are one.
  while (clean.starts_with("//")) clean.erase(0, 1);
  while (clean.size() > 1 && clean.ends_with('/')) clean.pop_back();
  return clean;
}

bool has_long_name(std::string_view path) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    if (end > kMaxName) return true;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return false;
}

}  // namespace

Status check_file_path(std::string_view path) {
  if (!path.starts_with('/')) return fail("expected an absolute path, as in \"/usr\", found " + quote(path));
  if (path.size() > kMaxPath)
    return fail("a path has at most 4095 bytes, found " + std::to_string(path.size()));
  if (has_long_name(path)) return fail("a name in a path has at most 255 bytes, found " + quote(path));
  // Whoever writes "/srv/*" does not mean a file of that name.
  if (const std::size_t star = path.find('*'); star != std::string_view::npos) {
    const std::string folder = canonical(path.substr(0, path.rfind('/', star) + 1));
    return fail("there are no globs here, for a path covers all that lies below it; write " + quote(folder) +
                ", found " + quote(path));
  }
  if (const std::string clean = canonical(path); clean != path)
    return fail("expected " + quote(clean) +
                ", as the path is without \"//\", \".\", \"..\" and a slash at its end, found " +
                quote(path));
  return {};
}

}  // namespace tidewaiter::policy
