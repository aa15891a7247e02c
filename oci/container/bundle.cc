#include "oci/container/bundle.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/spec/config.h"

namespace tidewaiter::container {
namespace {

using spec::Json;

// A record holds two configs and a header.
constexpr std::size_t kMaxConfigBytes = 64U << 20U;
constexpr std::size_t kMaxHeaderBytes = 256;
constexpr std::uint64_t kVersion = 1;

struct RewriteRecord {
  std::string original;
  std::string rewritten;

  bool operator==(const RewriteRecord&) const = default;
};

std::string record_path(const std::string& config_path) { return config_path + ".tidewaiter"; }

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
  header["original"] = record.original.size();
  header["rewritten"] = record.rewritten.size();
  return spec::dump_json(header, -1) + "\n" + record.original + record.rewritten;
}

std::optional<std::uint64_t> count_in(const Json& header, const char* key) {
  if (!header.is_object()) return std::nullopt;
  const auto found = header.find(key);
  if (found == header.end() || !found->is_number_unsigned()) return std::nullopt;
  return found->get<std::uint64_t>();
}

Result<RewriteRecord> decode(const std::string& text) {
  const std::size_t newline = std::string_view(text).substr(0, kMaxHeaderBytes).find('\n');
  if (newline == std::string::npos) return fail("has no header");
  const auto header = TRY(spec::parse_json(std::string_view(text).substr(0, newline), "header"));
  if (count_in(header, "version") != kVersion) return fail("is of an unknown version");
  const auto original = count_in(header, "original");
  const auto rewritten = count_in(header, "rewritten");
  const std::string_view body = std::string_view(text).substr(newline + 1);
  // Compared without adding the two, which could overflow.
  if (!original || !rewritten || *original > body.size() || *rewritten != body.size() - *original) {
    return fail("is not as long as its header says");
  }
  return RewriteRecord{std::string(body.substr(0, *original)), std::string(body.substr(*original))};
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
  return decode(TRY(sys::read_all(fd, 2 * kMaxConfigBytes + kMaxHeaderBytes)));
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

Status remove_record_of(const std::string& config_path) {
  Status removed = sys::unlink(record_path(config_path));
  if (!removed && (removed.error().code == ENOENT || removed.error().code == ENOTDIR)) return {};
  return removed;
}

}  // namespace

Bundle::Bundle(std::string path, std::string original_bytes, std::string present_bytes, Json original)
    : path_(std::move(path)),
      original_bytes_(std::move(original_bytes)),
      present_bytes_(std::move(present_bytes)),
      original_(std::move(original)) {}

Result<Bundle> Bundle::open(const std::string& directory, const std::string& config_file) {
  const std::string context = "open bundle";
  const std::string path = config_file.starts_with('/') ? config_file : directory + "/" + config_file;
  std::string present = TRY(in_context(context, read_regular_file(path)));
  std::optional<RewriteRecord> record = TRY(in_context(context, read_record_of(path)));
  // Anything but what we wrote is the owner's: a new config, an edited one, or the original itself, when a
  // crash came between the record and the rewriting.
  std::string original = record && record->rewritten == present ? std::move(record->original) : present;
  Json document = TRY(in_context(context, spec::parse_json(original, path)));
  if (!document.is_object()) {
    return fail(context + ": " + path + ": expected an object, found " + document.type_name());
  }
  return Bundle(path, std::move(original), std::move(present), std::move(document));
}

Status Bundle::install(const Json& rewritten) const {
  const std::string context = "rewrite bundle";
  const RewriteRecord wanted{original_bytes_, spec::dump_json(rewritten) + "\n"};
  const auto recorded = TRY(in_context(context, read_record_of(path_)));
  if (recorded == wanted && present_bytes_ == wanted.rewritten) return {};
  // At no moment may the file hold what one compilation wrote and the record speak of another: the file
  // would be taken for an original.
  if (present_bytes_ != original_bytes_) {
    TRY(in_context(context, sys::replace_file(path_, original_bytes_)));
  }
  TRY(in_context(context, sys::replace_file(record_path(path_), encode(wanted), 0600)));
  Status replaced = in_context(context, sys::replace_file(path_, wanted.rewritten));
  // The file is still the original, so that the record has nothing to say.
  if (!replaced) static_cast<void>(remove_record_of(path_));
  return replaced;
}

Status Bundle::restore(const std::string& config_path) {
  const std::string context = "restore bundle";
  const auto record = TRY(in_context(context, read_record_of(config_path)));
  if (!record) return {};
  const auto present = read_regular_file(config_path);
  if (!present && present.error().code != ENOENT && present.error().code != ENOTDIR) {
    return in_context(context, Status(tl::unexpected(present.error())));
  }
  if (present && *present == record->rewritten) {
    TRY(in_context(context, sys::replace_file(config_path, record->original)));
  }
  return in_context(context, remove_record_of(config_path));
}

}  // namespace tidewaiter::container
