#include "oci/policy/glob.h"

#include <string>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

// Where to go on when a match fails: the last star takes one character more.
struct Star {
  std::size_t glob = std::string_view::npos;  // behind the star; npos: there was none
  std::size_t text = 0;                       // where what follows the star was last tried

  [[nodiscard]] bool seen() const { return glob != std::string_view::npos; }
};

// Once a star is met, the one before it need never be asked again: the later can take whatever the earlier
// could. Only a star that stops at "/" has the last one that does not to fall back on.
bool matches(std::string_view glob, std::string_view text, bool slash_stops) {
  Star one;
  Star all;
  std::size_t g = 0;
  std::size_t t = 0;
  while (t < text.size() || g < glob.size()) {
    if (g < glob.size() && glob[g] == '*') {
      const bool both = g + 1 < glob.size() && glob[g + 1] == '*';
      g += both ? 2 : 1;
      (both || !slash_stops ? all : one) = {g, t};
      if (both || !slash_stops) one = {};
      continue;
    }
    if (g < glob.size() && t < text.size() && glob[g] == text[t]) {
      ++g;
      ++t;
    } else if (one.seen() && one.text < text.size() && text[one.text] != '/') {
      t = ++one.text;
      g = one.glob;
    } else if (all.seen() && all.text < text.size()) {
      t = ++all.text;
      g = all.glob;
      one = {};
    } else {
      return false;
    }
  }
  return true;
}

constexpr std::size_t kMaxPath = 4095;  // PATH_MAX, without the NUL

// Whether the component between two slashes, or a slash and the end, is `name`.
bool has_component(std::string_view path, std::string_view name) {
  const std::string inside = "/" + std::string(name) + "/";
  return (std::string(path) + "/").find(inside) != std::string::npos;
}

}  // namespace

Status check_path_glob(std::string_view glob, std::string_view what) {
  if (glob.size() > kMaxPath)
    return fail("a path has at most 4095 bytes, found " + std::to_string(glob.size()));
  if (glob.find("***") != std::string_view::npos)
    return fail("expected \"*\" (which stops at \"/\") or \"**\" (which does not), found " + quote(glob));
  if (glob.ends_with('/'))
    return fail(quote(glob) + " names a directory; for every " + std::string(what) + " below it, write " +
                quote(std::string(glob) + "**"));
  if (glob.find("//") != std::string_view::npos || has_component(glob, ".") || has_component(glob, ".."))
    return fail(quote(glob) + " can never match: a " + std::string(what) +
                "'s path is compared without \"//\", \".\" and \"..\"");
  return {};
}

bool matches_path(std::string_view glob, std::string_view path) { return matches(glob, path, true); }

bool matches_text(std::string_view glob, std::string_view text) { return matches(glob, text, false); }

}  // namespace tidewaiter::policy
