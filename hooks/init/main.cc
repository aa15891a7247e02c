#include <fcntl.h>
#include <linux/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "hooks/init/system_calls.h"
#include "hooks/init/text.h"
#include "oci/base/landlock.h"

// A loop stays a loop, and does not become a call of memcpy(3).
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

// tidewaiter-init: restricts itself to what the policy's `files` allow (Landlock), and becomes the program
// that it stands before. oci/base/landlock.h says how it is told of both. The text follows one start from the
// bottom up.
//
// It runs in the container: as the container's user, with what the image put into the environment and onto
// the disk. So it has no library that would read any of it; it takes its orders from its arguments alone,
// which come from the runtime; it follows no symbolic link; and what fails before the program begins ends it.
// Whoever in the container starts it a second time can only give up more rights.

namespace tidewaiter::init {
namespace {

// Newer than the headers of some systems that this is built on; the numbers are those of every architecture.
constexpr long kLandlockCreateRuleset = 444;
constexpr long kLandlockAddRule = 445;
constexpr long kLandlockRestrictSelf = 446;
constexpr long kCreateRulesetVersion = 1;  // LANDLOCK_CREATE_RULESET_VERSION
constexpr long kRulePathBeneath = 1;       // LANDLOCK_RULE_PATH_BENEATH

// struct landlock_path_beneath_attr. A kernel takes a struct landlock_ruleset_attr as short as one word, the
// handled rights.
struct [[gnu::packed]] PathBeneath {
  std::uint64_t allowed;
  std::int32_t directory;
};

constexpr std::size_t kLongestPath = 4096;  // PATH_MAX, with the NUL

// --- ends -----------------------------------------------------------------------------------------------

// As shells and runtimes have the last two (POSIX, "Shell Command Language", 2.8.2); the first is what env(1)
// and the like end with when they themselves fail.
constexpr long kFailed = 125;
constexpr long kCannotRun = 126;
constexpr long kNotFound = 127;

void write_text(const char* text) {
  constexpr long kStandardError = 2;
  system_call(SYS_write, kStandardError, word(text), static_cast<long>(length(text)));
}

struct ErrorName {
  long code;
  const char* words;
};

// Those that a start can fail with.
const char* words_of(long code) {
  constexpr ErrorName kNames[] = {
      {ENOENT, "No such file or directory"},
      {ENOTDIR, "Not a directory"},
      {EACCES, "Permission denied"},
      {EPERM, "Operation not permitted"},
      {ENOEXEC, "Exec format error"},
      {E2BIG, "Argument list too long"},
      {ELOOP, "Too many levels of symbolic links"},
      {ENAMETOOLONG, "File name too long"},
      {ENOMEM, "Cannot allocate memory"},
      {ETXTBSY, "Text file busy"},
      {EISDIR, "Is a directory"},
      {EMFILE, "Too many open files"},
      {ENFILE, "Too many open files in system"},
      {EINVAL, "Invalid argument"},
      {EIO, "Input/output error"},
      {ENOSYS, "Function not implemented"},
      {EOPNOTSUPP, "Operation not supported"},
      {ELIBBAD, "Accessing a corrupted shared library"},
  };
  for (const ErrorName& name : kNames) {
    if (name.code == code) return name.words;
  }
  return nullptr;
}

[[noreturn]] void end(long status, const char* what, const char* subject = "", long code = 0) {
  write_text("tidewaiter-init: ");
  write_text(what);
  write_text(subject);
  if (code != 0) {
    const char* words = words_of(code);
    char digits[] = ": error 0000";
    if (words != nullptr) {
      write_text(": ");
      write_text(words);
    } else {
      for (std::size_t at = sizeof digits - 2; code != 0 && digits[at] == '0'; --at, code /= 10)
        digits[at] = static_cast<char>('0' + code % 10);
      write_text(digits);
    }
  }
  write_text("\n");
  for (;;) system_call(SYS_exit_group, status);
}

// --- the arguments --------------------------------------------------------------------------------------

struct Orders {
  const char* lists = nullptr;
  char** rules = nullptr;  // up to, and without, kEndOfRules
  std::size_t rule_count = 0;
  char** program = nullptr;  // with its arguments, and a null pointer at the end
};

Orders read_orders(long argc, char** argv) {
  Orders orders;
  if (argc < 2) end(kFailed, "is started by an OCI runtime, with its orders as arguments");
  orders.lists = argv[1];
  orders.rules = argv + 2;
  for (long i = 2; i < argc; ++i) {
    if (same(argv[i], landlock::kEndOfRules)) {
      orders.program = argv + i + 1;
      break;
    }
    ++orders.rule_count;
  }
  if (orders.program == nullptr || *orders.program == nullptr) end(kFailed, "no program is named");
  return orders;
}

// What a list comes to: `handled` where no rule of it applies, `granted` below each of its paths. False for a
// letter that is none.
bool rights_of(char letter, std::uint64_t& handled, std::uint64_t& granted) {
  switch (letter) {
    case landlock::kReadLetter:
      handled = landlock::kHandledByRead;
      granted = landlock::kRead;
      return true;
    case landlock::kWriteLetter:
      handled = landlock::kHandledByWrite;
      granted = landlock::kWrite;
      return true;
    case landlock::kExecLetter:
      handled = landlock::kHandledByExec;
      granted = landlock::kExec;
      return true;
    default:
      return false;
  }
}

// --- the rules ------------------------------------------------------------------------------------------

// Whether the error says that the path, as it is written, leads this user to nothing: no such file, a
// symbolic link on the way, a folder that may not be looked into.
bool is_nothing(long error) {
  return error == -ENOENT || error == -ENOTDIR || error == -ELOOP || error == -EACCES ||
         error == -ENAMETOOLONG;
}

// Opens the absolute `path` component by component (O_PATH), for whoever follows a link lets the image choose
// what is meant, and openat2(2), which could do it at once, is refused by older profiles. A negative errno.
long open_without_links(const char* path) {
  char name[256];
  long here = system_call(SYS_openat, AT_FDCWD, word("/"), O_PATH | O_DIRECTORY | O_CLOEXEC);
  while (here >= 0) {
    while (*path == '/') ++path;
    if (*path == '\0') return here;
    std::size_t size = 0;
    for (; path[size] != '/' && path[size] != '\0'; ++size) {
      if (size == sizeof name - 1) return -ENAMETOOLONG;
      name[size] = path[size];
    }
    name[size] = '\0';
    path += size;
    const bool is_last = *path == '\0';
    const long next = system_call(SYS_openat, here, word(name),
                                  O_PATH | O_NOFOLLOW | O_CLOEXEC | (is_last ? 0 : O_DIRECTORY));
    system_call(SYS_close, here);
    here = next;
  }
  return here;
}

// Grants `rights` below `path`, as far as they are handled. A path that leads to nothing grants nothing.
void add_rule(long ruleset, const char* path, std::uint64_t rights) {
  const long file = open_without_links(path);
  if (is_nothing(file)) return;
  if (file < 0) end(kFailed, "open ", path, -file);
  struct stat status;
  if (const long result = system_call(SYS_fstat, file, word(&status)); result < 0)
    end(kFailed, "look at ", path, -result);
  if (!S_ISLNK(status.st_mode)) {
    if (!S_ISDIR(status.st_mode)) rights &= landlock::kOfFiles;
    const PathBeneath rule{rights, static_cast<std::int32_t>(file)};
    if (rights != 0) {
      const long result = system_call(kLandlockAddRule, ruleset, kRulePathBeneath, word(&rule));
      if (result < 0) end(kFailed, "allow ", path, -result);
    }
  }
  system_call(SYS_close, file);
}

// The rights that are refused where no rule gives them.
std::uint64_t handled_rights(const Orders& orders) {
  std::uint64_t handled = landlock::kHandledByAll;
  bool best_effort = false;
  for (const char* letter = orders.lists; *letter != '\0'; ++letter) {
    std::uint64_t of_list = 0;
    std::uint64_t granted = 0;
    if (*letter == landlock::kBestEffort)
      best_effort = true;
    else if (rights_of(*letter, of_list, granted))
      handled |= of_list;
    else
      end(kFailed, "there is no such list: ", orders.lists);
  }
  const long version = system_call(kLandlockCreateRuleset, 0, 0, kCreateRulesetVersion);
  if (version < 0)
    end(kFailed, "the kernel has no Landlock, or the container's filter refuses it", "", -version);
  // There is no version 0; a filter can answer so, and would answer to the rest that all had gone well.
  const std::uint64_t known = landlock::known_rights(version);
  if (known == 0 || ((handled & ~known) != 0 && !best_effort))
    end(kFailed, "the kernel's Landlock is too old for the policy's file rules");
  return handled & known;
}

void restrict_self(const Orders& orders) {
  const std::uint64_t handled = handled_rights(orders);
  const long ruleset = system_call(kLandlockCreateRuleset, word(&handled), sizeof handled, 0);
  if (ruleset < 0) end(kFailed, "make a Landlock ruleset", "", -ruleset);
  for (std::size_t i = 0; i < orders.rule_count; ++i) {
    const char* const rule = orders.rules[i];
    std::uint64_t of_list = 0;
    std::uint64_t granted = 0;
    if (!rights_of(rule[0], of_list, granted) || !has(orders.lists, rule[0]) || rule[1] != '/')
      end(kFailed, "there is no such rule: ", rule);
    add_rule(ruleset, rule + 1, granted & handled);
  }
  // Where writing is not restricted, files may move: no further than their other rights are the same.
  if (!has(orders.lists, landlock::kWriteLetter)) add_rule(ruleset, "/", landlock::kRefer & handled);
  if (const long result = system_call(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1); result < 0)
    end(kFailed, "set no_new_privs", "", -result);
  if (const long result = system_call(kLandlockRestrictSelf, ruleset, 0); result < 0)
    end(kFailed, "restrict this process", "", -result);
  system_call(SYS_close, ruleset);
}

// --- the program ----------------------------------------------------------------------------------------

// As execvp(3) has it where PATH is unset, with the folders of programs for root.
constexpr char kDefaultPath[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

const char* search_path(char* const* environment) {
  for (; *environment != nullptr; ++environment) {
    if (const char* path = behind(*environment, "PATH=")) return path;
  }
  return kDefaultPath;
}

// Writes `folder`, which has `size` bytes, and `name` as one path. False when it is too long.
bool join(char (&path)[kLongestPath], const char* folder, std::size_t size, const char* name) {
  const std::size_t name_size = length(name);
  if (size + 1 + name_size >= kLongestPath) return false;
  std::size_t at = 0;
  for (std::size_t i = 0; i < size; ++i) path[at++] = folder[i];
  path[at++] = '/';
  for (std::size_t i = 0; i <= name_size; ++i) path[at++] = name[i];
  return true;
}

// Becomes the program, or ends. One without a slash is searched for along PATH, as by the runtimes: folders
// that are not absolute are passed over, for what is executed would depend on where one stands.
[[noreturn]] void become(char** program, char** environment) {
  const char* const name = program[0];
  const auto execute = [&](const char* path) {
    return -system_call(SYS_execve, word(path), word(program), word(environment));
  };
  if (has(name, '/') || *name == '\0') {
    const long error = execute(name);
    end(error == ENOENT || error == ENOTDIR ? kNotFound : kCannotRun, "", name, error);
  }
  char path[kLongestPath];
  long refused = 0;
  for (const char* folders = search_path(environment);;) {
    std::size_t size = 0;
    while (folders[size] != ':' && folders[size] != '\0') ++size;
    if (size > 0 && folders[0] == '/' && join(path, folders, size, name)) {
      const long error = execute(path);
      // What may not be run here may be there in another folder.
      if (error == EACCES || error == EPERM)
        refused = error;
      else if (error != ENOENT && error != ENOTDIR)
        end(kCannotRun, "", path, error);
    }
    if (folders[size] == '\0') break;
    folders += size + 1;
  }
  if (refused != 0) end(kCannotRun, "", name, refused);
  end(kNotFound, "executable file not found in $PATH: ", name);
}

}  // namespace
}  // namespace tidewaiter::init

// The stack as the kernel leaves it (System V ABI, x86-64, "Initial Stack and Register State"): the number of
// arguments, the arguments, a null pointer, the environment, a null pointer.
extern "C" [[noreturn, gnu::used]] void tidewaiter_init(long* stack) {
  using namespace tidewaiter::init;
  const long argc = stack[0];
  char** const argv = reinterpret_cast<char**>(stack + 1);
  const Orders orders = read_orders(argc, argv);
  restrict_self(orders);
  become(orders.program, argv + argc + 1);
}

asm(R"(
  .globl _start
  .type _start, @function
_start:
  xor %ebp, %ebp
  mov %rsp, %rdi
  and $-16, %rsp
  call tidewaiter_init
  .size _start, . - _start
)");
