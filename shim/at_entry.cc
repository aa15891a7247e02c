#include "shim/at_entry.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "shim/command_tables.h"

// A loop stays a loop, and does not become a call of memcpy(3).
#ifndef __clang__
#pragma GCC optimize("no-tree-loop-distribute-patterns")
#endif

namespace tidewaiter::shim {
namespace {

// --- the least of a library ---------------------------------------------------------------------------

struct Text {
  const char* data = nullptr;
  std::size_t size = 0;

  constexpr Text() = default;
  constexpr Text(const char* begin, std::size_t count) : data(begin), size(count) {}
  template <std::size_t N>
  constexpr Text(const char (&literal)[N]) : data(literal), size(N - 1) {}  // NOLINT: as a literal is used

  [[nodiscard]] constexpr bool empty() const { return size == 0; }
  [[nodiscard]] constexpr Text from(std::size_t index) const { return {data + index, size - index}; }
};

std::size_t length(const char* text) {
  std::size_t size = 0;
  while (text[size] != '\0') ++size;
  return size;
}

Text text_of(const char* text) { return {text, length(text)}; }

bool begins(Text text, Text beginning) {
  if (text.size < beginning.size) return false;
  for (std::size_t i = 0; i < beginning.size; ++i) {
    if (text.data[i] != beginning.data[i]) return false;
  }
  return true;
}

bool same(Text a, Text b) { return a.size == b.size && begins(a, b); }

bool is_absolute(Text path) { return !path.empty() && path.data[0] == '/'; }

// A path in the making, NUL-terminated.
class Path {
 public:
  void clear() {
    size_ = 0;
    fits_ = true;
    bytes_[0] = '\0';
  }
  Path& operator+=(Text more) {
    if (!fits_ || more.size >= sizeof bytes_ - size_) {
      fits_ = false;
      return *this;
    }
    for (std::size_t i = 0; i < more.size; ++i) bytes_[size_++] = more.data[i];
    bytes_[size_] = '\0';
    return *this;
  }
  // False when it was too long: then it means nothing.
  [[nodiscard]] bool fits() const { return fits_; }
  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] const char* c_str() const { return bytes_; }

 private:
  std::size_t size_;
  bool fits_;
  char bytes_[1024];
};

// A system call by its number; a negative result is an errno.
long system_call(long number, long a, long b = 0, long c = 0, long d = 0) {
  long result = 0;
  register long fourth asm("r10") = d;
  asm volatile("syscall"
               : "=a"(result)
               : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth)
               : "rcx", "r11", "memory");
  return result;
}

template <typename T>
long word(T* pointer) {
  return reinterpret_cast<long>(pointer);
}

long stat(const char* path, struct stat& status, int flags = 0) {
  return system_call(SYS_newfstatat, AT_FDCWD, word(path), word(&status), flags);
}

enum class Present { kYes, kNo, kUnclear };

// Whether there is a file by the name `path`, a link that leads nowhere included.
Present is_present(const Path& path) {
  struct stat status {};
  const long result = path.fits() ? stat(path.c_str(), status, AT_SYMLINK_NOFOLLOW) : -ENAMETOOLONG;
  if (result == 0) return Present::kYes;
  return result == -ENOENT ? Present::kNo : Present::kUnclear;
}

