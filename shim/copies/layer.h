#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

// A layer of an overlay, or the folder below it, looked at from outside. What is in an upper layer a
// container chose, so nothing here follows a link or leaves the folder it was given: every name is one of a
// folder that is open, and nothing but folders and regular files is ever opened.

namespace tidewaiter::shim {

// The most levels of folders that are looked at: each holds descriptors open.
inline constexpr int kMaxLayerDepth = 256;

// How an upper layer is to be read: its marks are in trusted.overlay.* or in user.overlay.* (userxattr).
struct Layer {
  bool user_xattr = false;
};

// The names in a folder, in the order of their bytes.
Result<std::vector<std::string>> names_in(int folder);

// What is there, a link itself and not what it leads to; nothing where nothing is.
Result<std::optional<struct stat>> look_at(int folder, const std::string& name);

// A folder in a folder, or a regular file, to be read. Not beyond a mount.
Result<UniqueFd> open_folder_in(int folder, const std::string& name);
Result<UniqueFd> open_file_in(int folder, const std::string& name);

// Where a link leads.
Result<std::string> read_link_in(int folder, const std::string& name);

// What stands in an upper layer for something that the lower has and the container has not.
bool is_whiteout(const struct stat& status);

// Whether a folder of an upper layer hides what the lower one has at its place, instead of being shown with
// it. An error where it is marked in a way that this version does not know.
Result<bool> is_opaque(const Layer& layer, int folder);

// What an upper layer's file or folder says to the overlay alone. An error where that is more than we ask
// for: the layer would then not be what it looks like.
Status check_marks(const Layer& layer, int file);

// The extended attributes that the container sees: all but those of the overlay.
struct Attribute {
  std::string name;
  std::string value;
  bool operator==(const Attribute&) const = default;
};
Result<std::vector<Attribute>> attributes_of(const Layer& layer, int file);

// "file", "folder", "link", "fifo", "socket", "device".
std::string kind_of(const struct stat& status);

// Has this process use as many descriptors as it may (getrlimit(2)).
void raise_open_files();

}  // namespace tidewaiter::shim
