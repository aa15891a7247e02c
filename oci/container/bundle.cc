#include "oci/container/bundle.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <sstream>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "oci/base/system.h"
#include "oci/spec/config.h"

namespace tidewaiter::container {
namespace {

using spec::Json;

// A record holds up to three configs and a header.
constexpr std::size_t kMaxConfigBytes = 64U << 20U;
constexpr std::size_t kMaxHeaderBytes = 64U << 10U;
constexpr std::uint64_t kVersion = 2;

// Who is about to have a runtime read the rewritten config: the process that becomes it.
struct Reader {
  std::string owner;
  pid_t pid = 0;
  std::uint64_t start_time = 0;  // clock ticks since boot (proc(5), stat); with the pid it names one process
};

struct RewriteRecord {
  std::vector<Reader> readers;
  std::string original;
  // What the config file may hold instead: the last rewriting, and the one before it.
  std::vector<std::string> rewritten;

  [[nodiscard]] bool speaks_of(const std::string& present) const {
    return std::find(rewritten.begin(), rewritten.end(), present) != rewritten.end();
  }
};

std::string record_path(const std::string& config_path) { return config_path + ".tidewaiter"; }

// Of what is about to take the place of a config or its record. Whoever writes one has the bundle locked; a
// random name would stay for ever when he is killed.
constexpr std::string_view kNewSuffix = ".tidewaiter-new";

Result<std::string> read_regular_file(const std::string& path) {
  // Without O_NONBLOCK a FIFO in its place would hold us up for ever.
  const UniqueFd fd = TRY(sys::open(path, O_RDONLY | O_NONBLOCK));
  const struct stat status = TRY(sys::fstat(fd.get()));
  if (!S_ISREG(status.st_mode)) return fail(path + ": is not a regular file");
  return in_context("read " + path, sys::read_all(fd.get(), kMaxConfigBytes));
}

std::string encode(const RewriteRecord& record) {
  Json header;
  header["version"] = kVersion;
  header["readers"] = Json::array();
  for (const Reader& reader : record.readers) {
    header["readers"].push_back({{"owner", reader.owner}, {"pid", reader.pid}, {"start", reader.start_time}});
  }
  header["original"] = record.original.size();
  header["rewritten"] = Json::array();
  std::string body = record.original;
  for (const std::string& rewritten : record.rewritten) {
    header["rewritten"].push_back(rewritten.size());
    body += rewritten;
  }
  return spec::dump_json(header, -1) + "\n" + body;
}

Result<Reader> decode_reader(const Json& text) {
  if (!text.is_object()) return fail("has an incomplete header");
  const Json owner = text.value("owner", Json());
  const Json pid = text.value("pid", Json());
  const Json start = text.value("start", Json());
  if (!owner.is_string() || !pid.is_number_unsigned() || !start.is_number_unsigned()) {
    return fail("has an incomplete header");
  }
  return Reader{owner.get<std::string>(), pid.get<pid_t>(), start.get<std::uint64_t>()};
}

// Takes as many bytes from the beginning of `body` as `count` says.
Result<std::string> take(std::string_view& body, const Json& count) {
  if (!count.is_number_unsigned() || count.get<std::uint64_t>() > body.size()) {
    return fail("is not as long as its header says");
  }
  const auto size = count.get<std::size_t>();
  std::string taken(body.substr(0, size));
  body.remove_prefix(size);
  return taken;
}

Result<RewriteRecord> decode(const std::string& text) {
  const std::size_t newline = std::string_view(text).substr(0, kMaxHeaderBytes).find('\n');
  if (newline == std::string::npos) return fail("has no header");
  const auto header = TRY(spec::parse_json(std::string_view(text).substr(0, newline), "header"));
  if (!header.is_object() || header.value("version", Json()) != kVersion)
    return fail("is of an unknown version");
  const Json readers = header.value("readers", Json());
  const Json lengths = header.value("rewritten", Json());
  if (!readers.is_array() || !lengths.is_array()) return fail("has an incomplete header");
  RewriteRecord record;
  for (const Json& reader : readers) record.readers.push_back(TRY(decode_reader(reader)));
  std::string_view body = std::string_view(text).substr(newline + 1);
  record.original = TRY(take(body, header.value("original", Json())));
  for (const Json& length : lengths) record.rewritten.push_back(TRY(take(body, length)));
  if (!body.empty()) return fail("is not as long as its header says");
  return record;
}

Status check_is_ours(const struct stat& status) {
  if (!S_ISREG(status.st_mode)) return fail("is not a regular file");
  // Whoever wrote the record chooses the config that runs next.
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return fail("belongs to user " + std::to_string(status.st_uid) + ", and is not trusted");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail("may be written by others, and is not trusted");
  return {};
}

Result<RewriteRecord> read_open_record(int fd) {
  const struct stat status = TRY(sys::fstat(fd));
  TRY(check_is_ours(status));
  return decode(TRY(sys::read_all(fd, 3 * kMaxConfigBytes + kMaxHeaderBytes)));
}

// The record beside `config_path`; nullopt when there is none.
Result<std::optional<RewriteRecord>> read_record_of(const std::string& config_path) {
  const std::string path = record_path(config_path);
  const auto fd = sys::open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) {
    if (fd.error().code == ENOENT || fd.error().code == ENOTDIR) return std::nullopt;
    if (fd.error().code == ELOOP) return fail(path + ": is a symbolic link, and is not trusted");
    return tl::unexpected(fd.error());
  }
  RewriteRecord record = TRY(in_context(path, read_open_record(fd->get())));
  return record;
}

// What somebody has left who was killed while he wrote a config or its record.
void remove_unfinished(const std::string& config_path) {
  for (const std::string& path :
       {sys::realpath(config_path).value_or(config_path), record_path(config_path)}) {
    static_cast<void>(sys::unlink(path + std::string(kNewSuffix)));
  }
}

Status remove_record_of(const std::string& config_path) {
  remove_unfinished(config_path);
  Status removed = sys::unlink(record_path(config_path));
  if (!removed && (removed.error().code == ENOENT || removed.error().code == ENOTDIR)) return {};
  return removed;
}

// Field 22 of /proc/PID/stat; the name in parentheses before it may hold anything. 0: there is no such
// process.
std::uint64_t start_time_of(pid_t pid) {
  const auto stat = sys::read_file("/proc/" + std::to_string(pid) + "/stat", 4096);
  if (!stat) return 0;
  constexpr int kFieldsAfterName = 20;
  std::istringstream fields(stat->substr(stat->rfind(')') + 1));
  std::string field;
  for (int i = 0; i < kFieldsAfterName; ++i) fields >> field;
  std::uint64_t ticks = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), ticks);
  return error == std::errc{} && end == field.data() + field.size() ? ticks : 0;
}

