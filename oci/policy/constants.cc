#include "oci/policy/constants.h"

#include <linux/sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

namespace tidewaiter::policy {
namespace {

// Linux numbers its errors from 1 to 133 (include/uapi/asm-generic/errno.h).
constexpr int kLastErrno = 133;

// The second names of numbers that strerrorname_np knows by another.
constexpr std::pair<std::string_view, int> kErrnoAliases[] = {
    {"EDEADLOCK", EDEADLOCK}, {"ENOTSUP", ENOTSUP}, {"EWOULDBLOCK", EWOULDBLOCK}};

struct NamedValue {
  std::string_view name;
  std::uint64_t value;
};

#define NAMED(name) \
  NamedValue { #name, static_cast < std::uint64_t>(name) }

constexpr NamedValue kValues[] = {
    NAMED(AF_ALG),
    NAMED(AF_APPLETALK),
    NAMED(AF_ASH),
    NAMED(AF_ATMPVC),
    NAMED(AF_ATMSVC),
    NAMED(AF_AX25),
    NAMED(AF_BLUETOOTH),
    NAMED(AF_BRIDGE),
    NAMED(AF_CAIF),
    NAMED(AF_CAN),
    NAMED(AF_ECONET),
    NAMED(AF_FILE),
    NAMED(AF_IB),
    NAMED(AF_IEEE802154),
    NAMED(AF_INET),
    NAMED(AF_INET6),
    NAMED(AF_IPX),
    NAMED(AF_IRDA),
    NAMED(AF_ISDN),
    NAMED(AF_IUCV),
    NAMED(AF_KCM),
    NAMED(AF_KEY),
    NAMED(AF_LLC),
    NAMED(AF_LOCAL),
    NAMED(AF_MCTP),
    NAMED(AF_MPLS),
    NAMED(AF_NETBEUI),
    NAMED(AF_NETLINK),
    NAMED(AF_NETROM),
    NAMED(AF_NFC),
    NAMED(AF_PACKET),
    NAMED(AF_PHONET),
    NAMED(AF_PPPOX),
    NAMED(AF_QIPCRTR),
    NAMED(AF_RDS),
    NAMED(AF_ROSE),
    NAMED(AF_ROUTE),
    NAMED(AF_RXRPC),
    NAMED(AF_SECURITY),
    NAMED(AF_SMC),
    NAMED(AF_SNA),
    NAMED(AF_TIPC),
    NAMED(AF_UNIX),
    NAMED(AF_UNSPEC),
    NAMED(AF_VSOCK),
    NAMED(AF_WANPIPE),
    NAMED(AF_X25),
    NAMED(AF_XDP),
    NAMED(SOCK_CLOEXEC),
    NAMED(SOCK_DCCP),
    NAMED(SOCK_DGRAM),
    NAMED(SOCK_NONBLOCK),
    NAMED(SOCK_PACKET),
    NAMED(SOCK_RAW),
    NAMED(SOCK_RDM),
    NAMED(SOCK_SEQPACKET),
    NAMED(SOCK_STREAM),
    NAMED(CLONE_CHILD_CLEARTID),
    NAMED(CLONE_CHILD_SETTID),
    NAMED(CLONE_CLEAR_SIGHAND),
    NAMED(CLONE_FILES),
    NAMED(CLONE_FS),
    NAMED(CLONE_INTO_CGROUP),
    NAMED(CLONE_IO),
    NAMED(CLONE_NEWCGROUP),
    NAMED(CLONE_NEWIPC),
    NAMED(CLONE_NEWNET),
    NAMED(CLONE_NEWNS),
    NAMED(CLONE_NEWPID),
    NAMED(CLONE_NEWTIME),
    NAMED(CLONE_NEWUSER),
    NAMED(CLONE_NEWUTS),
    NAMED(CLONE_PARENT),
    NAMED(CLONE_PARENT_SETTID),
    NAMED(CLONE_PIDFD),
    NAMED(CLONE_PTRACE),
    NAMED(CLONE_SETTLS),
    NAMED(CLONE_SIGHAND),
    NAMED(CLONE_SYSVSEM),
    NAMED(CLONE_THREAD),
    NAMED(CLONE_UNTRACED),
    NAMED(CLONE_VFORK),
    NAMED(CLONE_VM),
    NAMED(PR_CAPBSET_DROP),
    NAMED(PR_CAPBSET_READ),
    NAMED(PR_CAP_AMBIENT),
    NAMED(PR_CAP_AMBIENT_CLEAR_ALL),
    NAMED(PR_CAP_AMBIENT_IS_SET),
    NAMED(PR_CAP_AMBIENT_LOWER),
    NAMED(PR_CAP_AMBIENT_RAISE),
    NAMED(PR_GET_CHILD_SUBREAPER),
    NAMED(PR_GET_DUMPABLE),
    NAMED(PR_GET_ENDIAN),
    NAMED(PR_GET_FPEMU),
    NAMED(PR_GET_FPEXC),
    NAMED(PR_GET_FP_MODE),
    NAMED(PR_GET_IO_FLUSHER),
    NAMED(PR_GET_KEEPCAPS),
    NAMED(PR_GET_NAME),
    NAMED(PR_GET_NO_NEW_PRIVS),
    NAMED(PR_GET_PDEATHSIG),
    NAMED(PR_GET_SECCOMP),
    NAMED(PR_GET_SECUREBITS),
    NAMED(PR_GET_SPECULATION_CTRL),
    NAMED(PR_GET_TAGGED_ADDR_CTRL),
    NAMED(PR_GET_THP_DISABLE),
    NAMED(PR_GET_TID_ADDRESS),
    NAMED(PR_GET_TIMERSLACK),
    NAMED(PR_GET_TIMING),
    NAMED(PR_GET_TSC),
    NAMED(PR_GET_UNALIGN),
    NAMED(PR_MCE_KILL),
    NAMED(PR_MCE_KILL_CLEAR),
    NAMED(PR_MCE_KILL_DEFAULT),
    NAMED(PR_MCE_KILL_EARLY),
    NAMED(PR_MCE_KILL_GET),
    NAMED(PR_MCE_KILL_LATE),
    NAMED(PR_MCE_KILL_SET),
    NAMED(PR_MPX_DISABLE_MANAGEMENT),
    NAMED(PR_MPX_ENABLE_MANAGEMENT),
    NAMED(PR_PAC_GET_ENABLED_KEYS),
    NAMED(PR_PAC_RESET_KEYS),
    NAMED(PR_PAC_SET_ENABLED_KEYS),
    NAMED(PR_SCHED_CORE),
    NAMED(PR_SCHED_CORE_CREATE),
    NAMED(PR_SCHED_CORE_GET),
    NAMED(PR_SCHED_CORE_MAX),
    NAMED(PR_SCHED_CORE_SCOPE_PROCESS_GROUP),
    NAMED(PR_SCHED_CORE_SCOPE_THREAD),
    NAMED(PR_SCHED_CORE_SCOPE_THREAD_GROUP),
    NAMED(PR_SCHED_CORE_SHARE_FROM),
    NAMED(PR_SCHED_CORE_SHARE_TO),
    NAMED(PR_SET_CHILD_SUBREAPER),
    NAMED(PR_SET_DUMPABLE),
    NAMED(PR_SET_ENDIAN),
    NAMED(PR_SET_FPEMU),
    NAMED(PR_SET_FPEXC),
    NAMED(PR_SET_FP_MODE),
    NAMED(PR_SET_IO_FLUSHER),
    NAMED(PR_SET_KEEPCAPS),
    NAMED(PR_SET_MM),
    NAMED(PR_SET_MM_ARG_END),
    NAMED(PR_SET_MM_ARG_START),
    NAMED(PR_SET_MM_AUXV),
    NAMED(PR_SET_MM_BRK),
    NAMED(PR_SET_MM_END_CODE),
    NAMED(PR_SET_MM_END_DATA),
    NAMED(PR_SET_MM_ENV_END),
    NAMED(PR_SET_MM_ENV_START),
    NAMED(PR_SET_MM_EXE_FILE),
    NAMED(PR_SET_MM_MAP),
    NAMED(PR_SET_MM_MAP_SIZE),
    NAMED(PR_SET_MM_START_BRK),
    NAMED(PR_SET_MM_START_CODE),
    NAMED(PR_SET_MM_START_DATA),
    NAMED(PR_SET_MM_START_STACK),
    NAMED(PR_SET_NAME),
    NAMED(PR_SET_NO_NEW_PRIVS),
    NAMED(PR_SET_PDEATHSIG),
    NAMED(PR_SET_PTRACER),
    NAMED(PR_SET_PTRACER_ANY),
    NAMED(PR_SET_SECCOMP),
    NAMED(PR_SET_SECUREBITS),
    NAMED(PR_SET_SPECULATION_CTRL),
    NAMED(PR_SET_SYSCALL_USER_DISPATCH),
    NAMED(PR_SET_TAGGED_ADDR_CTRL),
    NAMED(PR_SET_THP_DISABLE),
    NAMED(PR_SET_TIMERSLACK),
    NAMED(PR_SET_TIMING),
    NAMED(PR_SET_TSC),
    NAMED(PR_SET_UNALIGN),
    NAMED(PR_SET_VMA),
    NAMED(PR_SET_VMA_ANON_NAME),
    NAMED(PR_SME_GET_VL),
    NAMED(PR_SME_SET_VL),
    NAMED(PR_SPEC_DISABLE),
    NAMED(PR_SPEC_DISABLE_NOEXEC),
    NAMED(PR_SPEC_ENABLE),
    NAMED(PR_SPEC_FORCE_DISABLE),
    NAMED(PR_SPEC_INDIRECT_BRANCH),
    NAMED(PR_SPEC_L1D_FLUSH),
    NAMED(PR_SPEC_NOT_AFFECTED),
    NAMED(PR_SPEC_PRCTL),
    NAMED(PR_SPEC_STORE_BYPASS),
    NAMED(PR_SVE_GET_VL),
    NAMED(PR_SVE_SET_VL),
    NAMED(PR_TASK_PERF_EVENTS_DISABLE),
    NAMED(PR_TASK_PERF_EVENTS_ENABLE),
    NAMED(PROT_READ),
    NAMED(PROT_WRITE),
    NAMED(PROT_EXEC),
    NAMED(PROT_NONE),
};

#undef NAMED

}  // namespace

std::optional<int> errno_value(std::string_view name) {
  for (int number = 1; number <= kLastErrno; ++number) {
    const char* known = ::strerrorname_np(number);
    if (known != nullptr && name == known) return number;
  }
  for (const auto& [alias, number] : kErrnoAliases)
    if (name == alias) return number;
  return std::nullopt;
}

std::vector<std::string_view> errno_names() {
  std::vector<std::string_view> names;
  for (int number = 1; number <= kLastErrno; ++number)
    if (const char* known = ::strerrorname_np(number)) names.emplace_back(known);
  for (const auto& [alias, number] : kErrnoAliases) names.push_back(alias);
  return names;
}

std::optional<std::uint64_t> named_value(std::string_view name) {
  const auto* found = std::find_if(std::begin(kValues), std::end(kValues),
                                   [&](const NamedValue& row) { return row.name == name; });
  if (found == std::end(kValues)) return std::nullopt;
  return found->value;
}

std::vector<std::string_view> value_names() {
  std::vector<std::string_view> names;
  for (const NamedValue& row : kValues) names.push_back(row.name);
  return names;
}

}  // namespace tidewaiter::policy
