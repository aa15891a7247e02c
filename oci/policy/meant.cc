#include "oci/policy/meant.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <span>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

// A word in lower case, and the advice to who wrote it.
struct Row {
  std::string_view found;
  std::string_view advice;
};

constexpr std::string_view kOfTheBundle =
    "that is the bundle's (config.json, podman's options): a policy has no key for it";
constexpr std::string_view kNoDefault =
    "leave it out: a list \"allow\" refuses what it does not name, and what has no list is not restricted";

constexpr std::string_view kNoListDenies =
    R"(leave it out: a list "read", "write" or "exec" refuses what it does not name, and what has no list is not restricted)";

constexpr Row kPolicyKeys[] = {
    {"allow", R"(it goes into "network" or "exec")"},
    {"deny", R"(it goes into "network", "exec" or "files")"},
    {"bind", R"(it goes into "network")"},
    {"errno", R"(it goes into "network", "exec" or a rule of "syscalls")"},
    {"argv", R"(it goes into a rule of "exec")"},
    {"path", R"(it goes into a rule of "exec")"},
    {"memory", R"(it goes into "limits")"},
    {"processes", R"(it goes into "limits")"},
    {"cpus", R"(it goes into "limits")"},
    {"open_files", R"(it goes into "limits")"},
    {"names", R"(it goes into a rule of "syscalls")"},
    {"action", R"(it goes into a rule of "syscalls")"},
    {"args", R"(it goes into a rule of "syscalls")"},
    {"log", R"(it goes into "events")"},
    {"seccomp", R"(write "syscalls")"},
    {"net", R"(write "network")"},
    {"egress", R"(write "network" with "allow")"},
    {"outbound", R"(write "network" with "allow")"},
    {"connect", R"(write "network" with "allow")"},
    {"ingress", R"(write "network" with "bind")"},
    {"ports", R"(write "network" with "bind")"},
    {"listen", R"(write "network" with "bind")"},
    {"programs", R"(write "exec")"},
    {"commands", R"(write "exec")"},
    {"execve", R"(write "exec")"},
    {"resources", R"(write "limits")"},
    {"ulimits", R"(write "limits")"},
    {"rlimits", R"(write "limits")"},
    {"quota", R"(write "limits")"},
    {"logging", R"(write "events")"},
    {"audit", R"(write "mode": "audit")"},
    {"enforce", R"(write "mode": "enforce")"},
    {"default", kNoDefault},
    {"defaultaction", kNoDefault},
    {"default_action", kNoDefault},
    {"name", "a policy has the name of its file"},
    {"comment", R"(write "description")"},
    {"_comment", R"(write "description")"},
    {"//", R"(write "description")"},
    {"$schema", "tell the editor itself which schema it is"},
    {"capabilities", kOfTheBundle},
    {"caps", kOfTheBundle},
    {"mounts", kOfTheBundle},
    {"volumes", kOfTheBundle},
    {"privileged", kOfTheBundle},
    {"namespaces", kOfTheBundle},
    {"read", R"(it goes into "files")"},
    {"write", R"(it goes into "files")"},
    {"best_effort", R"(it goes into "files")"},
    {"paths", R"(write "files" with "read", "write" and "exec")"},
    {"file", R"(write "files")"},
    {"fs", R"(write "files")"},
    {"filesystem", R"(write "files")"},
    {"landlock", R"(write "files")"},
    {"readonly", R"(write "files", with what may be written in "write")"},
    {"masked", R"(write "files" with "deny")"},
    {"maskedpaths", R"(write "files" with "deny")"},
    {"env", R"(it goes into "identity")"},
    {"environment", R"(write "identity" with "env")"},
    {"user", R"(it goes into "identity")"},
    {"hostname", R"(it goes into "identity")"},
    {"hosts", R"(it goes into "identity")"},
};

