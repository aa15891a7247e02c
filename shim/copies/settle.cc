#include "shim/copies/settle.h"

#include <fcntl.h>
#include <linux/types.h>
#include <poll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <sstream>
#include <string_view>
#include <utility>

#include "oci/base/detached_process.h"
#include "oci/base/json_text.h"
#include "oci/base/system.h"
#include "oci/policy/compile_copies.h"
#include "oci/policy/file_rule.h"
#include "oci/spec/config.h"
#include "shim/copies/commit_changes.h"

namespace tidewaiter::shim {
namespace {

using policy::Settlement;
using Phase = CopyState::Phase;
using Stage = CopyState::Stage;

// How long a process that has ended may wait for its parent to ask for its exit code.
constexpr int kReapMilliseconds = 10'000;

// The most lines of a dry run's list, and its bytes: a container chooses how many.
constexpr std::uint64_t kMostListed = 100'000;
constexpr std::size_t kMostListBytes = 32U << 20U;

Layer layer_of(const CopyRecord& record) { return {record.user_xattr}; }

Result<UniqueFd> open_upper(const std::string& folder, std::size_t number) {
  return sys::open(policy::upper_folder(folder, number), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

// The very folder that the container was given.
Result<UniqueFd> open_source(const CopyRecord::Folder& copied) {
  auto source = TRY(sys::open(copied.source, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const struct stat status = TRY(sys::fstat(source.get()));
  if (status.st_dev != copied.device || status.st_ino != copied.inode)
    return fail(copied.source + " is another folder than the container was given");
  return source;
}

Result<std::string> new_token() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return fail(errno, "getrandom");
  std::string token;
  for (const unsigned char each : bytes) {
    token += "0123456789abcdef"[each >> 4U];
    token += "0123456789abcdef"[each & 0xfU];
  }
  return token;
}

std::string boot_id() {
  std::string id = sys::read_file("/proc/sys/kernel/random/boot_id").value_or("");
  while (id.ends_with('\n')) id.pop_back();
  return id;
}

// Field 22 of proc_pid_stat(5); the name in front of it may hold anything. 0: there is no such process.
std::uint64_t start_time(pid_t pid) {
  const auto text = sys::read_file("/proc/" + std::to_string(pid) + "/stat");
  if (!text) return 0;
  std::istringstream fields(text->substr(std::min(text->rfind(')'), text->size() - 1) + 1));
  std::string skipped;
  for (int field = 3; field < 22; ++field) fields >> skipped;
  std::uint64_t value = 0;
  fields >> value;
  return value;
}

// --- the container's first process -------------------------------------------------------------------

// include/uapi/linux/pidfd.h, of Linux 6.15: what a pidfd knows of a process that was waited for.
struct PidfdInfo {
  __u64 mask;
  __u64 cgroup_id;
  __u32 pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
  __s32 exit_code;
};
static_assert(sizeof(PidfdInfo) == 64);
constexpr __u64 kPidfdInfoExit = 1U << 3U;
constexpr unsigned long kPidfdGetInfo = _IOWR(0xFF, 11, PidfdInfo);

// What poll(2) tells of a pidfd within so many milliseconds; -1: however long.
short poll_once(int pidfd, short events, int milliseconds) {
  struct pollfd poll = {pidfd, events, 0};
  while (::poll(&poll, 1, milliseconds) < 0 && errno == EINTR) {
  }
  return poll.revents;
}

// Waits for the process to end. Nobody but a parent is told how a process ended, until the kernel keeps it
// for whoever holds a pidfd.
Ending wait_for_end(int pidfd) {
  static_cast<void>(poll_once(pidfd, POLLIN, -1));
  // It is told when the parent has asked, which is what the hang-up means (pidfd_poll() in fs/pidfs.c).
  if ((poll_once(pidfd, 0, kReapMilliseconds) & POLLHUP) == 0) {
    return {.unknown = "nobody has waited for the first process"};
  }
  PidfdInfo ended{};
  ended.mask = kPidfdInfoExit;
  if (::ioctl(pidfd, kPidfdGetInfo, &ended) != 0 || (ended.mask & kPidfdInfoExit) == 0) {
    return {.unknown = "this kernel does not tell it (Linux 6.15 does)"};
  }
  // As wait(2) has it.
  if (WIFEXITED(ended.exit_code)) return {.exit_code = WEXITSTATUS(ended.exit_code)};
  if (WIFSIGNALED(ended.exit_code)) return {.signal = WTERMSIG(ended.exit_code)};
  return {.unknown = "the kernel says " + std::to_string(ended.exit_code)};
}

Result<pid_t> pid_in(const std::string& state) {
  const spec::Json document = TRY(spec::parse_json(state, "the container's state"));
  const auto pid = document.is_object() ? document.find("pid") : document.end();
  if (pid == document.end() || !pid->is_number_integer() || *pid <= 0)
    return fail("the container's state has no pid");
  return pid->get<pid_t>();
}

// Nothing of the caller's but what is kept: whoever waits for the end of a pipe must not wait for us.
void keep_only(int a, int b) {
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (null >= 0) ::dup2(null, stream);
  }
  const auto close = [](int first, int last) {
    if (first <= last)
      static_cast<void>(::close_range(static_cast<unsigned>(first), static_cast<unsigned>(last), 0));
  };
  const auto [low, high] = std::minmax(a, b);
  close(STDERR_FILENO + 1, low - 1);
  close(low + 1, high - 1);
  static_cast<void>(::close_range(static_cast<unsigned>(high + 1), ~0U, 0));
}

// --- events --------------------------------------------------------------------------------------------

// Settling is told in the container's event log, behind what its agent has written. One write(2), so that no
// line is torn; a log that cannot be written fails nothing.
class Report {
 public:
  explicit Report(const CopyRecord& record) : record_(record) {}

  void tell(const CopyRecord::Folder& copied, std::string_view verdict, const ChangeCounts& counts,
            const std::string& reason) const {
    std::string line = "{\"time\":\"" + rfc3339_now() + "\",\"container\":";
    append_json_string(line, record_.id);
    line += ",\"policy\":";
    append_json_string(line, record_.policy_name);
    line += ",\"rule\":";
    append_json_string(line, copied.pointer);
    line += ",\"category\":\"file\",\"verdict\":\"" + std::string(verdict) + "\",\"path\":";
    append_json_string(line, copied.path);
    line += ",\"added\":" + std::to_string(counts.added) +
            ",\"modified\":" + std::to_string(counts.modified) +
            ",\"deleted\":" + std::to_string(counts.deleted);
    if (!reason.empty()) {
      line += ",\"reason\":";
      append_json_string(line, reason);
    }
    line += "}\n";
    const std::size_t slash = record_.log.rfind('/');
    if (slash == std::string::npos) return;
    static_cast<void>(sys::make_directories(record_.log.substr(0, slash), 0700));
    const auto log = sys::open(record_.log, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
    if (!log) return;
    // Who prunes old logs leaves those alone that somebody has locked.
    static_cast<void>(::flock(log->get(), LOCK_SH));
    static_cast<void>(sys::write(log->get(), line.data(), line.size()));
  }

 private:
  const CopyRecord& record_;
};

// --- settling ------------------------------------------------------------------------------------------

// What is done under the lock.
class Settler {
 public:
  Settler(std::string folder, CopyRecord record, CopyState state)
      : folder_(std::move(folder)), record_(std::move(record)), state_(std::move(state)) {}

  static Result<Settler> open(const std::string& folder) {
    CopyRecord record = TRY(read_copy_record(folder));
    CopyState state = TRY(read_copy_state(folder));
    if (state.folders.size() != record.folders.size())
      return fail(folder + ": record and state do not match");
    return Settler(folder, std::move(record), std::move(state));
  }

  [[nodiscard]] const CopyState& state() const { return state_; }

  Status note_end(Ending ending) {
    state_.stage = Stage::kEnded;
    state_.ending = std::move(ending);
    return save();
  }

  Status note_attended(pid_t pid) {
    state_.stage = Stage::kAttended;
    state_.pid = pid;
    state_.start_time = start_time(pid);
    state_.boot = boot_id();
    return save();
  }

  // As the policy says.
  Status settle_open() {
    Status first_failure;
    for (std::size_t i = 0; i < record_.folders.size(); ++i) {
      Status settled = settle_open(i);
      if (!settled && first_failure) first_failure = std::move(settled);
    }
    TRY(end_if_settled());
    return first_failure;
  }

  // `verb`: for all that is not settled.
  Status settle_kept(Settlement verb) {
    for (std::size_t i = 0; i < record_.folders.size(); ++i) {
      const Phase phase = state_.folders[i].phase;
      if (phase == Phase::kSettled) continue;
      if (verb == Settlement::kDiscard) {
        if (phase == Phase::kCommitting)
          return fail(record_.folders[i].path +
                      ": has been committed in part, which nothing takes back: finish "
                      "it with --commit");
        TRY(discard(i, "discarded", "by hand"));
      } else if (phase == Phase::kDiscarding) {
        return fail(record_.folders[i].path + ": has been discarded in part: finish it with --discard");
      } else if (phase == Phase::kListed) {
        return fail(record_.folders[i].path + ": was a dry run, of which nothing but the list is kept");
      } else {
        TRY(commit(i, "by hand"));
      }
    }
    return end_if_settled();
  }

  // Everything, whatever it is.
  Status remove() {
    for (std::size_t i = 0; i < record_.folders.size(); ++i)
      TRY(remove_layer(folder_ + "/" + std::to_string(i)));
    return remove_copies_folder(folder_);
  }

 private:
  Status save() { return write_copy_state(folder_, state_); }

  Status settle_open(std::size_t i) {
    const Phase phase = state_.folders[i].phase;
    const CopyRecord::Folder& copied = record_.folders[i];
    if (phase == Phase::kCommitting) return commit(i, "");
    if (phase == Phase::kDiscarding) return discard(i, "discarded", "continued");
    if (phase != Phase::kOpen) return {};
    const std::string why = in_words(state_.ending);
    if (record_.dry_run) return list_only(i, why);
    switch (state_.ending.success() ? copied.on_success : copied.on_failure) {
      case Settlement::kCommit:
        return commit(i, why);
      case Settlement::kDiscard:
        return discard(i, "discarded", why);
      case Settlement::kKeep:
        break;
    }
    const auto counts = count(i);
    if (counts && counts->none()) return discard(i, "", "");
    return keep(i, counts.value_or(ChangeCounts{}), why, "");
  }

  Result<ChangeCounts> count(std::size_t i) const {
    ChangeCounts counts;
    TRY(list_copy(folder_, record_, i, [&](const ListedChange& each) { counts.count(each.change); }));
    return counts;
  }

  Status keep(std::size_t i, const ChangeCounts& counts, const std::string& why, const std::string& reason) {
    state_.folders[i].phase = Phase::kKept;
    state_.folders[i].reason = reason;
    TRY(save());
    Report(record_).tell(record_.folders[i], "kept", counts, reason.empty() ? why : reason);
    return {};
  }

  Status discard(std::size_t i, std::string_view verdict, const std::string& why) {
    // Counted for the log; what cannot be counted goes all the same.
    const Phase phase = state_.folders[i].phase;
    const bool whole = phase == Phase::kOpen || phase == Phase::kKept;
    const ChangeCounts counts = whole ? count(i).value_or(ChangeCounts{}) : ChangeCounts{};
    if (phase == Phase::kListed) verdict = {};  // told before
    if (whole) {
      // Nobody is to commit what is left of it, should this come to an end half way.
      state_.folders[i] = {.phase = Phase::kDiscarding, .token = "", .reason = ""};
      TRY(save());
    }
    TRY(remove_layer(folder_ + "/" + std::to_string(i)));
    state_.folders[i] = {.phase = Phase::kSettled, .token = "", .reason = ""};
    TRY(save());
    if (!verdict.empty()) Report(record_).tell(record_.folders[i], verdict, counts, why);
    return {};
  }

  Status list_only(std::size_t i, const std::string& why) {
    ChangeCounts counts;
    std::string list;
    std::uint64_t listed = 0;
    bool whole = true;
    const Status looked = list_copy(folder_, record_, i, [&](const ListedChange& each) {
      counts.count(each.change);
      if (listed == kMostListed || list.size() >= kMostListBytes) {
        whole = false;
        return;
      }
      ++listed;
      list += change_line(record_.folders[i], each);
    });
    // On disk before the changes go.
    TRY(sys::replace_file(folder_ + "/" + CopyRecord::kListName + "." + std::to_string(i), list));
    std::string reason;
    if (!looked) reason = "the list is not whole: " + looked.error().message();
    if (!whole) reason = "the list has the first " + std::to_string(listed) + " only";
    state_.folders[i] = {.phase = Phase::kListed, .token = "", .reason = reason};
    TRY(save());
    Report(record_).tell(record_.folders[i], "listed", counts,
                         "dry run, " + why + (reason.empty() ? "" : "; " + reason));
    return remove_layer(folder_ + "/" + std::to_string(i));
  }

  Status commit(std::size_t i, const std::string& why) {
    const CopyRecord::Folder& copied = record_.folders[i];
    CopyState::Folder& state = state_.folders[i];
    const bool begun = state.phase == Phase::kCommitting;
    const auto counted = count(i);
    const ChangeCounts counts = counted.value_or(ChangeCounts{});
    if (!begun) {
      // Nothing was changed yet, and if anything stands in the way, nothing will be.
      Status possible = counted ? check(i) : Status(tl::unexpected(counted.error()));
      if (!possible) {
        TRY(keep(i, counts, why, "not committed: " + possible.error().message()));
        return in_context(copied.path, std::move(possible));
      }
    }
    Status committed = apply(i);
    if (!committed && state.phase != Phase::kCommitting) {
      TRY(keep(i, counts, why, "not committed: " + committed.error().message()));
      return in_context(copied.path, std::move(committed));
    }
    if (!committed) {
      state.reason = committed.error().message();
      static_cast<void>(save());
      Report(record_).tell(copied, "failed", counts, "committed in part: " + state.reason);
      return in_context(copied.path + ": committed in part", std::move(committed));
    }
    state = {.phase = Phase::kSettled, .token = "", .reason = ""};
    TRY(save());
    Report(record_).tell(copied, "committed", counts, why.empty() ? "continued" : why);
    return remove_layer(folder_ + "/" + std::to_string(i));
  }

  Status check(std::size_t i) const {
    const UniqueFd upper = TRY(open_upper(folder_, i));
    static_cast<void>(TRY(open_source(record_.folders[i])));
    return check_commit(layer_of(record_), upper.get());
  }

  Status apply(std::size_t i) {
    CopyState::Folder& state = state_.folders[i];
    const UniqueFd upper = TRY(open_upper(folder_, i));
    const UniqueFd source = TRY(open_source(record_.folders[i]));
    if (state.phase != Phase::kCommitting) {
      // The layer first: after a power failure the commit goes on from what is on disk.
      if (::syncfs(upper.get()) != 0) return fail(errno, "sync");
      CopyState::Folder begun{.phase = Phase::kCommitting, .token = TRY(new_token()), .reason = ""};
      std::swap(state, begun);
      if (Status saved = save(); !saved) {
        std::swap(state, begun);
        return saved;
      }
    }
    Commit commit;
    commit.layer = layer_of(record_);
    commit.upper = upper.get();
    commit.target = source.get();
    commit.token = state.token;
    TRY(commit_changes(commit));
    if (::syncfs(source.get()) != 0) return fail(errno, "sync");
    return {};
  }

  Status end_if_settled() {
    for (const CopyState::Folder& each : state_.folders) {
      if (each.phase != Phase::kSettled) return {};
    }
    return remove();
  }

  std::string folder_;
  CopyRecord record_;
  CopyState state_;
};

Status settle_locked(const std::string& folder) {
  Settler settler = TRY(Settler::open(folder));
  // None of its processes has run in it, so nobody has written anything.
  if (settler.state().stage == Stage::kPrepared) return settler.remove();
  if (settler.state().stage == Stage::kAttended)
    TRY(settler.note_end({.unknown = "who waited for the first process has died"}));
  return settler.settle_open();
}

[[noreturn]] void attend_until_end(int pidfd, int lock, const std::string& folder) {
  keep_only(pidfd, lock);
  if (::chdir("/") != 0) ::_exit(1);
  raise_open_files();
  Ending ending = wait_for_end(pidfd);
  auto settler = Settler::open(folder);
  if (!settler) ::_exit(1);
  const Status noted = settler->note_end(std::move(ending));
  ::_exit(noted && settler->settle_open() ? 0 : 1);
}

// Where nothing of the folder's record can be read, nobody has begun to use it.
bool worth_keeping(const std::string& folder) {
  const auto state = read_copy_state(folder);
  if (!state) return state.error().code != ENOENT;
  if (state->stage == Stage::kPrepared) return false;
  for (const CopyState::Folder& each : state->folders) {
    if (each.phase != Phase::kSettled && each.phase != Phase::kListed) return true;
  }
  return false;
}

Status remove_folder(const std::string& folder) {
  for (std::size_t i = 0; i < policy::kMaxCopyRules; ++i) TRY(remove_layer(folder + "/" + std::to_string(i)));
  return remove_copies_folder(folder);
}

// Makes the layers of one folder. The root of the overlay is the upper layer's own.
Status make_layers(const std::string& folder, const CopyRecord& record, std::size_t number) {
  const CopyRecord::Folder& copied = record.folders[number];
  const std::string upper_path = policy::upper_folder(folder, number);
  TRY(sys::make_directories(upper_path, 0700));
  TRY(sys::make_directories(policy::work_folder(folder, number), 0700));
  const UniqueFd upper = TRY(sys::open(upper_path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  const UniqueFd source = TRY(open_source(copied));
  const struct stat status = TRY(sys::fstat(source.get()));
  const auto like = "make " + upper_path + " like " + copied.source;
  const struct stat made = TRY(sys::fstat(upper.get()));
  if ((status.st_uid != made.st_uid || status.st_gid != made.st_gid) &&
      ::fchown(upper.get(), status.st_uid, status.st_gid) != 0)
    return fail(errno, like);
  for (const Attribute& each : TRY(attributes_of(layer_of(record), source.get()))) {
    if (::fsetxattr(upper.get(), each.name.c_str(), each.value.data(), each.value.size(), 0) != 0 &&
        errno != EOPNOTSUPP)
      return fail(errno, like + ": " + each.name);
  }
  if (::fchmod(upper.get(), status.st_mode & 07777U) != 0) return fail(errno, like);
  const std::array<struct timespec, 2> times{status.st_atim, status.st_mtim};
  if (::futimens(upper.get(), times.data()) != 0) return fail(errno, like);
  return {};
}

}  // namespace

bool still_runs(const CopyState& state) {
  return state.stage == Stage::kAttended && state.boot == boot_id() && state.start_time != 0 &&
         start_time(state.pid) == state.start_time;
}

Status prepare_copies(const std::string& folder, const CopyRecord& record) {
  TRY(sys::make_directories(folder, 0700));
  TRY(make_copies_lock(folder));
  const UniqueFd lock = TRY(lock_copies(folder, Wait::kNo));
  if (!lock.valid())
    return fail(folder + ": somebody settles the changes of an earlier container of this id");
  if (worth_keeping(folder))
    return fail("changes of an earlier container of this id are kept: settle them, with tidewaiter changes " +
                record.id + " --commit, or --discard");
  const auto make = [&]() -> Status {
    for (std::size_t i = 0; i < policy::kMaxCopyRules; ++i) {
      TRY(remove_layer(folder + "/" + std::to_string(i)));
      static_cast<void>(sys::unlink(folder + "/" + CopyRecord::kListName + "." + std::to_string(i)));
    }
    for (std::size_t i = 0; i < record.folders.size(); ++i) TRY(make_layers(folder, record, i));
    TRY(write_copy_record(folder, record));
    CopyState state;
    state.folders.resize(record.folders.size());
    return write_copy_state(folder, state);
  };
  Status made = make();
  if (!made) static_cast<void>(remove_folder(folder));
  return made;
}

Status forget_copies_unless_used(const std::string& folder) {
  const UniqueFd runtime = TRY(sys::pidfd_open(::getpid()));
  TRY(DetachedProcess::start([&] {
    keep_only(runtime.get(), runtime.get());
    static_cast<void>(poll_once(runtime.get(), POLLIN, -1));
    // Whoever has the lock attends on a container.
    const auto lock = lock_copies(folder, Wait::kNo);
    if (lock && lock->valid()) {
      const auto state = read_copy_state(folder);
      if (state && state->stage == Stage::kPrepared) static_cast<void>(remove_folder(folder));
    }
    ::_exit(0);
  }));
  return {};
}

Status attend(const std::string& folder, const std::string& state) {
  const pid_t pid = TRY(pid_in(state));
  UniqueFd first = TRY(sys::pidfd_open(pid));
  UniqueFd lock = TRY(lock_copies(folder, Wait::kNo));
  if (!lock.valid()) return fail(folder + ": somebody attends on a container of this id already");
  Settler settler = TRY(Settler::open(folder));
  if (settler.state().stage != Stage::kPrepared) return fail(folder + ": is not of this container");
  TRY(settler.note_attended(pid));
  TRY(DetachedProcess::start([&] { attend_until_end(first.get(), lock.get(), folder); }));
  return {};
}

Status settle(const std::string& folder) {
  const auto lock = lock_copies(folder, Wait::kYes);
  if (!lock && lock.error().code == ENOENT) return {};
  if (!lock) return tl::unexpected(lock.error());
  raise_open_files();
  return settle_locked(folder);
}

namespace {

Status settle_by_hand(const std::string& folder, Settlement verb) {
  const UniqueFd lock = TRY(lock_copies(folder, Wait::kNo));
  if (!lock.valid()) return fail("the container runs, or its changes are being settled");
  raise_open_files();
  Settler settler = TRY(Settler::open(folder));
  if (still_runs(settler.state())) return fail("the container runs");
  if (settler.state().stage == Stage::kPrepared) return fail("the container is being created");
  if (settler.state().stage == Stage::kAttended)
    TRY(settler.note_end({.unknown = "who waited for the first process has died"}));
  return settler.settle_kept(verb);
}

}  // namespace

Status commit_kept(const std::string& folder) { return settle_by_hand(folder, Settlement::kCommit); }

Status discard_kept(const std::string& folder) { return settle_by_hand(folder, Settlement::kDiscard); }

Status list_copy(const std::string& folder, const CopyRecord& record, std::size_t number,
                 const std::function<void(const ListedChange&)>& tell) {
  const UniqueFd upper = TRY(open_upper(folder, number));
  const UniqueFd source = TRY(open_source(record.folders[number]));
  return list_changes(layer_of(record), upper.get(), source.get(), tell);
}

std::string change_line(const CopyRecord::Folder& copied, const ListedChange& change) {
  constexpr std::size_t kWhole = 1U << 20U;
  std::string line = "{\"change\":\"" + in_words(change.change) + "\",\"path\":";
  append_json_string(line, copied.path + change.path, kWhole);
  return line + ",\"kind\":\"" + change.kind + "\"}\n";
}

}  // namespace tidewaiter::shim