bool may_read(const Reader& reader) {
  const std::uint64_t now = start_time_of(reader.pid);
  return now != 0 && now == reader.start_time;
}

// Those of `readers` who are alive, but for `done`.
std::vector<Reader> still_reading(std::vector<Reader> readers, const std::string& done) {
  std::erase_if(readers, [&](const Reader& reader) { return reader.owner == done || !may_read(reader); });
  return readers;
}

// Puts the original back unless somebody other than `done` may still be about to read what is in its place.
Status undo(const std::string& config_path, const std::string& done) {
  const std::string context = "restore bundle";
  auto record = TRY(in_context(context, read_record_of(config_path)));
  if (!record) {
    remove_unfinished(config_path);
    return {};
  }
  const auto present = read_regular_file(config_path);
  if (!present && present.error().code != ENOENT && present.error().code != ENOTDIR) {
    return in_context(context, Status(tl::unexpected(present.error())));
  }
  if (present && record->speaks_of(*present)) {
    const std::size_t before = record->readers.size();
    record->readers = still_reading(std::move(record->readers), done);
    if (!record->readers.empty()) {
      if (record->readers.size() == before) return {};
      return in_context(context,
                        sys::replace_file(record_path(config_path), encode(*record), 0600, kNewSuffix));
    }
    TRY(in_context(context, sys::replace_file(config_path, record->original, 0600, kNewSuffix)));
  }
  return in_context(context, remove_record_of(config_path));
}

std::string folder_of(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

// Writes over the config when the record beside it, which holds what it was, outlasts a power loss. That the
// new config does too is of no use: its container does not, and open() reads both for the original. Null:
// nothing is to be written.
Status replace_config(const std::string& config_path, const std::string* bytes) {
  const std::string folder = folder_of(config_path);
  if (bytes == nullptr) return sys::sync_directory(folder);
  // In this order a journal has the second sync done with the first.
  auto written = TRY(sys::Replacement::write(config_path, *bytes, 0600, sys::Sync::kBytes, kNewSuffix));
  TRY(sys::sync_directory(folder));
  return written.take_place();
}

}  // namespace