// The whole of a regular file, or of one in /proc: the bytes read, or a negative errno. EFBIG when `buffer`
// is full. Where the caller came without stdin, stdout or stderr the file may have its number for a moment,
// in which nothing is written.
template <std::size_t N>
long read_file(const char* path, char (&buffer)[N]) {
  // Who writes into a FIFO waits for the program.
  struct stat status {};
  if (const long result = stat(path, status); result < 0) return result;
  if (!S_ISREG(status.st_mode)) return -EINVAL;
  const long fd = system_call(SYS_openat, AT_FDCWD, word(path), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return fd;
  long result = 0;
  std::size_t size = 0;
  while (result == 0) {
    const long count = system_call(SYS_read, fd, word(buffer + size), static_cast<long>(N - size));
    if (count == 0) break;
    if (count < 0) {
      result = count;
    } else {
      size += static_cast<std::size_t>(count);
      if (size == N) result = -EFBIG;
    }
  }
  system_call(SYS_close, fd);
  return result < 0 ? result : static_cast<long>(size);
}

// --- memory -------------------------------------------------------------------------------------------

// Static, and only what is touched becomes real. What belongs together lies together.
struct Workspace {
  char settings[2048];   // the configuration file
  char uid_map[512];     // of /proc/self
  Path runtime;          // the real one
  Path config_file;      // ours
  Path state;            // the folder of a container's state
  Path path;             // for whatever is asked for
  char config[1 << 17];  // config.json, whose usual size is a tenth of that
};

Workspace workspace;

// --- the environment ----------------------------------------------------------------------------------

// The value of a variable; empty when it is unset, which the XDG base directory specification takes for the
// same.
Text value_of(char* const* environment, Text name) {
  for (; *environment != nullptr; ++environment) {
    const Text entry = text_of(*environment);
    if (begins(entry, name) && entry.size > name.size && entry.data[name.size] == '=') {
      return entry.from(name.size + 1);
    }
  }
  return {};
}

// --- who we are, and where things live: container::Directories ------------------------------------------

// Takes `word` from the beginning of `text`, and the spaces before it.
bool take_word(Text& text, Text word) {
  while (!text.empty() && text.data[0] == ' ') text = text.from(1);
  if (!begins(text, word)) return false;
  text = text.from(word.size);
  return !text.empty() && (text.data[0] == ' ' || text.data[0] == '\n');
}

// The first line of /proc/self/uid_map: only the initial namespace, and one that maps it whole, begins so.
bool maps_every_id(Text map) {
  return take_word(map, "0") && take_word(map, "0") && take_word(map, "4294967295");
}

// False when that cannot be told from here.
bool locate_root() {
  const long size = read_file("/proc/self/uid_map", workspace.uid_map);
  if (size < 0 || !maps_every_id({workspace.uid_map, static_cast<std::size_t>(size)})) return false;
  workspace.config_file += "/etc/tidewaiter/config.json";
  workspace.state += "/run/tidewaiter";
  return true;
}

bool locate_user(char* const* environment) {
  const Text runtime = value_of(environment, "XDG_RUNTIME_DIR");
  const Text config = value_of(environment, "XDG_CONFIG_HOME");
  const Text logs = value_of(environment, "XDG_STATE_HOME");
  const Text home = value_of(environment, "HOME");
  if (!is_absolute(runtime) || !is_absolute(home)) return false;
  if (!logs.empty() && !is_absolute(logs)) return false;
  if (!config.empty() && !is_absolute(config)) return false;
  if (config.empty()) {
    (workspace.config_file += home) += "/.config";
  } else {
    workspace.config_file += config;
  }
  workspace.config_file += "/tidewaiter/config.json";
  (workspace.state += runtime) += "/tidewaiter";
  return true;
}

bool locate(char* const* environment, bool& config_named) {
  const Text named = value_of(environment, "TIDEWAITER_CONFIG");
  if (!named.empty() && !is_absolute(named)) return false;
  workspace.config_file.clear();
  workspace.state.clear();
  const bool root = system_call(SYS_geteuid, 0) == 0;
  if (!(root ? locate_root() : locate_user(environment))) return false;
  config_named = !named.empty();
  if (config_named) {
    workspace.config_file.clear();
    workspace.config_file += named;
  }
  return workspace.config_file.fits() && workspace.state.fits();
}

// --- the configuration file: container::Settings --------------------------------------------------------

struct Settings {
  Text runtime;
  bool wants_policy = false;  // of containers that name none
};

// Reads what is certainly valid: the known settings, each once, in strings without escapes.
class SettingsReader {
 public:
  explicit SettingsReader(Text text) : rest_(text) {}

  // False: something else is there.
  bool read(Settings& settings) {
    if (!take('{')) return false;
    if (!take('}')) {
      do {
        if (!setting(settings)) return false;
      } while (take(','));
      if (!take('}')) return false;
    }
    skip_space();
    return rest_.empty();
  }

 private:
  // In the order of seen_'s bits.
  enum Key : unsigned {
    kRuntime,
    kAgent,
    kDefaultPolicy,
    kRequirePolicy,
    kAllowPolicyPaths,
    kLog,
    kLogMaxBytes,
    kLogTotalBytes,
  };

  void skip_space() {
    while (!rest_.empty() && (rest_.data[0] == ' ' || rest_.data[0] == '\t' || rest_.data[0] == '\n' ||
                              rest_.data[0] == '\r')) {
      rest_ = rest_.from(1);
    }
  }

  bool take(char expected) {
    skip_space();
    if (rest_.empty() || rest_.data[0] != expected) return false;
    rest_ = rest_.from(1);
    return true;
  }

  bool string(Text& value) {
    if (!take('"')) return false;
    std::size_t size = 0;
    while (size < rest_.size && rest_.data[size] != '"') {
      const char c = rest_.data[size++];
      if (c < ' ' || c > '~' || c == '\\') return false;
    }
    if (size == rest_.size) return false;
    value = {rest_.data, size};
    rest_ = rest_.from(size + 1);
    return true;
  }

  bool boolean(bool& value) {
    skip_space();
    value = begins(rest_, "true");
    if (!value && !begins(rest_, "false")) return false;
    rest_ = rest_.from(value ? 4 : 5);
    return true;
  }

  bool path(Text& value) { return string(value) && is_absolute(value); }

  bool once(Key key) {
    const unsigned bit = 1U << key;
    if ((seen_ & bit) != 0) return false;
    seen_ |= bit;
    return true;
  }

  // A number of bytes that is large enough.
  bool size() {
    constexpr std::size_t kDigits = 18;  // of what 64 bits certainly hold
    constexpr std::uint64_t kLeast = 4096;
    skip_space();
    std::uint64_t value = 0;
    std::size_t digits = 0;
    while (digits < rest_.size && rest_.data[digits] >= '0' && rest_.data[digits] <= '9') {
      value = value * 10 + static_cast<std::uint64_t>(rest_.data[digits] - '0');
      if (++digits > kDigits) return false;
    }
    if (digits == 0 || rest_.data[0] == '0') return false;
    rest_ = rest_.from(digits);
    return value >= kLeast;
  }

  bool log() {
    if (!take('{')) return false;
    if (take('}')) return true;
    do {
      Text key;
      if (!string(key) || !take(':')) return false;
      if (!same(key, "max_bytes") && !same(key, "total_bytes")) return false;
      if (!once(same(key, "max_bytes") ? kLogMaxBytes : kLogTotalBytes) || !size()) return false;
    } while (take(','));
    return take('}');
  }

  bool setting(Settings& settings) {
    Text key;
    Text text;
    bool truth = false;
    if (!string(key) || !take(':')) return false;
    if (same(key, "runtime")) return once(kRuntime) && path(settings.runtime);
    if (same(key, "agent")) return once(kAgent) && path(text);
    if (same(key, "default_policy")) {
      settings.wants_policy = true;
      return once(kDefaultPolicy) && string(text);
    }
    if (same(key, "require_policy")) {
      if (!once(kRequirePolicy) || !boolean(truth)) return false;
      settings.wants_policy = settings.wants_policy || truth;
      return true;
    }
    if (same(key, "log")) return once(kLog) && log();
    return same(key, "allow_policy_paths") && once(kAllowPolicyPaths) && boolean(truth);
  }

  Text rest_;
  unsigned seen_ = 0;
};

bool load_settings(bool must_exist, Settings& settings) {
  const long size = read_file(workspace.config_file.c_str(), workspace.settings);
  if (size == -ENOENT) return !must_exist;
  return size > 0 && SettingsReader({workspace.settings, static_cast<std::size_t>(size)}).read(settings);
}

// --- the runtime: shim::find_runtime ------------------------------------------------------------------

bool is_ourselves(const struct stat& status) {
  struct stat own {};
  // What cannot be told is taken for yes, for a program that executes itself does so for ever.
  return stat("/proc/self/exe", own) != 0 || (own.st_dev == status.st_dev && own.st_ino == status.st_ino);
}

// Whether execve(2) may be tried on it; should it fail, the program proper says why.
bool may_be_runtime(const char* path) {
  struct stat status {};
  return stat(path, status) == 0 && S_ISREG(status.st_mode) && !is_ourselves(status);
}

// The first program `name` on PATH that is not this one, as workspace.runtime; kUnclear where it takes more
// to say.
Present find_on_path(Text folders, Text name) {
  constexpr long kMayExecute = 1;  // X_OK
  Path& path = workspace.runtime;
  while (!folders.empty()) {
    std::size_t end = 0;
    while (end < folders.size && folders.data[end] != ':') ++end;
    const Text folder{folders.data, end};
    folders = end == folders.size ? Text() : folders.from(end + 1);
    if (!is_absolute(folder)) continue;
    path.clear();
    ((path += folder) += "/") += name;
    if (!path.fits()) return Present::kUnclear;
    struct stat status {};
    if (stat(path.c_str(), status) != 0 || !S_ISREG(status.st_mode)) continue;
    if (system_call(SYS_faccessat, AT_FDCWD, word(path.c_str()), kMayExecute) != 0) continue;
    if (!is_ourselves(status)) return Present::kYes;
  }
  return Present::kNo;
}

// Null where it takes more to say.
const char* find_runtime(char* const* environment, const Settings& settings) {
  Path& path = workspace.runtime;
  const Text named = value_of(environment, "TIDEWAITER_RUNTIME");
  if (!named.empty() || !settings.runtime.empty()) {
    const Text chosen = named.empty() ? settings.runtime : named;
    path.clear();
    path += chosen;
    return is_absolute(chosen) && path.fits() && may_be_runtime(path.c_str()) ? path.c_str() : nullptr;
  }
  const Text folders = value_of(environment, "PATH");
  Present found = find_on_path(folders, "crun");
  if (found == Present::kNo) found = find_on_path(folders, "runc");
  return found == Present::kYes ? path.c_str() : nullptr;
}

// --- the command line: shim/options.h -------------------------------------------------------------------

// What every runtime reads alike of an option: its whole name behind two dashes, or its letter alone behind
// one. Null for anything else.
template <std::size_t N>
const Option* find_option(const Option (&options)[N], Text argument, bool& has_value) {
  has_value = false;
  if (argument.size < 2 || argument.data[0] != '-') return nullptr;
  if (argument.data[1] != '-') {
    if (argument.size != 2) return nullptr;
    for (const Option& option : options) {
      if (option.letter != 0 && option.letter == argument.data[1]) return &option;
    }
    return nullptr;
  }
  Text name = argument.from(2);
  for (std::size_t i = 0; i < name.size; ++i) {
    if (name.data[i] != '=') continue;
    has_value = true;
    name.size = i;
  }
  for (const Option& option : options) {
    if (same(text_of(option.name), name)) return &option;
  }
  return nullptr;
}

struct Line {
  int next = 1;  // of the arguments
  Text command;
};

// False where there is an option of ours, or one that is not spelt out.
bool read_global_options(int argc, char* const* argv, Line& line) {
  for (; line.next < argc; ++line.next) {
    const Text argument = text_of(argv[line.next]);
    if (argument.size < 2 || argument.data[0] != '-') {
      line.command = argument;
      ++line.next;
      return true;
    }
    bool has_value = false;
    const Option* option = find_option(kGlobalOptions, argument, has_value);
    if (option == nullptr || same(text_of(option->name), "tidewaiter-config")) return false;
    if (option->value == Value::kRequired && !has_value && ++line.next == argc) return false;
  }
  return true;
}

struct Container {
  Text id;
  Text bundle{"."};
};

// False where runtimes might read the arguments differently. `program_follows`: behind the id, as for `exec`.
template <std::size_t N>
bool read_container(const Option (&options)[N], int argc, char* const* argv, int next, bool program_follows,
                    Container& container) {
  for (; next < argc; ++next) {
    const Text argument = text_of(argv[next]);
    if (argument.size < 2 || argument.data[0] != '-') {
      container.id = argument;
      return program_follows || next + 1 == argc;
    }
    bool has_value = false;
    const Option* option = find_option(options, argument, has_value);
    if (option == nullptr || same(text_of(option->name), "config")) return false;
    const bool is_bundle = same(text_of(option->name), "bundle");
    if (is_bundle && has_value) {
      container.bundle = argument;
      while (container.bundle.data[0] != '=') container.bundle = container.bundle.from(1);
      container.bundle = container.bundle.from(1);
    }
    if (option->value != Value::kRequired || has_value) continue;
    if (++next == argc) return false;
    if (is_bundle) container.bundle = text_of(argv[next]);
  }
  return false;
}

// --- the container --------------------------------------------------------------------------------------

bool is_plain_id(Text id) {
  if (id.empty() || id.data[0] == '.') return false;
  for (std::size_t i = 0; i < id.size; ++i) {
    const char c = id.data[i];
    const bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter_or_digit && c != '_' && c != '-' && c != '+' && c != '.') return false;
  }
  return true;
}

