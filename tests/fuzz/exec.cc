#include "supervisor/operations/exec.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "oci/base/shebang.h"
#include "supervisor/target/file_calls.h"
#include "tests/fuzz/fuzzed_target.h"

// execve and execveat: path and arguments from a target's memory, through links and scripts that the input
// makes up.
//
//   1 byte    bit 0: execveat, 1: hostile
//   4 bytes   how much of the memory can be read
//   40 bytes  arguments 0 to 4
//   lines     what links say, and how files begin, one after the other as they are asked for
//   `---`
//   rest      the memory

namespace tidewaiter::supervisor {
namespace {

// A file system in which whatever is looked up is there, unless its name begins with "n"; it is a link where
// the name begins with "l", and else an executable file.
class FuzzedFiles final : public FileCalls {
 public:
  explicit FuzzedFiles(std::string_view texts) : texts_(texts) {}

  Result<UniqueFd> open_proc_link(pid_t, const char* name) override {
    return opened(std::string(name) == "root" ? "/" : "/work");
  }
  Result<UniqueFd> open_component(int directory, const std::string& name, bool) override {
    const std::string at = path_of(directory);
    if (name == ".") return opened(at);
    if (name == "..") return opened(at.substr(0, std::max<std::size_t>(at.rfind('/'), 1)));
    if (name.starts_with('n')) return fail(ENOENT, name);
    return opened((at == "/" ? "" : at) + "/" + name);
  }
  Result<bool> is_magic_link(int, const std::string& name) override { return name.starts_with("lm"); }
  Result<std::string> read_link(int) override { return next(); }
  Result<FileStatus> status(int fd) override {
    const std::string path = path_of(fd);
    const bool link = path.substr(path.rfind('/') + 1).starts_with('l');
    FileStatus status;
    status.inode = path == "/proc" ? 1 : std::hash<std::string>{}(path) | 2U;
    status.mode = link ? S_IFLNK : S_IFREG;
    return status;
  }
  Result<bool> on_procfs(int fd) override { return path_of(fd).starts_with("/proc"); }
  Result<std::string> path(int fd) override { return path_of(fd); }
  Result<std::string> first_bytes(int, std::size_t size) override { return next().substr(0, size); }

  [[nodiscard]] std::string path_of(int fd) const {
    const auto found = paths_.find(fd);
    return found == paths_.end() ? "/srv/descriptor" : found->second;
  }

 private:
  UniqueFd opened(std::string path) {
    static const UniqueFd any(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    UniqueFd fd(::fcntl(any.get(), F_DUPFD_CLOEXEC, 3));
    MUST(fd.valid());
    paths_[fd.get()] = std::move(path);
    return fd;
  }

  std::string next() {
    const std::size_t end = texts_.find('\n');
    std::string text(texts_.substr(0, end));
    texts_.remove_prefix(end == std::string_view::npos ? texts_.size() : end + 1);
    // A script's line has an end.
    return text + (text.starts_with("#!") ? "\n" : "");
  }

  std::string_view texts_;
  std::map<int, std::string> paths_;
};

// Traces whomever it is told to, and notes what was decided on.
class NotingTracer final : public Tracer {
 public:
  explicit NotingTracer(const FuzzedFiles& files) : files_(files) {}

  Result<std::unique_ptr<Trace>> attach(pid_t, CallSite, DecidedExecution decided) override {
    path = files_.path_of(decided.fd.get());
    arguments = std::move(decided.arguments);
    attached = true;
    return std::unique_ptr<Trace>();
  }
  Status start_stand_in(const Notification&, const StandInRequest&, std::unique_ptr<StandInCalls>&) override {
    return fail(ENOSYS, "stand-in");
  }
  [[nodiscard]] bool drives(pid_t) const override { return false; }
  bool answer_stand_in(Notification&) override { return false; }

  bool attached = false;
  std::string path;
  std::string arguments;

 private:
  const FuzzedFiles& files_;
};

const Supervision& supervision() {
  static const Supervision made = supervision_of(R"({"version": 1, "exec": {
      "allow": ["/bin/**", {"path": "/usr/bin/env", "argv": ["env", "*", "**"]},
                {"path": "/srv/*", "argv": ["*", "**"]}],
      "deny": ["/bin/evil", {"path": "/bin/sh", "argv": ["*", "-c", "**"]}]}})");
  return made;
}

bool is_allowed(const std::string& path, const std::vector<std::string>& argv) {
  const policy::Execution program{path, {argv.begin(), argv.end()}};
  return supervision().decide_exec(std::span(&program, 1)).verdict == policy::Verdict::kAllow;
}

std::vector<std::string> split(const std::string& arguments) {
  std::vector<std::string> argv;
  for (std::size_t at = 0; at < arguments.size();) {
    argv.emplace_back(arguments.c_str() + at);
    at += argv.back().size() + 1;
  }
  return argv;
}

void check_outcome(const Outcome& outcome, const NotingTracer& tracer) {
  MUST(outcome.answer.kind == Answer::Kind::kErrno || outcome.answer.kind == Answer::Kind::kLetRun);
  if (outcome.program) {
    std::size_t told = 0;
    for (const std::string& argument : outcome.program->argv) told += argument.size();
    MUST(told <= ExecutedProgram::kMaxArguments);
  }
  if (outcome.answer.kind == Answer::Kind::kErrno) {
    MUST(outcome.answer.errno_value > 0);
    return;
  }
  // What runs first, and what was handed to the tracer to be held to.
  MUST(tracer.attached && outcome.exec && outcome.decision->verdict == policy::Verdict::kAllow);
  MUST(outcome.program->cut || is_allowed(outcome.program->path, outcome.program->argv));
  MUST(is_allowed(tracer.path, split(tracer.arguments)));
}

// As execve takes a script apart.
void check_shebang(std::string_view start) {
  const auto shebang = parse_shebang(start);
  if (!shebang) return;
  MUST(start.starts_with("#!") && shebang->interpreter.size() < Shebang::kBytes);
  MUST(shebang->interpreter.find_first_of(" \t\n") == std::string::npos);
  MUST(!shebang->argument ||
       (shebang->argument->size() < Shebang::kBytes && shebang->argument->find('\n') == std::string::npos));
}

void check(fuzz::Input input) {
  begin_as_agent();
  const auto flags = input.take<std::uint8_t>();
  const auto readable = input.take<std::uint32_t>();
  const bool at = (flags & 1U) != 0;
  struct seccomp_notif notification = notification_of(1, at ? SYS_execveat : SYS_execve, {});
  for (int index = 0; index < 5; ++index) notification.data.args[index] = input.take<std::uint64_t>();
  const std::string_view texts = input.take_document();
  check_shebang(texts);
  FuzzedMemory memory(input.rest(), readable, (flags & 2U) != 0);
  FuzzedFiles files(texts);
  ScriptedKernel kernel;
  kernel.file_calls = &files;
  for (const int number : {0, 1, 2}) kernel.put_file(number);
  kernel.put_process(kTid, {kStatus, "/bin/x", kIdMap});
  kernel.on_read = [&](TargetAddress address, std::span<std::byte> buffer) {
    return memory.read(address, buffer);
  };
  NotingTracer tracer(files);
  const Outcome outcome = OperationRun(kernel, tracer).run(exec, supervision(), notification);
  fuzz::note(outcome.answer.kind == Answer::Kind::kLetRun);
  check_outcome(outcome, tracer);
}

}  // namespace
}  // namespace tidewaiter::supervisor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::supervisor::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}
