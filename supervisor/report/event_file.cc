#include "supervisor/report/event_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "oci/base/json_text.h"
#include "oci/base/log.h"
#include "oci/base/system.h"

namespace tidewaiter::supervisor {
namespace {

// flock(2), however often a signal interrupts it.
int lock(int fd, int operation) {
  int result = 0;
  do {
    result = ::flock(fd, operation);
  } while (result != 0 && errno == EINTR);
  return result;
}

Result<UniqueFd> open_for_appending(const std::string& path) {
  for (;;) {
    auto file = TRY(sys::open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600));
    // Tells prune_logs() of whichever agent that the log is in use. One that is removing it holds the lock
    // for a moment, and then it is another file that has to be opened.
    if (lock(file.get(), LOCK_SH) != 0) return fail(errno, "lock " + path);
    if (TRY(sys::fstat(file.get())).st_nlink != 0) return file;
  }
}

// Where the last whole line of a file of `size` bytes ends.
Result<std::uint64_t> end_of_lines(int file, std::uint64_t size) {
  std::array<char, 4096> piece;
  while (size != 0) {
    const std::uint64_t begin = size - std::min<std::uint64_t>(size, piece.size());
    const ssize_t count = ::pread(file, piece.data(), size - begin, static_cast<off_t>(begin));
    if (count != static_cast<ssize_t>(size - begin)) return fail(count < 0 ? errno : EIO, "read");
    const auto text = std::string_view(piece.data(), static_cast<std::size_t>(count));
    if (const std::size_t newline = text.rfind('\n'); newline != std::string_view::npos) {
      return begin + newline + 1;
    }
    size = begin;
  }
  return 0;
}

// Removes a log unless an agent writes to it; whether it is gone.
Result<bool> remove_unused(const std::string& path) {
  const auto file = sys::open(path, O_RDONLY | O_NOFOLLOW);
  if (!file && file.error().code == ENOENT) return true;
  // What cannot be opened is no log of ours.
  if (!file || lock(file->get(), LOCK_EX | LOCK_NB) != 0) return false;
  // Under the lock nobody begins to write to this file. But it may have lost its name to another meanwhile.
  const auto held = TRY(sys::fstat(file->get()));
  const auto named = sys::stat(path);
  if (!named && named.error().code == ENOENT) return true;
  if (!named || named->st_ino != held.st_ino) return false;
  TRY(sys::unlink(path));
  return true;
}

}  // namespace

Result<EventFile> EventFile::open(const std::string& directory, const std::string& name,
                                  std::uint64_t max_bytes) {
  TRY(sys::make_directories(directory, 0700));
  std::string path = directory + "/" + name + ".jsonl";
  auto file = TRY(in_context("event log", open_for_appending(path)));
  const auto status = TRY(sys::fstat(file.get()));
  return EventFile(std::move(path), max_bytes, std::move(file), static_cast<std::uint64_t>(status.st_size));
}

EventFile::EventFile(std::string path, std::uint64_t max_bytes, UniqueFd file, std::uint64_t size)
    : path_(std::move(path)), max_bytes_(max_bytes), file_(std::move(file)), size_(size) {}

EventFile::EventFile(EventFile&& other) noexcept
    : path_(std::move(other.path_)),
      max_bytes_(other.max_bytes_),
      file_(std::move(other.file_)),
      size_(other.size_),
      own_lost_(other.own_lost_.load()),
      lost_(other.lost_ == &other.own_lost_ ? &own_lost_ : other.lost_) {}

void EventFile::keep_lost_in(std::atomic<std::uint64_t>& lost) {
  const std::lock_guard lock(mutex_);
  lost += *lost_;
  lost_ = &lost;
}

void EventFile::append(std::string_view line) {
  const std::lock_guard lock(mutex_);
  append_locked(line);
}

