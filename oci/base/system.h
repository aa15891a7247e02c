#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

// One thin wrapper per system call, named as in the man page, retrying EINTR where the man page
// allows it, every descriptor close-on-exec. Errors carry the errno and what was worked on.

namespace tidewaiter::sys {

Result<UniqueFd> open(const std::string& path, int flags, mode_t mode = 0);
Result<UniqueFd> openat(int directory, const std::string& path, int flags, mode_t mode = 0);
// openat2(2); `resolve`: RESOLVE_*. Close-on-exec.
Result<UniqueFd> openat2(int directory, const std::string& path, std::uint64_t flags, std::uint64_t resolve);
Result<struct stat> stat(const std::string& path);
Result<struct stat> fstat(int fd);
Status mkdir(const std::string& path, mode_t mode);
Status unlink(const std::string& path);
Status rename(const std::string& from, const std::string& to);
Result<std::string> readlink(const std::string& path);
// An empty `path`: the symlink that `directory` itself is (O_PATH | O_NOFOLLOW).
Result<std::string> readlinkat(int directory, const std::string& path);
Result<std::string> realpath(const std::string& path);
Result<std::size_t> read(int fd, void* buffer, std::size_t size);
Result<std::size_t> write(int fd, const void* data, std::size_t size);
Result<UniqueFd> pidfd_open(pid_t pid, unsigned int flags = 0);
Result<UniqueFd> eventfd(unsigned int initial, int flags = 0);

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
Result<Pipe> pipe();

// The whole of a file, at most `limit` bytes; a longer one is EFBIG.
Result<std::string> read_file(const std::string& path, std::size_t limit = 64U << 20U);
Result<std::string> read_all(int fd, std::size_t limit = 64U << 20U);
Status write_all(int fd, std::string_view data);

// Makes the names in a folder outlast a power loss.
Status sync_directory(const std::string& path);

// What is made sure of before a new file takes its name. A reader, and a crash of this process, always find
// the old file or the new one.
enum class Sync {
  kNothing,  // after a power loss it may be either, or neither
  kBytes,    // nor does a power loss leave anything else
};

// A file that is to take the place of `path`, made beside it; removed again if it does not. A link stays a
// link: the file that it leads to is replaced.
class Replacement {
 public:
  // An existing file's owner and mode are kept; a new one gets `mode` whatever the umask. `suffix`: what the
  // file beside it has at the end of its name, where those who write it exclude each other: one that is
  // killed leaves it, and the next one writes it anew. Empty: a name that nobody else has.
  static Result<Replacement> write(const std::string& path, std::string_view data, mode_t mode = 0600,
                                   Sync sync = Sync::kBytes, std::string_view suffix = {});
  Replacement(Replacement&& other) noexcept;
  Replacement& operator=(Replacement&&) = delete;
  ~Replacement();

  // Renames it. At most once.
  Status take_place();
  // What it takes the place of, links followed.
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  Replacement(std::string path, std::string temporary);

  std::string path_;
  std::string temporary_;  // empty: there is none any more
};

// Replaces `path` as a whole or not at all, and for good: a Replacement that took its place, and the folder
// synced. `suffix`: as above.
Status replace_file(const std::string& path, std::string_view data, mode_t mode = 0600,
                    std::string_view suffix = {});

// The kernel's Landlock version (ABI); 0: it has none, or it is switched off (landlock_create_ruleset(2)).
int landlock_version();

// mkdir for each missing part; existing parts are left as they are. New ones get `mode`.
Status make_directories(const std::string& path, mode_t mode);

// Removes a folder and everything below it without following symbolic links. Missing is a success.
Status remove_tree(const std::string& path);

}  // namespace tidewaiter::sys