// Whether there is no file by the name `name` in the container's state folder; "" is the folder itself, and
// where that is missing the container is none of ours.
bool has_no_state(Text id, Text name = {}) {
  // With "/agent.sock", what fits the path of a socket is a state folder's name as it is.
  constexpr std::size_t kLongestFolder = 107 - 11;
  if (!is_plain_id(id)) return false;
  Path& path = workspace.path;
  path.clear();
  ((path += {workspace.state.c_str(), workspace.state.size()}) += "/") += id;
  if (path.size() > kLongestFolder) return false;
  if (!name.empty()) (path += "/") += name;
  return is_present(path) == Present::kNo;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

// Whether `text` goes on, behind the key "annotations", with an object.
bool object_follows(Text text) {
  std::size_t at = 0;
  while (at < text.size && is_space(text.data[at])) ++at;
  if (at == text.size || text.data[at] != ':') return false;
  ++at;
  while (at < text.size && is_space(text.data[at])) ++at;
  return at < text.size && text.data[at] == '{';
}

// Whether \uXXXX at the beginning of `text` may stand for a letter or a dot: then keys may be spelt with it.
// Control characters and signs, which writers of JSON escape, are not in question.
bool may_spell_a_key(Text text) {
  constexpr std::size_t kSize = 6;
  if (text.size < kSize) return true;
  std::uint32_t code = 0;
  for (std::size_t i = 2; i < kSize; ++i) {
    const char c = text.data[i];
    code <<= 4U;
    if (c >= '0' && c <= '9') {
      code |= static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      code |= static_cast<std::uint32_t>(c - 'a' + 10);
    } else if (c >= 'A' && c <= 'F') {
      code |= static_cast<std::uint32_t>(c - 'A' + 10);
    } else {
      return true;
    }
  }
  return code == '.' || code >= 'A';
}

// Whether no reader of JSON can find an annotation of ours in a bundle's config, or /annotations that are no
// object. The name does not occur, and nothing by which it could be written otherwise.
//
// Whether the text is JSON is not asked: where no policy can be meant, the runtime says what is wrong with it
// (open_bundle()).
bool names_no_policy(Text config) {
  constexpr Text kOurs = "io.tidewaiter.";
  constexpr Text kAnnotations = "\"annotations\"";
  for (std::size_t i = 0; i < config.size; ++i) {
    switch (config.data[i]) {
      case 'i':
        if (begins(config.from(i), kOurs)) return false;
        break;
      case '"':
        if (begins(config.from(i), kAnnotations) && !object_follows(config.from(i + kAnnotations.size))) {
          return false;
        }
        break;
      case '\\':
        // Of two backslashes the second is no beginning of an escape; taken for one it costs a look.
        if (i + 1 < config.size && config.data[i + 1] == 'u' && may_spell_a_key(config.from(i))) return false;
        break;
      default:
        break;
    }
  }
  return true;
}

// Whether the bundle names no policy, and none is recorded of an earlier container.
bool is_plain_bundle(Text bundle) {
  if (bundle.empty()) return false;
  Path& path = workspace.path;
  path.clear();
  (path += bundle) += "/config.json";
  if (!path.fits()) return false;
  const long size = read_file(path.c_str(), workspace.config);
  if (size < 0 || !names_no_policy({workspace.config, static_cast<std::size_t>(size)})) return false;
  path += ".tidewaiter";
  return is_present(path) == Present::kNo;
}

bool is_the_runtimes(const Line& line, int argc, char* const* argv, const Settings& settings) {
  const Command* known = nullptr;
  for (const Command& command : kCommands) {
    if (same(text_of(command.name), line.command)) known = &command;
  }
  if (known == nullptr) return true;
  Container container;
  switch (known->handling) {
    case Handling::kCreate:
      return !settings.wants_policy &&
             read_container(kCreateOptions, argc, argv, line.next, false, container) &&
             has_no_state(container.id) && is_plain_bundle(container.bundle);
    case Handling::kDelete:
      return read_container(kDeleteOptions, argc, argv, line.next, false, container) &&
             has_no_state(container.id);
    case Handling::kExec:
      return read_container(kExecOptions, argc, argv, line.next, true, container) &&
             has_no_state(container.id);
    case Handling::kStart:
      return read_container(kStartOptions, argc, argv, line.next, false, container) &&
             has_no_state(container.id, "hosts");
    case Handling::kUpdate:
      return read_container(kUpdateOptions, argc, argv, line.next, false, container) &&
             has_no_state(container.id);
    case Handling::kOwnVerb:
    case Handling::kRestore:
      break;
  }
  return false;
}

}  // namespace

