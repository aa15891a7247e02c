#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// The file of a container's event log: DIRECTORY/NAME.jsonl, and one rotated file NAME.jsonl.1 beside it, so
// that a flood of events costs at most twice the bound and the newest are always there. Outlives the
// container. Thread-safe.
class EventFile {
 public:
  // Makes the folder (mode 0700) and opens the log for appending.
  static Result<EventFile> open(const std::string& directory, const std::string& name,
                                std::uint64_t max_bytes);
  EventFile(EventFile&& other) noexcept;

  // Has `lost`, which outlives the file, say how many lines have not been written, with no line in the file
  // to tell so. For who goes on with the log after this process.
  void keep_lost_in(std::atomic<std::uint64_t>& lost);

  // Appends one line, which ends in a newline. A line that cannot be written is counted, and the count is
  // written before the next line that can.
  void append(std::string_view line);
  // Appends the lines of `text`; `ends`: where in it each of them ends. In one call of the kernel where that
  // is possible, else one line after the other, as append() does.
  void append_lines(std::string_view text, std::span<const std::size_t> ends);
  // So many lines did not even come here. Written at once, if that works.
  void count_lost(std::uint64_t lines);
  // Goes on where another process, which has ended, has written to the log until now: it may have rotated it,
  // or have been killed in the middle of a line, of which nothing is left then.
  Status resume();

 private:
  EventFile(std::string path, std::uint64_t max_bytes, UniqueFd file, std::uint64_t size);
  void append_locked(std::string_view line);
  // What has been lost so far. A no-op where nothing has.
  Status write_lost_locked();
  // An error: there is no log to write to, for now.
  Status rotate_locked();
  // Wholly or not at all: a disk may be full in the middle of a line.
  Status write_locked(std::string_view line);

  std::string path_;
  std::uint64_t max_bytes_;
  std::mutex mutex_;
  UniqueFd file_;
  std::uint64_t size_;
  std::atomic<std::uint64_t> own_lost_{0};
  std::atomic<std::uint64_t>* lost_ = &own_lost_;
};

// Removes the oldest logs of a folder (by modification time) until what is left takes at most `total_bytes`,
// except those that an agent still writes to. Files with other names are left alone.
Status prune_logs(const std::string& directory, std::uint64_t total_bytes);

}  // namespace tidewaiter::supervisor