constexpr Row kNetworkKeys[] = {
    {"allowed", R"(write "allow")"},
    {"denied", R"(write "deny")"},
    {"connect", R"(write "allow")"},
    {"egress", R"(write "allow")"},
    {"outbound", R"(write "allow")"},
    {"hosts", R"(write "allow")"},
    {"domains", R"(write "allow")"},
    {"allowlist", R"(write "allow")"},
    {"whitelist", R"(write "allow")"},
    {"block", R"(write "deny")"},
    {"reject", R"(write "deny")"},
    {"denylist", R"(write "deny")"},
    {"blacklist", R"(write "deny")"},
    {"ports", R"(write "bind" for the ports that may be bound; those to connect to are in "allow")"},
    {"listen", R"(write "bind")"},
    {"ingress", R"(write "bind")"},
    {"inbound", R"(write "bind")"},
    {"error", R"(write "errno")"},
    {"dns", R"(names in "allow" resolve without DNS; for DNS itself allow "udp://ADDRESS:53")"},
    {"unix", R"(write "unix:/PATH" in "allow" or "deny")"},
    {"tcp", R"(write "tcp://HOST:PORT" in "allow" or "deny")"},
    {"udp", R"(write "udp://HOST:PORT" in "allow" or "deny")"},
    {"default", kNoDefault},
    {"mode", R"("mode" is one for the whole policy)"},
};

constexpr Row kExecKeys[] = {
    {"allowed", R"(write "allow")"},
    {"denied", R"(write "deny")"},
    {"programs", R"(write "allow")"},
    {"commands", R"(write "allow")"},
    {"paths", R"(write "allow")"},
    {"allowlist", R"(write "allow")"},
    {"whitelist", R"(write "allow")"},
    {"block", R"(write "deny")"},
    {"reject", R"(write "deny")"},
    {"denylist", R"(write "deny")"},
    {"blacklist", R"(write "deny")"},
    {"error", R"(write "errno")"},
    {"path",
     R"(it goes into a rule, as in {"allow": [{"path": "/usr/bin/git", "argv": ["git", "clone", "*"]}]})"},
    {"argv",
     R"(it goes into a rule, as in {"allow": [{"path": "/usr/bin/git", "argv": ["git", "clone", "*"]}]})"},
    {"default", kNoDefault},
    {"mode", R"("mode" is one for the whole policy)"},
};

constexpr Row kExecRuleKeys[] = {
    {"program", R"(write "path")"},
    {"command", R"(write "path" and "argv")"},
    {"cmd", R"(write "path" and "argv")"},
    {"exe", R"(write "path")"},
    {"binary", R"(write "path")"},
    {"file", R"(write "path")"},
    {"name", R"(write "path")"},
    {"args", R"(write "argv", the program's own name first)"},
    {"arguments", R"(write "argv", the program's own name first)"},
    {"errno", R"("errno" is one for all of "exec")"},
    {"env", "the environment is not looked at"},
};

constexpr Row kFilesKeys[] = {
    {"allow", R"(write "read", "write" or "exec")"},
    {"paths", R"(write "read", "write" or "exec")"},
    {"ro", R"(write "read")"},
    {"readonly", R"(write "read")"},
    {"read_only", R"(write "read")"},
    {"r", R"(write "read")"},
    {"rw", R"(write "write": what is there may be read as well)"},
    {"readwrite", R"(write "write": what is there may be read as well)"},
    {"read_write", R"(write "write": what is there may be read as well)"},
    {"w", R"(write "write": what is there may be read as well)"},
    {"create", R"(write "write")"},
    {"delete", R"(write "write")"},
    {"x", R"(write "exec": what is there may be read as well)"},
    {"execute", R"(write "exec": what is there may be read as well)"},
    {"run", R"(write "exec": what is there may be read as well)"},
    {"denied", R"(write "deny")"},
    {"block", R"(write "deny")"},
    {"hide", R"(write "deny")"},
    {"mask", R"(write "deny")"},
    {"masked", R"(write "deny")"},
    {"maskedpaths", R"(write "deny")"},
    {"exclude", R"(write "deny")"},
    {"compatibility", R"(write "best_effort": true to go without what the kernel cannot do)"},
    {"errno", "what is refused fails with EACCES: the kernel's Landlock has no other error"},
    {"error", "what is refused fails with EACCES: the kernel's Landlock has no other error"},
    {"default", kNoListDenies},
    {"mode", R"("mode" is one for the whole policy)"},
};

constexpr Row kLimitsKeys[] = {
    {"pids", R"(write "processes")"},
    {"pids_limit", R"(write "processes")"},
    {"pids-limit", R"(write "processes")"},
    {"nproc", R"(write "processes")"},
    {"threads", R"(write "processes", which counts threads as well)"},
    {"tasks", R"(write "processes")"},
    {"mem", R"(write "memory")"},
    {"ram", R"(write "memory")"},
    {"memory_limit", R"(write "memory")"},
    {"mem_limit", R"(write "memory")"},
    {"swap", R"("memory" is memory and swap together)"},
    {"memory-swap", R"("memory" is memory and swap together)"},
    {"cores", R"(write "cpus")"},
    {"vcpus", R"(write "cpus")"},
    {"processors", R"(write "cpus")"},
    {"cpu_quota", R"(write "cpus", a number of processors)"},
    {"cpu_shares", R"(shares are the bundle's; "cpus" is a bound)"},
    {"cpuset", R"(write "cpus" in "identity", as in "0-3,8"; "cpus" here is how much of them)"},
    {"nofile", R"(write "open_files")"},
    {"files", R"(write "open_files")"},
    {"fds", R"(write "open_files")"},
    {"ulimit", R"(write "open_files")"},
    {"time", R"(write "timeout")"},
    {"duration", R"(write "timeout")"},
    {"deadline", R"(write "timeout")"},
    {"wall_clock", R"(write "timeout")"},
    {"activedeadlineseconds", R"(write "timeout", a number of seconds)"},
    {"cpu_time", "a policy has no key for processor time; \"timeout\" is by the clock on the wall"},
    {"storage", R"("disk" is not supported yet)"},
};

constexpr Row kIdentityKeys[] = {
    {"name", R"(write "hostname")"},
    {"host", R"(write "hostname")"},
    {"uts", R"(write "hostname")"},
    {"extra_hosts", R"(write "hosts", as in {"db.example.com": "10.0.0.5"})"},
    {"add-host", R"(write "hosts", as in {"db.example.com": "10.0.0.5"})"},
    {"hostaliases", R"(write "hosts", as in {"db.example.com": "10.0.0.5"})"},
    {"dns", R"(names are pinned by "hosts"; others are resolved as the bundle says)"},
    {"cpu", R"(write "cpus")"},
    {"cpuset", R"(write "cpus", as in "0-3,8")"},
    {"cpuset_cpus", R"(write "cpus", as in "0-3,8")"},
    {"processors", R"(write "cpus")"},
    {"memory", R"(it goes into "limits")"},
    {"environment", R"(write "env")"},
    {"uid", R"(it goes into "user")"},
    {"gid", R"(it goes into "user")"},
    {"runasuser", R"(write "user", as in {"uid": 1000, "gid": 1000})"},
    {"group", R"(write "gid" in "user")"},
    {"groups", R"(write "additional_gids" in "user")"},
};

constexpr Row kEnvKeys[] = {
    {"clear", R"(write "clean": true)"},
    {"inherit", R"(write "clean": true to begin with no variable)"},
    {"unset", R"(write "clean": true, and what is kept in "pass")"},
    {"remove", R"(write "clean": true, and what is kept in "pass")"},
    {"deny", R"(write "clean": true, and what is kept in "pass")"},
    {"allow", R"(write "clean": true, and what is kept in "pass")"},
    {"keep", R"(write "pass")"},
    {"add", R"(write "set")"},
    {"vars", R"(write "set")"},
    {"variables", R"(write "set")"},
};

constexpr Row kUserKeys[] = {
    {"id", R"(write "uid")"},
    {"user", R"(write "uid")"},
    {"group", R"(write "gid")"},
    {"name", R"(write "uid": what a name stands for the image would say)"},
    {"username", R"(write "uid": what a name stands for the image would say)"},
    {"groups", R"(write "additional_gids")"},
    {"additionalgids", R"(write "additional_gids")"},
    {"supplementalgroups", R"(write "additional_gids")"},
    {"umask", "that is the bundle's (config.json): a policy has no key for it"},
};

constexpr Row kEventsKeys[] = {
    {"level", R"(write "log")"},
    {"events", R"(write "log")"},
    {"types", R"(write "log")"},
    {"denied", R"(write "log": ["denied"])"},
    {"exec", R"(write "log": ["exec"])"},
    {"network", R"(write "log": ["network"])"},
    {"file", "where logs lie is said in the configuration, not in a policy"},
    {"path", "where logs lie is said in the configuration, not in a policy"},
};

constexpr Row kSyscallRuleKeys[] = {
    {"name", R"(write "names", a list)"},
    {"syscall", R"(write "names", a list)"},
    {"syscalls", R"(write "names", a list)"},
    {"calls", R"(write "names", a list)"},
    {"errnoret", R"(write "errno")"},
    {"error", R"(write "errno")"},
    {"return", R"(write "errno")"},
    {"arguments", R"(write "args")"},
    {"conditions", R"(write "args")"},
    {"when", R"(write "args")"},
    {"includes", "rules on capabilities and kernels are for an engine's own profile; leave it out"},
    {"excludes", "rules on capabilities and kernels are for an engine's own profile; leave it out"},
};

constexpr Row kArgumentKeys[] = {
    {"arg", R"(write "index")"},
    {"argument", R"(write "index")"},
    {"position", R"(write "index")"},
    {"operator", R"(write "op")"},
    {"comparison", R"(write "op")"},
    {"cmp", R"(write "op")"},
    {"valuetwo",
     R"(of a masked comparison an OCI profile has the mask in "value" and the value in "valueTwo"; write "mask" and "value")"},
};

constexpr Row kCopyKeys[] = {
    {"folder", R"(write "path")"},
    {"directory", R"(write "path")"},
    {"destination", R"(write "path")"},
    {"target", R"(write "path")"},
    {"success", R"(write "on_success")"},
    {"failure", R"(write "on_failure")"},
    {"on_error", R"(write "on_failure")"},
    {"on_fail", R"(write "on_failure")"},
    {"source",
     "the folder on the host is the bundle's; a policy names where the container has it, in \"path\""},
};

constexpr Row kSettlements[] = {
    {"save", R"(write "commit" to change the folder, "keep" to decide later)"},
    {"apply", R"(write "commit")"},
    {"merge", R"(write "commit")"},
    {"write", R"(write "commit")"},
    {"delete", R"(write "discard")"},
    {"drop", R"(write "discard")"},
    {"remove", R"(write "discard")"},
    {"revert", R"(write "discard")"},
    {"rollback", R"(write "discard")"},
    {"hold", R"(write "keep")"},
    {"ask", R"(write "keep")"},
};

constexpr Row kModes[] = {
    {"permissive", R"(write "audit")"},
    {"complain", R"(write "audit")"},
    {"warn", R"(write "audit")"},
    {"monitor", R"(write "audit")"},
    {"learn", R"(write "audit")"},
    {"log", R"(write "audit")"},
    {"dry-run", R"(write "audit")"},
    {"dry_run", R"(write "audit")"},
    {"report", R"(write "audit")"},
    {"strict", R"(write "enforce")"},
    {"block", R"(write "enforce")"},
    {"deny", R"(write "enforce")"},
    {"on", R"(write "enforce")"},
    {"off", "to restrict nothing, take the policy away from the container"},
    {"disabled", "to restrict nothing, take the policy away from the container"},
    {"none", "to restrict nothing, take the policy away from the container"},
};

constexpr Row kActions[] = {
    {"deny", R"(write "errno")"},
    {"block", R"(write "errno")"},
    {"reject", R"(write "errno")"},
    {"refuse", R"(write "errno")"},
    {"forbid", R"(write "errno")"},
    {"drop", R"(write "errno")"},
    {"fail", R"(write "errno")"},
    {"error", R"(write "errno")"},
    {"permit", R"(write "allow")"},
    {"accept", R"(write "allow")"},
    {"pass", R"(write "allow")"},
    {"audit", R"(write "log", or "mode": "audit" for the whole policy)"},
    {"trap", R"(write "kill", which sends SIGSYS)"},
    {"trace", R"(write "log" to see the calls)"},
    {"notify", "which calls notify an agent follows from the rules; write what is to happen to the call"},
    {"ask", "which calls notify an agent follows from the rules; write what is to happen to the call"},
};

constexpr Row kComparisons[] = {
    {"=", R"(write "eq")"},
    {"==", R"(write "eq")"},
    {"equal", R"(write "eq")"},
    {"equals", R"(write "eq")"},
    {"is", R"(write "eq")"},
    {"!=", R"(write "ne")"},
    {"<>", R"(write "ne")"},
    {"not", R"(write "ne")"},
    {"neq", R"(write "ne")"},
    {"<", R"(write "lt")"},
    {"less", R"(write "lt")"},
    {"<=", R"(write "le")"},
    {"lte", R"(write "le")"},
    {">", R"(write "gt")"},
    {"greater", R"(write "gt")"},
    {">=", R"(write "ge")"},
    {"gte", R"(write "ge")"},
    {"&", R"(write "masked_eq", with a "mask")"},
    {"&=", R"(write "masked_eq", with a "mask")"},
    {"mask", R"(write "masked_eq", with a "mask")"},
    {"masked", R"(write "masked_eq", with a "mask")"},
    {"has", R"(write "masked_eq", with a "mask")"},
    {"in", R"(write a rule with "eq" for each value)"},
};

constexpr Row kEvents[] = {
    {"all", R"(write ["denied", "exec", "network"])"},
    {"everything", R"(write ["denied", "exec", "network"])"},
    {"*", R"(write ["denied", "exec", "network"])"},
    {"none", R"(write "log": [])"},
    {"deny", R"(write "denied")"},
    {"refused", R"(write "denied")"},
    {"blocked", R"(write "denied")"},
    {"violations", R"(write "denied")"},
    {"connect", R"(write "network")"},
    {"connections", R"(write "network")"},
    {"bind", R"(write "network")"},
    {"execve", R"(write "exec")"},
    {"programs", R"(write "exec")"},
    {"processes", R"(write "exec")"},
    {"allowed", R"("exec" and "network" write what is allowed as well)"},
    {"syscalls", R"(calls are logged by rules of "syscalls" with action "log")"},
};

constexpr Row kErrors[] = {
    {"permission denied", R"(write "EACCES")"},
    {"access denied", R"(write "EACCES")"},
    {"denied", R"(write "EACCES")"},
    {"operation not permitted", R"(write "EPERM")"},
    {"not found", R"(write "ENOENT")"},
    {"no such file or directory", R"(write "ENOENT")"},
    {"connection refused", R"(write "ECONNREFUSED")"},
    {"refused", R"(write "ECONNREFUSED")"},
    {"not implemented", R"(write "ENOSYS")"},
    {"scmp_act_errno", R"(write the error itself, as in "EPERM")"},
};

struct Service {
  std::string_view name;
  unsigned port;
  std::string_view scheme = "tcp://";
};
constexpr Service kServices[] = {
    {"http", 80},
    {"https", 443},
    {"ws", 80},
    {"wss", 443},
    {"ftp", 21},
    {"ssh", 22},
    {"smtp", 25},
    {"smtps", 465},
    {"dns", 53, ""},
    {"domain", 53, ""},
    {"ntp", 123, "udp://"},
    {"imap", 143},
    {"imaps", 993},
    {"ldap", 389},
    {"ldaps", 636},
    {"mysql", 3306},
    {"postgres", 5432},
    {"postgresql", 5432},
    {"redis", 6379},
    {"rediss", 6379},
    {"amqp", 5672},
    {"amqps", 5671},
    {"mongodb", 27017},
    {"git", 9418},
    {"syslog", 514, "udp://"},
    {"http-alt", 8080},
    {"memcached", 11211},
};

// Functions of the C library, and the syscall that they make here.
constexpr Row kFunctions[] = {
    {"exec", "execve"},
    {"execv", "execve"},
    {"execvp", "execve"},
    {"execl", "execve"},
    {"execlp", "execve"},
    {"system", "execve"},
    {"posix_spawn", "execve"},
    {"popen", "execve"},
    {"fexecve", "execveat"},
    {"fopen", "openat"},
    {"opendir", "openat"},
    {"pthread_create", "clone3"},
    {"raise", "tgkill"},
    {"abort", "tgkill"},
    {"sleep", "clock_nanosleep"},
    {"usleep", "clock_nanosleep"},
    {"malloc", "mmap"},
    {"printf", "write"},
    {"puts", "write"},
    {"remove", "unlink"},
    {"sbrk", "brk"},
};

std::string lower_case(std::string_view text) {
  std::string lower(text);
  for (char& c : lower)
    if ('A' <= c && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return lower;
}

std::string_view find(std::span<const Row> rows, std::string_view found) {
  const std::string lower = lower_case(found);
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& one) { return one.found == lower; });
  return row == rows.end() ? std::string_view{} : row->advice;
}

const Service* find_service(std::string_view name) {
  const std::string lower = lower_case(name);
  const auto* service = std::find_if(std::begin(kServices), std::end(kServices),
                                     [&](const Service& one) { return one.name == lower; });
  return service == std::end(kServices) ? nullptr : service;
}

std::span<const Row> rows_of(Where where) {
  switch (where) {
    case Where::kPolicy:
      return kPolicyKeys;
    case Where::kNetwork:
      return kNetworkKeys;
    case Where::kExec:
      return kExecKeys;
    case Where::kExecRule:
      return kExecRuleKeys;
    case Where::kFiles:
      return kFilesKeys;
    case Where::kCopy:
      return kCopyKeys;
    case Where::kLimits:
      return kLimitsKeys;
    case Where::kIdentity:
      return kIdentityKeys;
    case Where::kEnv:
      return kEnvKeys;
    case Where::kUser:
      return kUserKeys;
    case Where::kEvents:
      return kEventsKeys;
    case Where::kSyscallRule:
      return kSyscallRuleKeys;
    case Where::kArgument:
      return kArgumentKeys;
  }
  return {};
}

std::span<const Row> rows_of(Choice choice) {
  switch (choice) {
    case Choice::kMode:
      return kModes;
    case Choice::kAction:
      return kActions;
    case Choice::kComparison:
      return kComparisons;
    case Choice::kEvent:
      return kEvents;
    case Choice::kSettlement:
      return kSettlements;
  }
  return {};
}

}  // namespace

std::string key_advice(Where where, std::string_view found) {
  return std::string(find(rows_of(where), found));
}

std::string word_advice(Choice choice, std::string_view found) {
  if (found.starts_with("SCMP_ACT_")) found.remove_prefix(9);
  return std::string(find(rows_of(choice), found));
}

std::string errno_advice(std::string_view found) { return std::string(find(kErrors, found)); }

std::string number_advice(std::string_view found, const NumberRange& range) {
  const auto digits = [](std::string_view text) {
    return !text.empty() && text.size() <= 19 &&
           std::all_of(text.begin(), text.end(), [](char c) { return '0' <= c && c <= '9'; });
  };
  const std::size_t point = found.find('.');
  const bool whole = point == std::string_view::npos && digits(found);
  const bool fraction =
      point != std::string_view::npos && digits(found.substr(0, point)) && digits(found.substr(point + 1));
  // JSON has no leading zeros either (RFC 8259, section 6).
  if ((!whole && !fraction) || (found.size() > 1 && found[0] == '0' && found[1] != '.')) return {};
  double value = 0;
  std::from_chars(found.data(), found.data() + found.size(), value);
  if (value < range.least || value > range.most || (fraction && range.whole)) return {};
  return "write " + std::string(found) + " without quotes";
}

bool means_unlimited(std::string_view found) {
  constexpr std::string_view kWords[] = {"unlimited", "max", "infinity", "infinite", "never",
                                         "none",      "-1",  "0",        "no",       "off"};
  return std::find(std::begin(kWords), std::end(kWords), lower_case(found)) != std::end(kWords);
}

unsigned service_port(std::string_view name) {
  const Service* service = find_service(name);
  return service == nullptr ? 0 : service->port;
}

std::string_view service_scheme(std::string_view name) {
  const Service* service = find_service(name);
  return service == nullptr ? std::string_view{} : service->scheme;
}

std::string syscall_meant(std::string_view found) {
  std::string name = lower_case(found);
  for (const std::string_view prefix : {"__nr_", "__x64_", "__arm64_", "nr_", "sys_"})
    if (name.starts_with(prefix)) name.erase(0, prefix.size());
  if (const std::size_t end = name.find('('); end != std::string::npos) name.resize(end);
  if (const std::string_view made = find(kFunctions, name); !made.empty()) return std::string(made);
  return name == found ? std::string() : name;
}

}  // namespace tidewaiter::policy
