#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

// A sandbox policy as data: what a policy file says once it has been checked. docs/policy.md is the
// reference for people, docs/policy.schema.json for editors; load.h reads it.
//
// Every rule carries `pointer`, the JSON pointer (RFC 6901) of its place in the file. It is what events
// and `policy explain` name.

namespace tidewaiter::policy {

enum class Mode {
  kEnforce,  // a denied call fails
  kAudit,    // a denied call is reported as denied, and happens if the bundle's own profile allows it
};

// --- syscalls: decided from register values alone -------------------------------------------------

enum class Action {
  kAllow,  // whatever the bundle's own profile says
  kLog,    // like kAllow, and an event is written
  kErrno,  // fails with SyscallRule::errno_value
  kKill,   // the process is killed
};

// The comparisons of linux.seccomp.syscalls[].args[].op (runtime-spec, config-linux.md).
enum class Comparison { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual, kMaskedEqual };

// One comparison of one argument register with a constant.
struct ArgumentTest {
  unsigned index = 0;  // 0 to 5
  Comparison comparison = Comparison::kEqual;
  std::uint64_t value = 0;
  // What is compared is (argument & mask). Only kMaskedEqual has a mask in OCI's words; in a policy, the
  // others have one too where the kernel takes the argument as a number of 32 or 16 bits.
  std::uint64_t mask = ~std::uint64_t{0};

  bool operator==(const ArgumentTest&) const = default;
};

// The first rule of the list that names the call and whose tests all hold gives the answer. A call that
// no rule matches is kAllow.
struct SyscallRule {
  std::string pointer;             // "/syscalls/0"
  std::vector<std::string> names;  // known to libseccomp on at least one architecture
  std::vector<ArgumentTest> args;  // all must hold; an index may occur more than once
  Action action = Action::kErrno;
  int errno_value = 1;  // EPERM; positive
};

// --- network: who may be connected to, which ports may be bound -----------------------------------

// ICMP: over IPv4, and ICMPv6 over IPv6. It has no ports.
enum class Transport { kTcp, kUdp, kIcmp };

struct PortRange {
  std::uint16_t first = 0;
  std::uint16_t last = 65535;  // inclusive
  [[nodiscard]] bool contains(std::uint16_t port) const { return first <= port && port <= last; }
  bool operator==(const PortRange&) const = default;
};

// An IPv4 or IPv6 address in network byte order. IPv4 uses the first four bytes. An IPv4-mapped IPv6
// address (::ffff:0:0/96) is always held as the IPv4 address it means.
struct IpAddress {
  enum class Family { kIpv4, kIpv6 } family = Family::kIpv4;
  std::array<std::uint8_t, 16> bytes{};
  bool operator==(const IpAddress&) const = default;
};

struct Prefix {
  IpAddress address;    // bits beyond `length` are zero
  unsigned length = 0;  // 0 to 32 or 0 to 128, network order from the most significant bit
  [[nodiscard]] bool contains(const IpAddress& candidate) const;
  bool operator==(const Prefix&) const = default;
};

struct HostName {
  // Lower case, without a trailing dot; resolved when the container starts, and as its TTL asks.
  std::string name;
  bool operator==(const HostName&) const = default;
};

struct AnyHost {
  bool operator==(const AnyHost&) const = default;
};

struct NetworkRule {
  std::string pointer;  // "/network/allow/0"
  std::string text;     // as written in the file
  bool tcp = true;
  bool udp = true;
  bool icmp = false;
  std::variant<AnyHost, Prefix, HostName> host;
  std::vector<PortRange> ports;  // never empty; all ports, and always of an ICMP rule, is {0, 65535}
};

// Whom a Unix socket may be connected, or send, to (unix(7)).
struct UnixRule {
  std::string pointer;  // "/network/allow/0"
  std::string text;     // as written in the file
  bool abstract =
      false;  // `name` is over abstract names, without the NUL they begin with (matches_text() in glob.h)
  std::string name;  // else over the socket's canonical path (matches_path())
};

struct BindRule {
  std::string pointer;  // "/network/bind/0"
  std::string text;
  std::vector<PortRange> ports;
};

struct NetworkPolicy {
  std::optional<std::vector<NetworkRule>> allow;  // absent: every destination; empty: none
  std::vector<NetworkRule> deny;                  // beats allow
  // The "unix:" rules of the same two lists. Only where there is an `allow` does unix_allow mean anything.
  std::vector<UnixRule> unix_allow;
  std::vector<UnixRule> unix_deny;
  std::optional<std::vector<BindRule>> bind;  // absent: every port; empty: none
  int errno_value = 13;                       // EACCES; positive; "errno" in the file

