#include "oci/policy/baseline.h"

#include <linux/if_packet.h>
#include <linux/sched.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <iterator>
#include <string>

namespace tidewaiter::policy {
namespace {

constexpr std::uint64_t kSocketTypeMask = 0xf;    // SOCK_TYPE_MASK (include/linux/net.h): flags are above it
constexpr std::uint64_t kLowerHalf = 0xffffffff;  // an int argument: the kernel ignores the upper half

constexpr ArgumentTest masked(unsigned index, std::uint64_t mask, std::uint64_t value) {
  return {index, Comparison::kMaskedEqual, value, mask};
}

constexpr std::array<std::string_view, 3> kIoUring{"io_uring_enter", "io_uring_register", "io_uring_setup"};
constexpr std::array<std::string_view, 2> kSendFlagsFourth{"sendmmsg", "sendto"};
constexpr std::array<std::string_view, 1> kSendFlagsThird{"sendmsg"};
constexpr std::array<std::string_view, 1> kSocket{"socket"};
constexpr std::array<std::string_view, 2> kSocketAndPair{"socket", "socketpair"};
constexpr std::array<std::string_view, 1> kSetsockopt{"setsockopt"};
constexpr std::array<std::string_view, 1> kRequestKey{"request_key"};
constexpr std::array<std::string_view, 1> kUserfaultfd{"userfaultfd"};
constexpr std::array<std::string_view, 1> kClone{"clone"};
constexpr std::array<std::string_view, 1> kClone3{"clone3"};
constexpr std::array<std::string_view, 1> kUnshare{"unshare"};
constexpr std::array<std::string_view, 1> kSetns{"setns"};
constexpr std::array<std::string_view, 1> kPtrace{"ptrace"};
constexpr std::array<std::string_view, 1> kProcessVmWritev{"process_vm_writev"};
constexpr std::array<std::string_view, 1> kPidfdGetfd{"pidfd_getfd"};
constexpr std::array<std::string_view, 1> kOpenByHandleAt{"open_by_handle_at"};
constexpr std::array<std::string_view, 1> kSeccomp{"seccomp"};
constexpr std::array<std::string_view, 1> kBpf{"bpf"};
constexpr std::array<std::string_view, 2> kKexec{"kexec_file_load", "kexec_load"};
constexpr std::array<std::string_view, 3> kModules{"delete_module", "finit_module", "init_module"};
constexpr std::array<std::string_view, 2> kMakeMount{"fsopen", "mount"};
constexpr std::array<std::string_view, 5> kChangeMounts{"fsmount", "mount_setattr", "move_mount",
                                                        "pivot_root", "umount2"};
constexpr std::array<std::string_view, 1> kChroot{"chroot"};
constexpr std::array<std::string_view, 1> kOpenTree{"open_tree"};
constexpr std::array<std::string_view, 1> kOpenTreeAttr{"open_tree_attr"};
constexpr std::array<std::string_view, 1> kIoctl{"ioctl"};

constexpr std::string_view kSecondAbis =
    "programs of other ABIs (x86, x32) cannot be given back, since the agent reads what calls of the native "
    "ABI point to, and a filter sees nothing of what socketcall does";

constexpr ArgumentTest is_not(unsigned index, std::uint64_t value) {
  return {index, Comparison::kNotEqual, value, kLowerHalf};
}

// Whether any of these bits is set.
constexpr ArgumentTest any_of(unsigned index, std::uint64_t bits) {
  return {index, Comparison::kNotEqual, 0, bits};
}

constexpr std::array<ArgumentTest, 2> option(int level, int name) {
  return {masked(1, kLowerHalf, static_cast<std::uint64_t>(level)),
          masked(2, kLowerHalf, static_cast<std::uint64_t>(name))};
}

// Newer than the headers of Debian 12's C library (include/uapi/linux/in.h, in6.h).
constexpr int kLocalPortRange = 51;
constexpr int kIpv6PacketOptions2292 = 6;
constexpr int kIpv6FlowLabels = 32;

constexpr std::array kOtherFamilies{is_not(0, AF_UNIX), is_not(0, AF_INET), is_not(0, AF_INET6),
                                    is_not(0, AF_NETLINK)};
constexpr auto kSourceRouteIpv4 = option(IPPROTO_IP, IP_OPTIONS);
constexpr auto kSourceRouteIpv6 = option(IPPROTO_IPV6, IPV6_RTHDR);
constexpr auto kSourceRouteOldIpv6 = option(IPPROTO_IPV6, kIpv6PacketOptions2292);
constexpr auto kSourceRouteByLabel = option(IPPROTO_IPV6, kIpv6FlowLabels);
constexpr auto kDeferredConnect = option(IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
constexpr auto kPortRange = option(IPPROTO_IP, kLocalPortRange);
constexpr auto kReceiveRing = option(SOL_PACKET, PACKET_RX_RING);
constexpr auto kSendRing = option(SOL_PACKET, PACKET_TX_RING);
constexpr std::array kXdpOptions{masked(1, kLowerHalf, SOL_XDP)};  // rings, and the memory of packets

constexpr std::array kFastOpenFourth{masked(3, MSG_FASTOPEN, MSG_FASTOPEN)};
constexpr std::array kFastOpenThird{masked(2, MSG_FASTOPEN, MSG_FASTOPEN)};
constexpr std::array kSctpIpv4{masked(0, kLowerHalf, AF_INET), masked(2, kLowerHalf, IPPROTO_SCTP)};
constexpr std::array kSctpIpv6{masked(0, kLowerHalf, AF_INET6), masked(2, kLowerHalf, IPPROTO_SCTP)};
constexpr std::array kSequencedIpv4{masked(0, kLowerHalf, AF_INET),
                                    masked(1, kSocketTypeMask, SOCK_SEQPACKET)};
constexpr std::array kSequencedIpv6{masked(0, kLowerHalf, AF_INET6),
                                    masked(1, kSocketTypeMask, SOCK_SEQPACKET)};
// The kernel turns this into AF_PACKET, when the filter has seen the family (__sock_create in net/socket.c).
constexpr std::array kPacketOverIpv4{masked(0, kLowerHalf, AF_INET), masked(1, kSocketTypeMask, SOCK_PACKET)};

// The flags that make namespaces. Of clone(2) the lowest eight bits are a signal, so CLONE_NEWTIME is not
// among its flags. UNSHARE_EMPTY_MNTNS is of Linux 7.0 (include/uapi/linux/sched.h).
constexpr std::uint64_t kCloneNamespaces =
    CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;
constexpr std::uint64_t kNewTime = 0x80;
constexpr std::uint64_t kUnshareEmptyMounts = 0x100000;
constexpr std::array kClonesNamespace{any_of(0, kCloneNamespaces)};
constexpr std::array kUnsharesNamespace{any_of(0, kCloneNamespaces | kNewTime | kUnshareEmptyMounts)};

constexpr std::uint64_t kNewListener = 8;    // SECCOMP_FILTER_FLAG_NEW_LISTENER
constexpr std::uint64_t kTreeClone = 1;      // OPEN_TREE_CLONE
constexpr std::uint64_t kTreeNamespace = 2;  // OPEN_TREE_NAMESPACE, of Linux 7.0
constexpr std::array kListener{masked(1, kNewListener, kNewListener)};
constexpr std::array kClonesTree{any_of(2, kTreeClone | kTreeNamespace)};

// include/uapi/linux/btrfs.h; fs/bcachefs/bcachefs_ioctl.h. All that makes or removes folders there, or shows
// one at another place, with no right but to the folder itself.
constexpr std::array kBtrfsSnapshot{masked(1, kLowerHalf, 0x5000'9401)};
constexpr std::array kBtrfsSnapshot2{masked(1, kLowerHalf, 0x5000'9417)};
constexpr std::array kBtrfsSubvolume{masked(1, kLowerHalf, 0x5000'940e)};
constexpr std::array kBtrfsSubvolume2{masked(1, kLowerHalf, 0x5000'9418)};
constexpr std::array kBtrfsDestroy{masked(1, kLowerHalf, 0x5000'940f)};
constexpr std::array kBtrfsDestroy2{masked(1, kLowerHalf, 0x5000'943f)};
constexpr std::array kBcachefsSubvolume{masked(1, kLowerHalf, 0x4020'bc10)};
constexpr std::array kBcachefsDestroy{masked(1, kLowerHalf, 0x4020'bc11)};

// The errnos are those that a kernel without the feature gives, or one that asks for a right nobody has, so
// that programs fall back to something else. Rows on the same socket family share theirs: then one filter can
// hold them all, and `socket` need not notify.
constexpr std::string_view kFastOpenReason =
    "connects without connect(2); EOPNOTSUPP makes programs fall back to it";
constexpr std::string_view kSourceRouteReason =
    "a source route makes packets for an allowed address go to another host first";
constexpr std::string_view kSctpReason = "SCTP connects and binds through setsockopt(2) and sendmsg(2)";
constexpr std::string_view kSequencedReason =
    "with protocol 0 they are SCTP, which connects and binds through other calls";
constexpr std::string_view kNamespaces = "new namespaces, and joining others";
constexpr std::string_view kNamespacesReason =
    "in another network namespace an address is another host's, and a new user namespace gives every "
    "capability over the namespaces made in it";
constexpr std::string_view kNamespacesExecReason =
    "in another mount namespace an allowed path may be another program, and a new user namespace gives the "
    "capability to mount";
constexpr std::string_view kNamespacesLimitsReason =
    "in user and cgroup namespaces of its own a workload may mount its cgroup, and write another limit into "
    "it";
constexpr std::string_view kMountsLimitsReason =
    "a cgroup that is mounted, or mounted writable once more, lets the workload write another limit into it";
constexpr std::string_view kOthersLimitsReason =
    "has another process, whose limits are others, work for the container, or write into a cgroup";
constexpr std::string_view kRingsReason =
    "with CAP_NET_RAW it has the kernel take memory without end, which no cgroup counts; ENOPROTOOPT makes "
    "libpcap do without";
constexpr std::string_view kMountsReason =
    "a network file system connects from within the kernel, and one that the workload serves itself (FUSE) "
    "makes the agent wait for it";
constexpr std::string_view kMountsExecReason =
    "a mount over an allowed path makes another program, or another socket, of it, and what is mounted "
    "nowhere has paths of its own";

constexpr std::string_view kMountsDenyReason =
    "what is denied lies under a mount: without that, or in another mount of the same, it would be seen";
constexpr std::string_view kNamespacesDenyReason =
    "in a mount namespace that is made empty, or is another's, what is denied lies under nothing";
constexpr std::string_view kKernelDenyReason = "code in the kernel sees every file";
constexpr std::string_view kSnapshots = "snapshots and subvolumes of btrfs and bcachefs (ioctl)";
constexpr std::string_view kSnapshotsReason =
    "a snapshot shows what is in a folder at a place that other rules hold for, and covered by nothing";

constexpr BaselineRow kBaseline[] = {
    {.name = "io_uring",
     .syscalls = kIoUring,
     .errno_value = ENOSYS,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .what = "io_uring",
     .reason = "its operations connect and bind past every seccomp filter",
     .exec_reason =
         "an operation of it that executes programs has been proposed, and no filter would see it"},
    {.name = "fast_open",
     .syscalls = kSendFlagsFourth,
     .tests = kFastOpenFourth,
     .errno_value = EOPNOTSUPP,
     .for_connect = true,
     .what = "sending with MSG_FASTOPEN",
     .reason = kFastOpenReason},
    {.name = "fast_open",
     .syscalls = kSendFlagsThird,
     .tests = kFastOpenThird,
     .errno_value = EOPNOTSUPP,
     .for_connect = true,
     .what = "sending with MSG_FASTOPEN",
     .reason = kFastOpenReason},
    {.name = "fast_open",
     .syscalls = kSetsockopt,
     .tests = kDeferredConnect,
     .errno_value = ENOPROTOOPT,
     .for_connect = true,
     .what = "TCP_FASTOPEN_CONNECT (setsockopt)",
     .reason =
         "it puts a connect off until data is sent, and multipath TCP then takes the address given with "
         "the data"},
    {.name = "sctp",
     .syscalls = kSocket,
     .tests = kSctpIpv4,
     .errno_value = EPROTONOSUPPORT,
     .for_connect = true,
     .for_bind = true,
     .what = "SCTP sockets",
     .reason = kSctpReason},
    {.name = "sctp",
     .syscalls = kSocket,
     .tests = kSctpIpv6,
     .errno_value = EPROTONOSUPPORT,
     .for_connect = true,
     .for_bind = true,
     .what = "SCTP sockets",
     .reason = kSctpReason},
    {.name = "sctp",
     .syscalls = kSocket,
     .tests = kSequencedIpv4,
     .errno_value = EPROTONOSUPPORT,
     .for_connect = true,
     .for_bind = true,
     .what = "SOCK_SEQPACKET sockets over IP",
     .reason = kSequencedReason},
    {.name = "sctp",
     .syscalls = kSocket,
     .tests = kSequencedIpv6,
     .errno_value = EPROTONOSUPPORT,
     .for_connect = true,
     .for_bind = true,
     .what = "SOCK_SEQPACKET sockets over IP",
     .reason = kSequencedReason},
    {.name = "raw_packets",
     .syscalls = kSocket,
     .tests = kPacketOverIpv4,
     .errno_value = EPROTONOSUPPORT,
     .for_connect = true,
     .for_bind = true,
     .what = "SOCK_PACKET sockets",
     .reason = "of the family IPv4 by their name, they are packet sockets"},
    {.name = "socket_families",
     .syscalls = kSocketAndPair,
     .tests = kOtherFamilies,
     .errno_value = EAFNOSUPPORT,
     .for_connect = true,
     .for_bind = true,
     .what = "sockets other than Unix, IPv4, IPv6 and netlink",
     .reason = "no rule can name where they lead; some of them (RDS, TIPC, RxRPC) connect when they send"},
    {.name = "source_routes",
     .syscalls = kSetsockopt,
     .tests = kSourceRouteIpv4,
     .errno_value = EPERM,
     .for_connect = true,
     .what = "source routes (setsockopt)",
     .reason = kSourceRouteReason},
    {.name = "source_routes",
     .syscalls = kSetsockopt,
     .tests = kSourceRouteIpv6,
     .errno_value = EPERM,
     .for_connect = true,
     .what = "source routes (setsockopt)",
     .reason = kSourceRouteReason},
    {.name = "source_routes",
     .syscalls = kSetsockopt,
     .tests = kSourceRouteOldIpv6,
     .errno_value = EPERM,
     .for_connect = true,
     .what = "source routes (setsockopt)",
     .reason = kSourceRouteReason},
    {.name = "source_routes",
     .syscalls = kSetsockopt,
     .tests = kSourceRouteByLabel,
     .errno_value = EPERM,
     .for_connect = true,
     .what = "IPv6 flow labels (setsockopt)",
     .reason = "a label can carry a source route for whatever is sent with it"},
    {.name = "port_range",
     .syscalls = kSetsockopt,
     .tests = kPortRange,
     .errno_value = ENOPROTOOPT,
     .for_bind = true,
     .what = "IP_LOCAL_PORT_RANGE (setsockopt)",
     .reason = "a range of one port makes the kernel choose the port the workload wants"},
    {.name = "packet_rings",
     .syscalls = kSetsockopt,
     .tests = kReceiveRing,
     .errno_value = ENOPROTOOPT,
     .for_limits = true,
     .of_memory = true,
     .what = "rings of packet sockets (setsockopt)",
     .reason = kRingsReason},
    {.name = "packet_rings",
     .syscalls = kSetsockopt,
     .tests = kSendRing,
     .errno_value = ENOPROTOOPT,
     .for_limits = true,
     .of_memory = true,
     .what = "rings of packet sockets (setsockopt)",
     .reason = kRingsReason},
    {.name = "packet_rings",
     .syscalls = kSetsockopt,
     .tests = kXdpOptions,
     .errno_value = ENOPROTOOPT,
     .for_limits = true,
     .of_memory = true,
     .what = "options of XDP sockets (setsockopt)",
     .reason = kRingsReason},
    {.name = "userfaultfd",
     .syscalls = kUserfaultfd,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .what = "userfaultfd",
     .reason = "makes the agent wait for the workload when it reads what a call points to"},
    {.name = "clone3",
     .syscalls = kClone3,
     .errno_value = ENOSYS,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = "clone3",
     .reason = "its flags are in memory, where no filter sees which namespaces it makes; ENOSYS makes the C "
               "library call clone instead"},
    {.name = "namespaces",
     .syscalls = kClone,
     .tests = kClonesNamespace,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = kNamespaces,
     .reason = kNamespacesReason,
     .exec_reason = kNamespacesExecReason,
     .limits_reason = kNamespacesLimitsReason,
     .deny_reason = kNamespacesDenyReason},
    {.name = "namespaces",
     .syscalls = kUnshare,
     .tests = kUnsharesNamespace,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = kNamespaces,
     .reason = kNamespacesReason,
     .exec_reason = kNamespacesExecReason,
     .limits_reason = kNamespacesLimitsReason,
     .deny_reason = kNamespacesDenyReason},
    {.name = "namespaces",
     .syscalls = kSetns,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = kNamespaces,
     .reason = kNamespacesReason,
     .exec_reason = kNamespacesExecReason,
     .limits_reason = kNamespacesLimitsReason,
     .deny_reason = kNamespacesDenyReason},
    {.name = "ptrace",
     .syscalls = kPtrace,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .beside_others = true,
     .what = "ptrace",
     .reason = "makes another process act for the tracer, one that need not be under the policy",
     .exec_reason = "the agent has to trace whoever executes a program, and a process has one tracer",
     .limits_reason = kOthersLimitsReason},
    {.name = "process_vm_writev",
     .syscalls = kProcessVmWritev,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .beside_others = true,
     .what = "process_vm_writev",
     .reason = "changes the memory of another process, one that need not be under the policy",
     .limits_reason = kOthersLimitsReason},
    {.name = "proc_writes",
     .syscalls = {},
     .errno_value = EROFS,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .in_bundle = true,
     .for_limits = true,
     .beside_others = true,
     .what = "writing to files of /proc",
     .reason = "who may trace a process may write to its memory there (/proc/PID/mem), which is no call that "
               "a filter sees, be it a process that is not under the policy",
     .exec_reason = "who may trace a process may write to its memory there (/proc/PID/mem), which is no call "
                    "that a filter sees, and so give an allowed program other arguments, or other code",
     .limits_reason = kOthersLimitsReason},
    {.name = "pidfd_getfd",
     .syscalls = kPidfdGetfd,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .beside_others = true,
     .what = "pidfd_getfd",
     .reason = "takes sockets, connected and bound ones, from a process that need not be under the policy",
     .exec_reason = "takes files from another process, those of other mount namespaces too, where paths mean "
                    "something else",
     .limits_reason = "takes files from another process, those of cgroups too, where it has them open"},
    {.name = "open_by_handle_at",
     .syscalls = kOpenByHandleAt,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = "open_by_handle_at",
     .reason = "with CAP_DAC_READ_SEARCH it opens files of the host that no mount of the container shows",
     .deny_reason = "opens what lies under a mount"},
    {.name = "seccomp_listener",
     .syscalls = kSeccomp,
     .tests = kListener,
     .errno_value = EBUSY,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .what = "seccomp listeners (SECCOMP_FILTER_FLAG_NEW_LISTENER)",
     .reason = "of two listeners the later would be asked in the agent's place; the kernel answers the same "
               "to a second one"},
    {.name = "request_key",
     .syscalls = kRequestKey,
     .errno_value = ENOSYS,
     .for_connect = true,
     .what = "request_key",
     .reason = "the kernel has a program of the host look for what is asked, host names among it"},
    {.name = "bpf",
     .syscalls = kBpf,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = "bpf",
     .reason = "puts programs into the kernel, which can redirect connections and overwrite the memory of "
               "processes",
     .deny_reason = kKernelDenyReason},
    {.name = "kexec",
     .syscalls = kKexec,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = "kexec",
     .reason = "starts another kernel, which knows of no policy",
     .deny_reason = kKernelDenyReason},
    {.name = "modules",
     .syscalls = kModules,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = "kernel modules",
     .reason = "code in the kernel is under no policy",
     .deny_reason = kKernelDenyReason},
    {.name = "mounts",
     .syscalls = kMakeMount,
     .errno_value = EPERM,
     .for_connect = true,
     .for_bind = true,
     .for_exec = true,
     .for_limits = true,
     .for_deny = true,
     .what = "mounting file systems (mount, fsopen)",
     .reason = kMountsReason,
     .exec_reason = kMountsExecReason,
     .limits_reason = kMountsLimitsReason,
     .deny_reason = kMountsDenyReason},
    {.name = "mounts",
     .syscalls = kChangeMounts,
     .errno_value = EPERM,
     .for_exec = true,
     .for_unix = true,
     .for_limits = true,
     .for_deny = true,
     .what = "moving, changing and taking away mounts",
     .reason = kMountsExecReason,
     .limits_reason = kMountsLimitsReason,
     .deny_reason = kMountsDenyReason},
    {.name = "mounts",
     .syscalls = kOpenTree,
     .tests = kClonesTree,
     .errno_value = EPERM,
     .for_exec = true,
     .for_unix = true,
     .for_limits = true,
     .for_deny = true,
     .what = "moving, changing and taking away mounts",
     .reason = kMountsExecReason,
     .limits_reason = kMountsLimitsReason,
     .deny_reason = kMountsDenyReason},
    {.name = "mounts",
     .syscalls = kOpenTreeAttr,
     .errno_value = EPERM,
     .for_exec = true,
     .for_unix = true,
     .for_limits = true,
     .for_deny = true,
     .where_known = true,
     .what = "open_tree_attr",
     .reason = "clones mounts like open_tree",
     .limits_reason = kMountsLimitsReason,
     .deny_reason = kMountsDenyReason},
    {.name = "chroot",
     .syscalls = kChroot,
     .errno_value = EPERM,
     .for_exec = true,
     .what = "chroot",
     .reason =
         "in a root of the workload's own the loader of an allowed program (ld.so) is any file that lies "
         "in its place"},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBtrfsSnapshot,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBtrfsSnapshot2,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBtrfsSubvolume,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBtrfsSubvolume2,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBtrfsDestroy,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBtrfsDestroy2,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBcachefsSubvolume,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
    {.name = "snapshots",
     .syscalls = kIoctl,
     .tests = kBcachefsDestroy,
     .errno_value = ENOTTY,
     .for_deny = true,
     .for_files = true,
     .what = kSnapshots,
     .reason = kSnapshotsReason},
};

// A row whose call some libseccomp does not know is one of its own, so that it alone is named as open then.
static_assert(std::all_of(std::begin(kBaseline), std::end(kBaseline), [](const BaselineRow& row) {
  return !row.name.empty() && row.syscalls.empty() == row.in_bundle && row.errno_value > 0 &&
         !row.what.empty() && !row.reason.empty() &&
         (row.for_connect || row.for_bind || row.for_exec || row.for_limits || row.for_deny) &&
         (!row.where_known || row.syscalls.size() == 1);
}));

constexpr OpenWay kLeftOpen[] = {
    {.for_connect = true,
     .for_bind = true,
     .what = "raw sockets",
     .reason = "a container with CAP_NET_RAW can write packets itself; take the capability away, or refuse "
               "`socket` with SOCK_RAW in `syscalls`"},
    {.for_bind = true,
     .what = "ports the kernel chooses",
     .reason = "listen(2) on an unbound socket, connect(2) and sendto(2) bind one from the ephemeral range"},
    {.for_connect = true,
     .what = "connections the kernel makes itself",
     .reason = "tunnels, more paths of multipath TCP, file systems that are mounted already: for those with "
               "CAP_NET_ADMIN, or whom the bundle gives them"},
    {.for_connect = true,
     .for_bind = true,
     .what = "sockets received from another process",
     .reason = "a descriptor passed over a Unix socket, or inherited, is as connected and bound as it came, "
               "and keeps the options it came with"},
    {.for_limits = true,
     .what = "what no cgroup counts",
     .reason = "pages of hugetlbfs, and what the host does for the container elsewhere, as the agent does"},
    {.for_limits = true,
     .of_memory = true,
     .what = "buffers of sockets that no cgroup counts",
     .reason = "those of netlink, raw and packet sockets, each up to net.core.rmem_max and wmem_max: "
               "/limits/processes and /limits/open_files bound how many sockets there are"},
    {.for_limits = true,
     .beside_others = true,
     .what = "processes of others in sight",
     .reason =
         "who runs as the user of such a process, and has no fewer capabilities, sees the files that it "
         "sees (/proc/PID/root): keep writable cgroups from whoever shares the pid namespace"},
    {.for_deny = true,
     .what = "denied files that somebody outside replaces",
     .reason = "who renames another file to a denied name, or removes what has it, on the host or in another "
               "container, takes the cover away: deny the folder that such a file is in"},
    {.for_deny = true,
     .what = "other names of what lies below a denied folder",
     .reason = "hard links that were made to it before lead to it all the same"},
    {.for_deny = true,
     .what = "folders in front of a denied path",
     .reason = "who may rename one can make another path of the denied name; and for a later container on "
               "the same file system what was denied lies under the folder's new name: deny what is at the "
               "top of a volume, or refuse the renaming by /files/write"},
    {.for_deny = true,
     .what = "other device files for a denied device",
     .reason =
         "for those with CAP_MKNOD, of devices that the container's cgroup admits; a list of /files/write "
         "refuses to make any"},
    {.for_deny = true,
     .what = "processes of others in sight",
     .reason =
         "who may look at a process outside the container, as in a shared pid namespace, sees what that "
         "sees (/proc/PID/root), unless a list of /files is beside"},
    {.for_exec = true,
     .what = "files received from another container",
     .reason = "a descriptor passed over a Unix socket has the path that its file has there"},
    {.for_exec = true,
     .what = "what an allowed program does",
     .reason = "exec rules are about programs and arguments: LD_PRELOAD, plugins and scripts given as input "
               "make an allowed program run other code within itself"},
    {.for_exec = true,
     .what = "what is in an allowed file",
     .reason = "who may write to it, or put another in its place, makes another program of it: allow paths "
               "that the workload cannot write to"},
};

constexpr struct {
  std::string_view name;
  std::string_view why;
} kNeverGivenBack[] = {
    {"second_abis", kSecondAbis},
    {"x86", kSecondAbis},
    {"x32", kSecondAbis},
    {"socketcall", kSecondAbis},
};

bool names(const SyscallRule& rule, std::string_view name) {
  return std::find(rule.names.begin(), rule.names.end(), name) != rule.names.end();
}

bool permits(const SyscallRule& rule) { return rule.action == Action::kAllow || rule.action == Action::kLog; }

// In front of the first rule that would let the call through: what the policy refuses before that, it refuses
// in its own way, and what comes after can only refuse what would be refused here.
void insert_baseline(std::vector<SyscallRule>& rules, const BaselineRow& row, std::string_view name) {
  const auto place = std::find_if(rules.begin(), rules.end(), [name](const SyscallRule& rule) {
    return permits(rule) && names(rule, name);
  });
  rules.insert(place, SyscallRule{.pointer = std::string(kBaselinePointer).append(row.name),
                                  .names = {std::string(name)},
                                  .args = {row.tests.begin(), row.tests.end()},
                                  .action = Action::kErrno,
                                  .errno_value = row.errno_value});
}

}  // namespace

std::span<const BaselineRow> baseline() { return kBaseline; }

std::vector<std::string_view> baseline_names() {
  std::vector<std::string_view> names;
  for (const BaselineRow& row : kBaseline) {
    if (std::find(names.begin(), names.end(), row.name) == names.end()) names.push_back(row.name);
  }
  return names;
}

std::string_view why_never_given_back(std::string_view name) {
  for (const auto& one : kNeverGivenBack) {
    if (one.name == name) return one.why;
  }
  return {};
}

std::span<const OpenWay> left_open() { return kLeftOpen; }

const UnsafeAllow* given_back(const BaselineRow& row, const Policy& policy) {
  const auto found =
      std::find_if(policy.unsafe_allow.begin(), policy.unsafe_allow.end(), [&row](const UnsafeAllow& one) {
        return one.name == row.name ||
               (row.in_bundle && (one.name == "ptrace" || one.name == "process_vm_writev"));
      });
  return found == policy.unsafe_allow.end() ? nullptr : &*found;
}

std::string reason_for(const BaselineRow& row, const Policy& policy) {
  Policy network;
  network.network = policy.network;
  const bool for_exec = row.for_exec && policy.exec && policy.exec->restricts();
  const bool for_limits = concerns_limits(row, policy);
  const bool for_deny = concerns_deny(row, policy);
  const auto own = [](bool needed, std::string_view reason) { return needed ? reason : std::string_view(); };
  const bool common = concerns(row, network) || (for_exec && row.exec_reason.empty()) ||
                      (for_limits && row.limits_reason.empty()) || (for_deny && row.deny_reason.empty()) ||
                      concerns_files(row, policy);
  std::string reason;
  for (const std::string_view part : {own(common, row.reason), own(for_exec, row.exec_reason),
                                      own(for_limits, row.limits_reason), own(for_deny, row.deny_reason)}) {
    if (part.empty()) continue;
    reason += reason.empty() ? "" : "; ";
    reason += part;
  }
  return reason;
}

Policy complete(const Policy& policy) {
  Policy completed = policy;
  if (policy.mode == Mode::kAudit) return completed;
  for (const BaselineRow& row : kBaseline) {
    if (!concerns(row, policy) || given_back(row, policy) != nullptr) continue;
    for (const std::string_view name : row.syscalls) insert_baseline(completed.syscalls, row, name);
  }
  return completed;
}

}  // namespace tidewaiter::policy