Bundle::Bundle(std::string path, std::string original_bytes, std::string present_bytes, bool has_record,
               Json original)
    : path_(std::move(path)),
      original_bytes_(std::move(original_bytes)),
      present_bytes_(std::move(present_bytes)),
      has_record_(has_record),
      original_(std::move(original)) {}

Result<Bundle> Bundle::open(const std::string& directory, const std::string& config_file) {
  const std::string context = "open bundle";
  const std::string path = config_file.starts_with('/') ? config_file : directory + "/" + config_file;
  auto found = read_regular_file(path);
  if (!found && found.error().code == ENOTDIR && path != config_file)
    return fail(ENOTDIR, context + ": " + directory +
                             ": a bundle is the folder that config.json is in, and this is no folder");
  std::string present = TRY(in_context(context, std::move(found)));
  std::optional<RewriteRecord> record = TRY(in_context(context, read_record_of(path)));
  // Anything but what we wrote is the owner's: a new config, an edited one, or the original itself, when a
  // crash came between the record and the rewriting.
  std::string original = record && record->speaks_of(present) ? std::move(record->original) : present;
  Json document = TRY(in_context(context, spec::parse_json(original, path)));
  if (!document.is_object()) {
    return fail(context + ": " + path + ": expected an object, found " + document.type_name());
  }
  return Bundle(path, std::move(original), std::move(present), record.has_value(), std::move(document));
}

Status Bundle::install(const Json& rewritten, const std::string& owner) const {
  const std::string context = "rewrite bundle";
  // One that is not trusted is not replaced either.
  auto recorded = TRY(in_context(context, read_record_of(path_)));
  // In one line: the runtime has half as much to read.
  RewriteRecord record{{}, original_bytes_, {spec::dump_json(rewritten, -1) + "\n"}};
  const std::string wanted = record.rewritten.front();
  // Another container's rewriting is replaced at one stroke: its runtime may be about to read. Until then the
  // record speaks of both, or the file would be taken for an original.
  const bool rewritten_before = present_bytes_ != original_bytes_;
  if (rewritten_before && present_bytes_ != wanted) record.rewritten.push_back(present_bytes_);
  if (recorded && rewritten_before) record.readers = still_reading(std::move(recorded->readers), owner);
  record.readers.push_back({owner, ::getpid(), start_time_of(::getpid())});
  auto written = TRY(in_context(context, sys::Replacement::write(record_path(path_), encode(record), 0600,
                                                                 sys::Sync::kBytes, kNewSuffix)));
  TRY(in_context(context, written.take_place()));
  Status replaced = in_context(context, replace_config(path_, present_bytes_ == wanted ? nullptr : &wanted));
  // The file is still the original, so that the record has nothing to say.
  if (!replaced && !rewritten_before) static_cast<void>(remove_record_of(path_));
  return replaced;
}

Status Bundle::restore(const std::string& config_path, const std::string& owner) {
  return undo(config_path, owner);
}

Status Bundle::restore_if_idle(const std::string& config_path) {
  const auto locked = lock_bundle(config_path, std::chrono::milliseconds(0));
  if (locked) return undo(config_path, "");
  const int code = locked.error().code;
  if (code == EWOULDBLOCK || code == ENOENT || code == ENOTDIR) return {};
  return tl::unexpected(locked.error());
}

Result<UniqueFd> lock_bundle(const std::string& config_path, std::chrono::milliseconds patience) {
  constexpr std::chrono::milliseconds kInterval{5};
  // Where a linked config really is; for one that is gone its folder is still somebody's to hold.
  const std::string real = sys::realpath(config_path).value_or(config_path);
  const std::string folder = folder_of(real);
  UniqueFd fd = TRY(in_context("lock bundle", sys::open(folder, O_RDONLY | O_DIRECTORY)));
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail(errno, "lock bundle: " + folder);
    if (std::chrono::steady_clock::now() >= deadline) {
      return fail(EWOULDBLOCK, "lock bundle: another container is being created from " + folder);
    }
    std::this_thread::sleep_for(kInterval);  // flock(2) has no timeout, and this process no thread to wait in
  }
  return fd;
}

Result<std::string> new_owner() {
  std::uint64_t number = 0;
  if (::getrandom(&number, sizeof number, 0) != sizeof number) return fail(errno, "getrandom");
  return std::to_string(number);
}

}  // namespace tidewaiter::container