  // Whether connect, or bind, has to be decided at all.
  [[nodiscard]] bool restricts_connect() const {
    return allow.has_value() || !deny.empty() || !unix_deny.empty();
  }
  [[nodiscard]] bool restricts_bind() const { return bind.has_value(); }
  // Whether any rule is about the path, or the name, of a Unix socket.
  [[nodiscard]] bool names_unix() const { return !unix_allow.empty() || !unix_deny.empty(); }
};

// --- exec: which programs may be run, with which arguments ---------------------------------------

// One program, or one kind of programs.
struct ExecRule {
  std::string pointer;  // "/exec/allow/0"
  std::string path;     // glob over the canonical path (matches_path() in glob.h)
  // Globs over argv[0], argv[1], … (matches_text()); absent: whatever the arguments.
  std::optional<std::vector<std::string>> argv;
  bool more_arguments = false;  // the list ended in "**": any number of further arguments
};

struct ExecPolicy {
  std::optional<std::vector<ExecRule>> allow;  // absent: every program; empty: none
  std::vector<ExecRule> deny;                  // beats allow
  int errno_value = 13;                        // EACCES; positive; "errno" in the file

  // Whether execve has to be decided at all.
  [[nodiscard]] bool restricts() const { return allow.has_value() || !deny.empty(); }
};

// --- limits: how much of the machine a container may use -----------------------------------------

// Which processors, by their numbers: so many of those that the container would have, or these.
struct Processors {
  unsigned count = 0;        // 0: `these`
  std::set<unsigned> these;  // empty: `count`
  bool operator==(const Processors&) const = default;
};

// Each by itself; absent: what the bundle says.
struct Limits {
  // Of `cpu_time`: what the kernel takes where nobody names another (default_cfs_period in
  // kernel/sched/fair.c).
  static constexpr std::uint64_t kCpuPeriod = 100'000;  // microseconds

  std::optional<std::uint64_t> memory;     // bytes, swap among them
  std::optional<std::uint64_t> processes;  // and threads
  std::optional<std::uint64_t> cpu_time;  // "cpus" in the file: microseconds of all processors per kCpuPeriod
  std::optional<std::uint64_t> open_files;      // of one process (RLIMIT_NOFILE)
  std::optional<std::chrono::seconds> timeout;  // from the container's creation on; then it is stopped
  // "cpus" of "identity" in the file, which stands here because the container's cgroup holds it.
  std::optional<Processors> processors;

  // How long a container has that was asked to end because of `timeout`, before it is killed: as long as
  // podman's and Docker's `stop` leaves it.
  static constexpr std::chrono::seconds kStopGrace{10};

  // Not of the file but of the bundle: whether the container sees processes of others, which need not be
  // under any limit.
  bool sees_others = false;

  // Whether anything is limited that only a cgroup can limit for the whole container.
  [[nodiscard]] bool needs_cgroup() const { return memory || processes || cpu_time || processors; }

  bool operator==(const Limits&) const = default;
};

// Whether a member of Limits is there: kHas<&Limits::memory>, for tables.
using HasLimit = bool (*)(const Limits&);
template <auto Member>
inline constexpr HasLimit kHas = [](const Limits& limits) { return (limits.*Member).has_value(); };

// --- files: which files may be read, written, executed ---------------------------------------------

// A file, or a directory and everything below it.
struct FileRule {
  std::string pointer;  // "/files/read/0"
  std::string path;     // absolute, canonical: no symbolic link is followed to what it names

