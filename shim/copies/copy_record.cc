#include "shim/copies/copy_record.h"

#include <fcntl.h>
#include <sys/file.h>

#include <cerrno>
#include <iterator>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/spec/config.h"

namespace tidewaiter::shim {
namespace {

using spec::Json;

constexpr std::uint64_t kVersion = 1;

constexpr std::string_view kSettlements[] = {"keep", "commit", "discard"};
constexpr std::string_view kStages[] = {"prepared", "attended", "ended"};
constexpr std::string_view kPhases[] = {"open", "kept", "committing", "discarding", "listed", "settled"};

// The files are written by us, whole or not at all; a member that is missing or of another type is an error.
class Members {
 public:
  explicit Members(const Json& document) : document_(document) {}

  template <typename T>
  void read(const char* key, T& value) {
    try {
      document_.at(key).get_to(value);
    } catch (const Json::exception& error) {
      if (!wrong_) wrong_ = Error{0, std::string("/") + key + ": " + error.what()};
    }
  }
  template <typename T, std::size_t N>
  void read_word(const char* key, const std::string_view (&words)[N], T& value) {
    std::string text;
    read(key, text);
    for (std::size_t i = 0; i < N; ++i) {
      if (words[i] == text) {
        value = static_cast<T>(i);
        return;
      }
    }
    if (!wrong_) wrong_ = Error{0, std::string("/") + key + ": \"" + text + "\" is not known"};
  }
  [[nodiscard]] Status status() const { return wrong_ ? Status(tl::unexpected(*wrong_)) : Status(); }