EntryPlan plan_at_entry(int argc, char* const* argv, char* const* environment) {
  Line line;
  bool config_named = false;
  Settings settings;
  // Without an argument there is help of our own.
  if (argc < 2 || !read_global_options(argc, argv, line)) return {};
  if (!locate(environment, config_named) || !load_settings(config_named, settings)) return {};
  if (!is_the_runtimes(line, argc, argv, settings)) return {};
  return {find_runtime(environment, settings)};
}

}  // namespace tidewaiter::shim

// Where the kernel starts the program, with the stack as the System V ABI has it: argc, the arguments, a null
// pointer, the environment, a null pointer. Everything is left as it was for the C library's own beginning.
//
// Tests link this file into programs that begin in the usual way.
extern "C" __attribute__((used, visibility("hidden"))) void tidewaiter_at_entry(long* stack) {
  const int argc = static_cast<int>(stack[0]);
  if (argc < 1) return;
  char** argv = reinterpret_cast<char**>(stack + 1);
  char** environment = argv + argc + 1;
  const tidewaiter::shim::EntryPlan plan = tidewaiter::shim::plan_at_entry(argc, argv, environment);
  if (plan.runtime == nullptr) return;
  // crun takes the name it is called by for a choice of handler.
  char* const name = argv[0];
  argv[0] = const_cast<char*>(plan.runtime);
  tidewaiter::shim::system_call(SYS_execve, tidewaiter::shim::word(plan.runtime),
                                tidewaiter::shim::word(argv), tidewaiter::shim::word(environment));
  argv[0] = name;  // it is not to be; the program proper says why
}

// rdx is what _start gets from a dynamic loader. The stack is at a multiple of 16, and so it is where a
// function is called.
asm(R"(
  .text
  .globl tidewaiter_entry
  .hidden tidewaiter_entry
  .type tidewaiter_entry, @function
tidewaiter_entry:
  endbr64
  pushq %rdx
  subq $8, %rsp
  leaq 16(%rsp), %rdi
  call tidewaiter_at_entry
  addq $8, %rsp
  popq %rdx
  jmp _start
  .size tidewaiter_entry, . - tidewaiter_entry
)");