  bool operator==(const FileRule&) const = default;
};

// What becomes of the changes to a folder once its container has ended.
enum class Settlement {
  kKeep,     // they stay where they are, until somebody decides
  kCommit,   // they are made to the folder itself
  kDiscard,  // they are removed
};

// A folder of the host, bound into the container, whose changes are kept apart from it.
struct CopyRule {
  std::string pointer;                        // "/files/copy_on_write/0"
  std::string path;                           // in the container, as in FileRule
  Settlement on_success = Settlement::kKeep;  // its first process has ended with exit code 0
  Settlement on_failure = Settlement::kKeep;  // it has not, or nobody knows

  bool operator==(const CopyRule&) const = default;
};

// What is written or executed may be read as well. See landlock.h in oci/base for what each list comes to.
struct FilesPolicy {
  std::optional<std::vector<FileRule>> read;   // absent: every file; empty: none but those of the others
  std::optional<std::vector<FileRule>> write;  // absent: every file; empty: none
  std::optional<std::vector<FileRule>> exec;   // absent: every file; empty: none
  std::vector<FileRule> deny;                  // beats the others; see compile_deny.h
  std::vector<CopyRule> copy_on_write;         // none of them below another; see compile_copies.h
  bool best_effort = false;  // on a kernel without some of it: go without that, instead of not at all

  // Not of the file but of the bundle: whether a file system of the container's can show what is in a folder
  // at another place, by a snapshot.
  bool snapshots = false;

  // Whether each process has to be restricted.
  [[nodiscard]] bool restricts() const { return read.has_value() || write.has_value() || exec.has_value(); }

  bool operator==(const FilesPolicy&) const = default;
};

// --- identity: whom the workload takes itself for, and its machine --------------------------------

// A name of the container's hosts file (hosts(5)), and in network rules.
struct PinnedHost {
  std::string pointer;  // "/identity/hosts/db.example"
  std::string name;     // as in HostName
  std::vector<IpAddress> addresses;
  bool operator==(const PinnedHost&) const = default;
};

// The variables that a process begins with.
struct EnvPolicy {
  bool clean = false;                                    // nothing but what `pass` and `set` name
  std::vector<std::string> pass;                         // globs over names (matches_text())
  std::vector<std::pair<std::string, std::string>> set;  // name, value; each name once
  bool operator==(const EnvPolicy&) const = default;
};

// As the container's user namespace has them.
struct UserPolicy {
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> additional_gids;
  bool operator==(const UserPolicy&) const = default;
};

struct Identity {
  std::optional<std::string> hostname;
  std::vector<PinnedHost> hosts;  // each name once
  std::optional<EnvPolicy> env;
  std::optional<UserPolicy> user;

  // Whether each process has to be told apart from what the bundle, or who executes it, says of it.
  [[nodiscard]] bool concerns_processes() const { return hostname || env || user; }

  bool operator==(const Identity&) const = default;
};

// --- events ---------------------------------------------------------------------------------------

// Which decisions are written to the container's event log.
struct EventsPolicy {
  bool denied = true;   // "denied": everything refused
  bool exec = true;     // "exec": every program started
  bool network = true;  // "network": every connection and bind, allowed ones too
};

// --- unsafe_allow: what a policy's baseline refuses, given back -----------------------------------

// One word of the list (baseline_names() in baseline.h).
struct UnsafeAllow {
  std::string pointer;  // "/unsafe_allow/0"
  std::string name;     // "ptrace"
};

struct Policy {
  std::string name;  // the file's name without .json
  Mode mode = Mode::kEnforce;
  std::optional<NetworkPolicy> network;
  std::optional<ExecPolicy> exec;
  std::optional<Limits> limits;
  std::optional<FilesPolicy> files;
  std::optional<Identity> identity;
  std::vector<SyscallRule> syscalls;
  EventsPolicy events;
  std::vector<UnsafeAllow> unsafe_allow;
};

// What identity.hosts says of the name, which is as in HostName; nullptr: nothing, so whoever wants to know
// is to resolve it.
const PinnedHost* pinned_host(const Policy& policy, std::string_view name);

// Whether identity.cpus is there: then it counts what processors the machine has.
bool names_processors(const Policy& policy);

}  // namespace tidewaiter::policy