 private:
  const Json& document_;
  std::optional<Error> wrong_;
};

template <typename T, std::size_t N>
std::string word_of(const std::string_view (&words)[N], T value) {
  return std::string(words[static_cast<std::size_t>(value)]);
}

Result<Json> read_document(const std::string& path) {
  Json document = TRY(spec::parse_json(TRY(sys::read_file(path)), path));
  std::uint64_t version = 0;
  Members members(document);
  members.read("version", version);
  TRY(in_context(path, members.status()));
  if (version != kVersion) {
    return fail(path + ": /version: expected " + std::to_string(kVersion) + ", found " +
                std::to_string(version));
  }
  return document;
}

Status write_document(const std::string& path, const Json& document) {
  std::string text;
  try {
    text = document.dump(2) + "\n";
  } catch (const Json::exception&) {
    return fail(path + ": a path in it is not UTF-8");
  }
  return sys::replace_file(path, text, 0600);
}

Result<CopyRecord> record_from(const Json& document) {
  CopyRecord record;
  Members members(document);
  members.read("id", record.id);
  members.read("policy", record.policy_name);
  members.read("created", record.created);
  members.read("dry_run", record.dry_run);
  members.read("user_xattr", record.user_xattr);
  members.read("log", record.log);
  std::vector<Json> folders;
  members.read("folders", folders);
  TRY(members.status());
  for (const Json& each : folders) {
    CopyRecord::Folder folder;
    Members one(each);
    one.read("pointer", folder.pointer);
    one.read("path", folder.path);
    one.read("source", folder.source);
    one.read("device", folder.device);
    one.read("inode", folder.inode);
    one.read_word("on_success", kSettlements, folder.on_success);
    one.read_word("on_failure", kSettlements, folder.on_failure);
    TRY(in_context("/folders", one.status()));
    record.folders.push_back(std::move(folder));
  }
  return record;
}

Result<CopyState> state_from(const Json& document) {
  CopyState state;
  Members members(document);
  members.read_word("stage", kStages, state.stage);
  members.read("pid", state.pid);
  members.read("start_time", state.start_time);
  members.read("boot", state.boot);
  if (document.contains("exit_code")) members.read("exit_code", state.ending.exit_code.emplace());
  if (document.contains("signal")) members.read("signal", state.ending.signal.emplace());
  if (document.contains("unknown")) members.read("unknown", state.ending.unknown);
  std::vector<Json> folders;
  members.read("folders", folders);
  TRY(members.status());
  for (const Json& each : folders) {
    CopyState::Folder folder;
    Members one(each);
    one.read_word("phase", kPhases, folder.phase);
    one.read("token", folder.token);
    one.read("reason", folder.reason);
    TRY(in_context("/folders", one.status()));
    state.folders.push_back(std::move(folder));
  }
  return state;
}

}  // namespace

std::string in_words(const Ending& ending) {
  if (ending.exit_code) return "exit code " + std::to_string(*ending.exit_code);
  if (ending.signal) return "signal " + std::to_string(*ending.signal);
  return "unknown" + (ending.unknown.empty() ? "" : ": " + ending.unknown);
}

Result<CopyRecord> read_copy_record(const std::string& folder) {
  const std::string path = folder + "/" + CopyRecord::kFileName;
  return in_context(path, record_from(TRY(read_document(path))));
}

Status write_copy_record(const std::string& folder, const CopyRecord& record) {
  Json document;
  document["version"] = kVersion;
  document["id"] = record.id;
  document["policy"] = record.policy_name;
  document["created"] = record.created;
  document["dry_run"] = record.dry_run;
  document["user_xattr"] = record.user_xattr;
  document["log"] = record.log;
  document["folders"] = Json::array();
  for (const CopyRecord::Folder& each : record.folders) {
    document["folders"].push_back({{"pointer", each.pointer},
                                   {"path", each.path},
                                   {"source", each.source},
                                   {"device", each.device},
                                   {"inode", each.inode},
                                   {"on_success", word_of(kSettlements, each.on_success)},
                                   {"on_failure", word_of(kSettlements, each.on_failure)}});
  }
  return write_document(folder + "/" + CopyRecord::kFileName, document);
}

Result<CopyState> read_copy_state(const std::string& folder) {
  const std::string path = folder + "/" + CopyState::kFileName;
  return in_context(path, state_from(TRY(read_document(path))));
}

Status write_copy_state(const std::string& folder, const CopyState& state) {
  Json document;
  document["version"] = kVersion;
  document["stage"] = word_of(kStages, state.stage);
  document["pid"] = state.pid;
  document["start_time"] = state.start_time;
  document["boot"] = state.boot;
  if (state.ending.exit_code) document["exit_code"] = *state.ending.exit_code;
  if (state.ending.signal) document["signal"] = *state.ending.signal;
  if (!state.ending.unknown.empty()) document["unknown"] = state.ending.unknown;
  document["folders"] = Json::array();
  for (const CopyState::Folder& each : state.folders) {
    document["folders"].push_back(
        {{"phase", word_of(kPhases, each.phase)}, {"token", each.token}, {"reason", each.reason}});
  }
  return write_document(folder + "/" + CopyState::kFileName, document);
}

Result<UniqueFd> lock_copies(const std::string& folder, Wait wait) {
  const std::string path = folder + "/" + CopyRecord::kLockName;
  for (;;) {
    auto file = TRY(sys::open(path, O_RDWR | O_NOFOLLOW));
    int result = 0;
    do {
      result = ::flock(file.get(), LOCK_EX | (wait == Wait::kNo ? LOCK_NB : 0));
    } while (result != 0 && errno == EINTR);
    if (result != 0 && errno == EWOULDBLOCK) return UniqueFd();
    if (result != 0) return fail(errno, "lock " + path);
    // Who had it may have removed the folder.
    if (TRY(sys::fstat(file.get())).st_nlink != 0) return file;
  }
}

Status make_copies_lock(const std::string& folder) {
  TRY(sys::open(folder + "/" + CopyRecord::kLockName, O_RDWR | O_CREAT | O_NOFOLLOW, 0600));
  return {};
}

Status remove_copies_folder(const std::string& folder) {
  const std::size_t slash = folder.rfind('/');
  const std::string going = folder.substr(0, slash + 1) + "." + folder.substr(slash + 1);
  TRY(sys::remove_tree(going));
  if (const Status moved = sys::rename(folder, going); !moved)
    return moved.error().code == ENOENT ? Status() : moved;
  return sys::remove_tree(going);
}

}  // namespace tidewaiter::shim