void EventFile::append_lines(std::string_view text, std::span<const std::size_t> ends) {
  const std::lock_guard lock(mutex_);
  // write_locked() leaves nothing of what it could not write whole: then each line has its own chance.
  if (*lost_ == 0 && size_ + text.size() <= max_bytes_ && write_locked(text)) return;
  std::size_t begin = 0;
  for (const std::size_t end : ends) {
    append_locked(text.substr(begin, end - begin));
    begin = end;
  }
}

void EventFile::count_lost(std::uint64_t lines) {
  const std::lock_guard lock(mutex_);
  *lost_ += lines;
  (void)write_lost_locked();
}

Status EventFile::resume() {
  const std::lock_guard guard(mutex_);
  file_ = TRY(open_for_appending(path_));
  const auto status = TRY(sys::fstat(file_.get()));
  size_ = static_cast<std::uint64_t>(status.st_size);
  const std::uint64_t whole = TRY(end_of_lines(file_.get(), size_));
  if (whole == size_) return {};
  // Unless somebody else still writes to it, who may be in the middle of that line.
  Status cut;
  if (lock(file_.get(), LOCK_EX | LOCK_NB) != 0 || ::ftruncate(file_.get(), static_cast<off_t>(whole)) != 0) {
    cut = fail(errno, "cut off half a line");
  } else {
    size_ = whole;
  }
  if (lock(file_.get(), LOCK_SH) != 0) return fail(errno, "lock " + path_);
  return cut;
}

void EventFile::append_locked(std::string_view line) {
  Status written;
  if (size_ + line.size() > max_bytes_ && size_ > 0) written = rotate_locked();
  if (written) (void)write_lost_locked();
  if (written) written = write_locked(line);
  if (!written && (*lost_)++ == 0) {
    log::error("events are being lost", {{"log", path_}, {"error", written.error().message()}});
  }
}

Status EventFile::write_lost_locked() {
  const std::uint64_t lost = *lost_;
  if (lost == 0) return {};
  const std::string notice = "{\"time\":\"" + rfc3339_now() + "\",\"lost\":" + std::to_string(lost) + "}\n";
  TRY(write_locked(notice));
  *lost_ = 0;
  return {};
}

Status EventFile::write_locked(std::string_view line) {
  Status written = sys::write_all(file_.get(), line);
  if (written) {
    size_ += line.size();
  } else if (::ftruncate(file_.get(), static_cast<off_t>(size_)) != 0) {
    // Half a line stays, and spoils the next one that can be written; there is nothing left to try.
  }
  return written;
}

Status EventFile::rotate_locked() {
  const Status renamed = sys::rename(path_, path_ + ".1");
  // Where it has no name, somebody has removed it, or the next one could not be opened the last time.
  if (!renamed && renamed.error().code != ENOENT) {
    log::error("cannot rotate the event log", {{"log", path_}, {"error", renamed.error().message()}});
    // The bound holds all the same: start over.
    if (::ftruncate(file_.get(), 0) == 0) size_ = 0;
    return {};
  }
  // Until this succeeds `file_` is the rotated one, as full as it may be.
  file_ = TRY(open_for_appending(path_));
  size_ = 0;
  return {};
}

Status prune_logs(const std::string& directory, std::uint64_t total_bytes) {
  struct File {
    std::filesystem::path path;
    std::filesystem::file_time_type changed;
    std::uint64_t size;
  };
  std::vector<File> files;
  std::uint64_t total = 0;
  std::error_code error;
  for (std::filesystem::directory_iterator entry(directory, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename();
    if (!name.ends_with(".jsonl") && !name.ends_with(".jsonl.1")) continue;
    std::error_code gone;
    const File file{entry->path(), entry->last_write_time(gone), entry->file_size(gone)};
    if (gone) continue;
    total += file.size;
    files.push_back(file);
  }
  if (error) return fail(error.value(), "prune " + directory);
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) { return a.changed < b.changed; });
  for (const File& file : files) {
    if (total <= total_bytes) break;
    if (TRY(remove_unused(file.path))) total -= file.size;
  }
  return {};
}

}  // namespace tidewaiter::supervisor
