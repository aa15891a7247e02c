#include "supervisor/operations/exec.h"

#include <fcntl.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "oci/base/shebang.h"
#include "supervisor/memory_budget.h"
#include "supervisor/target/lookup.h"
#include "supervisor/target/memory.h"

// Newer than the headers of Debian 12 (include/uapi/linux/fcntl.h).
#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000
#endif

namespace tidewaiter::supervisor {
namespace {

constexpr std::size_t kMaxPath = 4096;  // PATH_MAX, with the NUL
constexpr std::size_t kMaxArgument =
    std::size_t{32} * 4096;  // MAX_ARG_STRLEN (include/uapi/linux/binfmts.h), likewise

// What an argument costs beside its bytes, in the copies that are made of it on the way to the decision.
constexpr std::size_t kArgumentCost = 64;

// The registers of the call.
struct Request {
  int directory = AT_FDCWD;
  TargetAddress path{};
  TargetAddress argv{};
  int flags = 0;
};

Request request_of(const Call& call) {
  Request request;
  int first = 0;
  if (call.notification.call().nr == SYS_execveat) {
    request.directory = static_cast<int>(call.argument(0));
    request.flags = static_cast<int>(call.argument(4));
    first = 1;
  }
  request.path = TargetAddress{call.argument(first)};
  request.argv = TargetAddress{call.argument(first + 1)};
  return request;
}

// What the call says in memory. Read once.
struct Captured {
  std::string path;
  std::vector<std::string> argv;
};

Result<std::vector<std::string>> capture_argv(Memory& memory, TargetAddress array,
                                              MemoryBudget::Share& share) {
  std::vector<std::string> argv;
  std::size_t total = 0;
  auto at = static_cast<std::uint64_t>(array);
  while (at != 0) {
    std::uint64_t pointer = 0;
    TRY(memory.read(TargetAddress{at}, std::as_writable_bytes(std::span(&pointer, 1))));
    if (pointer == 0) break;
    argv.push_back(TRY(memory.read_string(TargetAddress{pointer}, kMaxArgument, E2BIG)));
    const std::size_t size = argv.back().size() + 1;
    total += size + sizeof pointer;
    if (total > DecidedExecution::kMostArguments) return fail(E2BIG, "arguments");
    if (!share.take(3 * size + kArgumentCost)) return fail(ENOMEM, "arguments of many calls at once");
    at += sizeof pointer;
  }
  // Since Linux 5.18 (do_execveat_common); before, a program without argv[0] got none.
  if (argv.empty()) argv.emplace_back();
  return argv;
}

Result<Captured> capture(const Call& call, const Request& request, MemoryBudget::Share& share) {
  Memory memory(call.target);
  Captured captured;
  captured.path = TRY(memory.read_string(request.path, kMaxPath, ENAMETOOLONG));
  captured.argv = TRY(capture_argv(memory, request.argv, share));
  return captured;
}

// A program that would run, and what it would get.
struct Program {
  FoundFile file;
  std::vector<std::string> argv;
};

// What the kernel calls the file when it hands it to an interpreter (alloc_bprm, fs/exec.c).
std::string name_for_interpreter(const Request& request, const Captured& captured) {
  if (request.directory == AT_FDCWD || captured.path.starts_with('/')) return captured.path;
  const std::string descriptor = "/dev/fd/" + std::to_string(request.directory);
  return captured.path.empty() ? descriptor : descriptor + "/" + captured.path;
}

// What an interpreter gets: its own name, its argument, the script, and what the script would have got.
std::vector<std::string> interpreter_argv(const Shebang& shebang, const std::string& script,
                                          const std::vector<std::string>& argv) {
  std::vector<std::string> made{shebang.interpreter};
  if (shebang.argument) made.push_back(*shebang.argument);
  made.push_back(script);
  if (!argv.empty()) made.insert(made.end(), argv.begin() + 1, argv.end());
  return made;
}

// The file asked for, and the interpreter of each that is a script.
Result<std::vector<Program>> look_up(Call& call, const Request& request, Captured captured,
                                     MemoryBudget::Share& share) {
  Lookup lookup(call.kernel.files(), call.target);
  std::string name = name_for_interpreter(request, captured);
  std::vector<Program> programs(1);
  programs[0].file =
      captured.path.empty() && (request.flags & AT_EMPTY_PATH) != 0
          ? TRY(lookup.find_descriptor(request.directory))
          : TRY(lookup.find(request.directory, captured.path, (request.flags & AT_SYMLINK_NOFOLLOW) == 0));
  programs[0].argv = std::move(captured.argv);
  for (;;) {
    const auto& script = programs.back();
    const auto shebang =
        parse_shebang(TRY(call.kernel.files().first_bytes(script.file.fd.get(), Shebang::kBytes)));
    if (!shebang) return programs;
    if (programs.size() > static_cast<std::size_t>(Shebang::kMaxDepth)) return fail(ELOOP, "interpreters");
    // To the kernel no name is the working directory (getname_kernel, fs/namei.c), which is no program.
    if (shebang->interpreter.empty()) return fail(EACCES, "an interpreter without a name");
    std::size_t copied = 0;
    for (const std::string& argument : script.argv) copied += argument.size() + kArgumentCost;
    if (!share.take(copied)) return fail(ENOMEM, "arguments of many calls at once");
    Program interpreter{TRY(lookup.find(AT_FDCWD, shebang->interpreter)),
                        interpreter_argv(*shebang, name, script.argv)};
    name = shebang->interpreter;
    programs.push_back(std::move(interpreter));
  }
}

policy::Decision decide(const Call& call, const std::vector<Program>& programs) {
  // It may run, and nobody is told of it: whatever it becomes is decided on in its turn, and all it does
  // before that is to give up rights. As an interpreter it is what any other is.
  const FileStatus& file = programs.front().file.status;
  if (programs.size() == 1 && call.supervision.is_init(file.device, file.inode))
    return {.verdict = policy::Verdict::kAllow, .errno_value = 0, .rule = "", .log = false};
  std::vector<policy::Execution> executions;
  executions.reserve(programs.size());
  for (const Program& program : programs) {
    executions.push_back({program.file.path, {program.argv.begin(), program.argv.end()}});
  }
  return call.supervision.decide_exec(executions);
}

// The most that an event says of an interpreter, in bytes.
constexpr std::size_t kMaxReason = 1024;

// For who asked for a script may have written a rule for that, and wonder. Empty where the script itself may
// not be run, or there is none.
std::string refused_interpreter(const Call& call, const std::vector<Program>& programs) {
  const auto refused = [&](const Program& program) {
    const policy::Execution alone{program.file.path, {program.argv.begin(), program.argv.end()}};
    return call.supervision.decide_exec(std::span(&alone, 1)).verdict != policy::Verdict::kAllow;
  };
  const auto first = std::find_if(programs.begin(), programs.end(), refused);
  if (first == programs.begin() || first == programs.end()) return {};
  std::string reason = "its interpreter may not be run: " + first->file.path + " as";
  for (const std::string& argument : first->argv) {
    reason += ' ';
    reason.append(argument, 0, kMaxReason);
    if (reason.size() > kMaxReason) break;
  }
  return reason.substr(0, kMaxReason);
}

DecidedExecution decided(Program& program) {
  DecidedExecution execution{std::move(program.file.fd), program.file.status, {}};
  for (const std::string& argument : program.argv) {
    execution.arguments += argument;
    execution.arguments += '\0';
  }
  return execution;
}

// As much of a program as an event tells.
ExecutedProgram told(const Program& program) {
  ExecutedProgram executed;
  executed.path = program.file.path;
  std::size_t left = ExecutedProgram::kMaxArguments;
  for (const std::string& argument : program.argv) {
    executed.cut = argument.size() >= left;
    executed.argv.push_back(argument.substr(0, left));
    if (executed.cut) break;
    left -= argument.size() + 1;
  }
  return executed;
}

Outcome decide_and_trace(Call& call) {
  const Request request = request_of(call);
  if ((request.flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW | AT_EXECVE_CHECK)) != 0) {
    return Outcome::failed(EINVAL);
  }
  // A file system may take its time, FUSE as long as its daemon likes; and so may the kernel with the exec.
  if (!call.waiting.begin(call.notification)) return Outcome::failed(EAGAIN);
  MemoryBudget::Share share(call.supervision.captured_arguments());
  auto captured = capture(call, request, share);
  if (!captured) return Outcome::not_looked_up(captured.error());
  auto programs = look_up(call, request, std::move(*captured), share);
  if (!programs) return Outcome::not_looked_up(programs.error());
  if (!call.notification.still_stands()) return Outcome::failed(EINTR);

