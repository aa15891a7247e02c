#include "oci/base/mountinfo.h"

#include <algorithm>
#include <cstddef>
#include <optional>

namespace tidewaiter {
namespace {

// What would end a word, and the backslash itself, are octal numbers of three digits (mangle_path() and
// seq_escape_mem() in fs/seq_file.c).
std::string unescaped(std::string_view word) {
  std::string text;
  for (std::size_t i = 0; i < word.size(); ++i) {
    const auto digit = [&word](std::size_t at) { return static_cast<unsigned>(word[at] - '0'); };
    if (word[i] == '\\' && i + 3 < word.size() && digit(i + 1) < 4 && digit(i + 2) < 8 && digit(i + 3) < 8) {
      text += static_cast<char>(digit(i + 1) * 64 + digit(i + 2) * 8 + digit(i + 3));
      i += 3;
    } else {
      text += word[i];
    }
  }
  return text;
}

// A word ends at one blank, for a word may be empty: the source, of which nothing is checked in mount(2).
std::string_view take(std::string_view& text, char end) {
  const std::size_t size = std::min(text.find(end), text.size());
  const std::string_view taken = text.substr(0, size);
  text.remove_prefix(std::min(size + 1, text.size()));
  return taken;
}

// ID PARENT DEVICE ROOT POINT OPTIONS TAG… - TYPE SOURCE OPTIONS
std::optional<Mount> parse_line(std::string_view line) {
  Mount mount;
  take(line, ' ');
  take(line, ' ');
  mount.device = take(line, ' ');
  mount.root = unescaped(take(line, ' '));
  mount.point = unescaped(take(line, ' '));
  take(line, ' ');
  while (take(line, ' ') != "-") {
    if (line.empty()) return std::nullopt;
  }
  mount.type = unescaped(take(line, ' '));
  take(line, ' ');
  mount.options = unescaped(take(line, ' '));
  if (mount.point.empty() || mount.type.empty()) return std::nullopt;
  return mount;
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  while (!text.empty()) {
    if (auto mount = parse_line(take(text, '\n'))) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

}  // namespace tidewaiter