  Outcome outcome;
  outcome.decision = decide(call, *programs);
  if (outcome.decision->verdict != policy::Verdict::kAllow)
    outcome.reason = refused_interpreter(call, *programs);
  outcome.program = told(programs->front());
  if (const auto settled = call.supervision.settled(*outcome.decision)) {
    outcome.answer = *settled;
    return outcome;
  }
  // Again, for the decision may have taken its time, and nobody else is to be stopped, however shortly.
  if (!call.notification.still_stands()) return Outcome::failed(EINTR);
  const struct seccomp_data& data = call.notification.call();
  auto trace =
      call.tracer.attach(call.target.tid(), {data.nr, data.instruction_pointer}, decided(programs->back()));
  if (!trace) {
    refuse_untraced(outcome, call.supervision, trace.error().message());
    return outcome;
  }
  // Now it is known that who is traced is who had called: the number may have become another's meanwhile.
  if (!call.notification.still_stands()) return Outcome::failed(EINTR);
  outcome.exec.emplace(PendingExec{std::move(*trace), std::move(share)});
  outcome.answer = Answer::let_run();
  return outcome;
}

}  // namespace

void refuse_untraced(Outcome& outcome, const Supervision& supervision, const std::string& why) {
  outcome.decision->verdict = policy::Verdict::kDeny;
  outcome.decision->log = supervision.policy().events.denied;
  outcome.reason = "its caller cannot be traced, for a debugger may be attached to it: " + why;
  outcome.answer = Answer::refuse(EPERM);
}

Outcome exec(Call& call) {
  Outcome outcome = decide_and_trace(call);
  // What the agent could not find out it has not refused: the kernel gives its own answer.
  const bool audit = call.supervision.policy().mode == policy::Mode::kAudit;
  if (audit && outcome.answer.kind == Answer::Kind::kErrno) outcome.answer = Answer::let_run();
  return outcome;
}

}  // namespace tidewaiter::supervisor
