#include "supervisor/operations/send.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/uio.h>
#include <sys/un.h>

#include <cerrno>

#include "oci/policy/address.h"
#include "supervisor/report/event.h"
#include "tests/supervisor/supervised_call.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;
using Socket = ScriptedKernel::Socket;

constexpr Socket kUnixStream{AF_UNIX, SOCK_STREAM, 0, 81};
constexpr Socket kUnixDatagram{AF_UNIX, SOCK_DGRAM, 0, 82};
constexpr Socket kUnixPackets{AF_UNIX, SOCK_SEQPACKET, 0, 83};
constexpr Socket kNetlink{AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 84};
constexpr Socket kPing{AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 85};
constexpr Socket kRaw{AF_INET, SOCK_RAW, IPPROTO_UDP, 86};

const Supervision& supervision() {
  static const Supervision made = supervision_of(R"({"version": 1, "network": {
      "allow": ["udp://192.0.2.1:53", "127.0.0.1:7", "udp://[2001:db8::1]:53", "udp://[::1]:8"]}})");
  return made;
}

// Where a target keeps what: the message header, the name (kPointer), the bytes, the segments, the control
// data.
constexpr std::uint64_t kHeader = 8192;
constexpr std::uint64_t kBytes = 16384;
constexpr std::uint64_t kSegments = 20480;
constexpr std::uint64_t kControl = 24576;

constexpr const char* kStatus =
    "Name:\tx\nTgid:\t90\nPid:\t100\nPPid:\t1\nUid:\t1000\t1001\t1002\t1001\nGid:\t2000\t2001\t2002\t2001\n"
    "NStgid:\t90\t9\n";

Bytes text(const std::string& what) {
  const auto bytes = std::as_bytes(std::span(what));
  return {bytes.begin(), bytes.end()};
}

template <typename Data>
Bytes control_message(int level, int type, const Data& data) {
  Bytes bytes(CMSG_SPACE(sizeof data));
  struct cmsghdr header {};
  header.cmsg_len = CMSG_LEN(sizeof data);
  header.cmsg_level = level;
  header.cmsg_type = type;
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + CMSG_LEN(0), &data, sizeof data);
  return bytes;
}

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

// What goes along with every message on a Unix socket: whose it is.
Bytes credentials(pid_t pid = 90, uid_t uid = 1000, gid_t gid = 2000) {
  return control_message(SOL_SOCKET, SCM_CREDENTIALS, ucred{pid, uid, gid});
}

// A target with one socket that sends one message.
class Sends : public testing::Test {
 protected:
  Sends() { kernel.put_process(kTid, {kStatus, "/bin/x"}); }

  void put_header(std::uint64_t at, struct msghdr header) { kernel.put_memory(at, bytes_of(header)); }

  struct msghdr message(const std::optional<Bytes>& name, const Bytes& payload, const Bytes& control) {
    struct msghdr header {};
    if (name) {
      kernel.put_memory(kPointer, *name);
      header.msg_name = pointer(kPointer);
      header.msg_namelen = static_cast<socklen_t>(name->size());
    }
    kernel.put_memory(kBytes, payload);
    kernel.put_memory(kSegments, bytes_of(iovec{pointer(kBytes), payload.size()}));
    header.msg_iov = static_cast<struct iovec*>(pointer(kSegments));
    header.msg_iovlen = 1;
    if (!control.empty()) {
      kernel.put_memory(kControl, control);
      header.msg_control = pointer(kControl);
      header.msg_controllen = control.size();
    }
    return header;
  }

  static void* pointer(std::uint64_t address) {
    return reinterpret_cast<void*>(static_cast<std::uintptr_t>(address));
  }

  Outcome run(const struct seccomp_notif& call, const Supervision& by = supervision()) {
    return operation.run(send, by, call);
  }

  // sendmsg(3, kHeader, flags).
  Outcome sendmsg(Socket socket, const std::optional<Bytes>& name, const Bytes& control = {}, int flags = 0,
                  const Bytes& payload = text("hello")) {
    kernel.put_socket(kSocketNumber, socket);
    put_header(kHeader, message(name, payload, control));
    return run(notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, static_cast<std::uint32_t>(flags)}));
  }

  Outcome sendto(Socket socket, const std::optional<Bytes>& name, int flags = 0) {
    kernel.put_socket(kSocketNumber, socket);
    kernel.put_memory(kBytes, text("hello"));
    kernel.put_memory(kPointer, name.value_or(Bytes{}));
    return run(notification_of(1, SYS_sendto,
                               {kSocketNumber, kBytes, 5, static_cast<std::uint32_t>(flags),
                                name ? kPointer : 0, name ? name->size() : 0}));
  }

  void expect_refused(const Outcome& outcome, int errno_value) {
    EXPECT_EQ(outcome.answer.kind, Answer::Kind::kErrno);
    EXPECT_EQ(outcome.answer.errno_value, errno_value) << ::strerrorname_np(outcome.answer.errno_value);
    EXPECT_TRUE(kernel.performed().empty());
  }

  // Sent once, with this name and this control data.
  void expect_sent(const Outcome& outcome, const Bytes& name, const Bytes& control = {},
                   const Bytes& payload = text("hello")) {
    EXPECT_EQ(outcome.answer.kind, Answer::Kind::kValue) << outcome.answer.errno_value;
    EXPECT_EQ(outcome.answer.value, static_cast<std::int64_t>(payload.size()));
    const auto performed = kernel.performed();
    ASSERT_EQ(performed.size(), 1U);
    EXPECT_EQ(performed[0].bytes, name);
    EXPECT_EQ(performed[0].control, control);
    EXPECT_EQ(performed[0].payload, payload);
    EXPECT_NE(performed[0].value & MSG_NOSIGNAL, 0);
  }

  ScriptedKernel kernel;
  OperationRun operation{kernel};
};

// --- where a message goes ---------------------------------------------------------------------------

struct DestinationCase {
  const char* name;
  Socket socket;
  Bytes address;
  int refused;                   // the errno; 0: it is sent
  std::optional<Bytes> sent_to;  // absent: what was captured
};

TEST_F(Sends, ADatagramWhereItIsAllowed) {
  const DestinationCase cases[] = {
      {"allowed", kUdp4, ipv4("192.0.2.1", 53), 0, {}},
      {"another port", kUdp4, ipv4("192.0.2.1", 54), EACCES, {}},
      {"another address", kUdp4, ipv4("192.0.2.2", 53), EACCES, {}},
      {"IPv4 by AF_UNSPEC", kUdp4, ipv4("192.0.2.1", 53, AF_UNSPEC), 0, ipv4("192.0.2.1", 53)},
      {"the same, refused", kUdp4, ipv4("192.0.2.2", 53, AF_UNSPEC), EACCES, {}},
      {"this host", kUdp4, ipv4("0.0.0.0", 7), 0, ipv4("127.0.0.1", 7)},
      {"this host, refused", kUdp4, ipv4("0.0.0.0", 8), EACCES, {}},
      {"IPv6", kUdp6, ipv6("2001:db8::1", 53), 0, {}},
      {"IPv6, refused", kUdp6, ipv6("2001:db8::2", 53), EACCES, {}},
      {"this host in IPv6", kUdp6, ipv6("::", 8), 0, ipv6("::1", 8)},
      {"IPv4 in IPv6", kUdp6, ipv6("::ffff:192.0.2.1", 53), 0, {}},
      {"IPv4 in IPv6, refused", kUdp6, ipv6("::ffff:192.0.2.2", 53), EACCES, {}},
      {"IPv4 on an IPv6 socket", kUdp6, ipv4("192.0.2.1", 53), 0, {}},
      {"the same, refused", kUdp6, ipv4("192.0.2.2", 53), EACCES, {}},
      {"AF_UNSPEC is no address to IPv6", kUdp6, ipv4("192.0.2.2", 53, AF_UNSPEC), 0, Bytes{}},
      {"too short", kUdp4, resized(ipv4("192.0.2.1", 53), 15), EINVAL, {}},
      {"too short for IPv6", kUdp6, resized(ipv6("2001:db8::1", 53), 23), EINVAL, {}},
      {"a byte", kUdp6, resized(ipv6("2001:db8::1", 53), 1), EINVAL, {}},
      {"another family", kUdp4, ipv6("2001:db8::1", 53), EAFNOSUPPORT, {}},
      {"another family on IPv6", kUdp6, ipv4("192.0.2.1", 53, AF_UNIX), EINVAL, {}},
      {"a stream has none", kTcp4, ipv4("192.0.2.2", 53), 0, Bytes{}},
      {"nor one of multipath TCP",
       {AF_INET, SOCK_STREAM, IPPROTO_MPTCP, 1},
       ipv4("192.0.2.2", 53),
       0,
       Bytes{}},
      {"ping", kPing, ipv4("192.0.2.1", 0), EACCES, {}},
      {"raw", kRaw, ipv4("192.0.2.1", 53), EACCES, {}},
      {"a Unix datagram", kUnixDatagram, text(std::string("\1\0\0x", 4)), EACCES, {}},
      {"another kind of socket", {AF_VSOCK, SOCK_DGRAM, 0, 1}, text("x"), EACCES, {}},
  };
  std::size_t sent = 0;
  for (const DestinationCase& test : cases) {
    for (const bool by_message : {false, true}) {
      SCOPED_TRACE(std::string(test.name) + (by_message ? " by sendmsg" : " by sendto"));
      const Outcome outcome =
          by_message ? sendmsg(test.socket, test.address) : sendto(test.socket, test.address);
      if (test.refused != 0) {
        EXPECT_EQ(outcome.answer.kind, Answer::Kind::kErrno);
        EXPECT_EQ(outcome.answer.errno_value, test.refused);
        EXPECT_TRUE(kernel.calls(Kind::kSend).size() == sent) << "something was sent";
      } else {
        EXPECT_EQ(outcome.answer.kind, Answer::Kind::kValue) << outcome.answer.errno_value;
        ASSERT_EQ(kernel.calls(Kind::kSend).size(), ++sent);
        EXPECT_EQ(kernel.calls(Kind::kSend).back().bytes, test.sent_to.value_or(test.address));
        EXPECT_EQ(kernel.calls(Kind::kSend).back().cookie, test.socket.cookie);
      }
    }
  }
}

TEST_F(Sends, WhatHasNoAddressWithoutADecisionToReport) {
  for (const Socket& socket : {kUdp4, kUdp6, kTcp4, kPing, kRaw}) {
    const Outcome outcome = sendmsg(socket, {});
    EXPECT_EQ(outcome.answer.kind, Answer::Kind::kValue);
    ASSERT_TRUE(outcome.decision);
    EXPECT_FALSE(outcome.decision->log);
    EXPECT_TRUE(kernel.calls(Kind::kSend).back().bytes.empty());
  }
}

TEST_F(Sends, AnAddressThatSaysNothingIsTheKernelsToJudge) {
  const Bytes path = text(std::string("\1\0/x", 4));
  for (const Socket& socket : {kUnixStream, kUnixPackets}) {
    EXPECT_EQ(sendmsg(socket, path).answer.kind, Answer::Kind::kValue);
    EXPECT_EQ(kernel.calls(Kind::kSend).back().bytes, path);
  }
}

TEST_F(Sends, NothingThatConnects) {
  const Outcome outcome = sendmsg(kTcp4, ipv4("127.0.0.1", 7), {}, MSG_FASTOPEN);
  expect_refused(outcome, EOPNOTSUPP);
}

TEST_F(Sends, ReportsSizeAndDestinationOfARefusal) {
  const Outcome outcome = sendmsg(kUdp4, ipv4("192.0.2.2", 53));
  expect_refused(outcome, EACCES);
  ASSERT_TRUE(outcome.endpoint);
  EXPECT_EQ(to_string(outcome.endpoint->address), "192.0.2.2");
  EXPECT_EQ(outcome.size, 5U);
  EXPECT_TRUE(outcome.decision->log);
}

TEST_F(Sends, NothingInAuditMode) {
  const Supervision audit = supervision_of(R"({"version": 1, "mode": "audit", "network": {"allow": []}})");
  kernel.put_socket(kSocketNumber, kUdp4);
  put_header(kHeader, message(ipv4("192.0.2.1", 53), text("hello"), {}));
  const Outcome outcome = run(notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0}), audit);
  EXPECT_EQ(outcome.answer.kind, Answer::Kind::kLetRun);
  EXPECT_EQ(outcome.decision->verdict, policy::Verdict::kDeny);
  EXPECT_TRUE(kernel.performed().empty());
}

// --- netlink ----------------------------------------------------------------------------------------

Bytes request(std::uint16_t type, std::uint32_t length = sizeof(struct nlmsghdr)) {
  struct nlmsghdr header {};
  header.nlmsg_len = length;
  header.nlmsg_type = type;
  header.nlmsg_flags = NLM_F_REQUEST;
  return bytes_of(header);
}

TEST_F(Sends, OnlyQuestionsToRtnetlink) {
  struct sockaddr_nl to_kernel {};
  to_kernel.nl_family = AF_NETLINK;
  struct sockaddr_nl to_process = to_kernel;
  to_process.nl_pid = 7;
  struct sockaddr_nl to_group = to_kernel;
  to_group.nl_groups = 1;
  const Socket audit{AF_NETLINK, SOCK_RAW, NETLINK_AUDIT, 1};
  const struct {
    const char* name;
    Socket socket;
    std::optional<Bytes> to;
    Bytes request;
    bool sent;
  } cases[] = {
      {"a question", kNetlink, bytes_of(to_kernel), request(RTM_GETADDR), true},
      {"to whom it is connected", kNetlink, {}, request(RTM_GETLINK), true},
      {"two", kNetlink, {}, request(RTM_GETLINK) + request(RTM_GETROUTE), true},
      {"nothing", kNetlink, {}, {}, true},
      {"what the kernel does not look at", kNetlink, {}, request(RTM_NEWROUTE, 17), true},
      {"a change", kNetlink, {}, request(RTM_NEWROUTE), false},
      {"a removal", kNetlink, bytes_of(to_kernel), request(RTM_DELADDR), false},
      {"a setting", kNetlink, {}, request(RTM_SETLINK), false},
      {"a change after a question", kNetlink, {}, request(RTM_GETLINK) + request(RTM_NEWLINK), false},
      {"to a process", kNetlink, bytes_of(to_process), request(RTM_GETLINK), false},
      {"to a group", kNetlink, bytes_of(to_group), request(RTM_GETLINK), false},
      {"another protocol", audit, {}, request(RTM_GETLINK), false},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.name);
    const std::size_t before = kernel.performed().size();
    const Outcome outcome = sendmsg(test.socket, test.to, {}, 0, test.request);
    EXPECT_EQ(outcome.answer.kind, test.sent ? Answer::Kind::kValue : Answer::Kind::kErrno);
    if (!test.sent) {
      EXPECT_EQ(outcome.answer.errno_value, EACCES);
    }
    EXPECT_EQ(kernel.performed().size(), before + (test.sent ? 1 : 0));
  }
  EXPECT_EQ(sendmsg(kNetlink, {}, credentials(), 0, request(RTM_GETLINK)).answer.errno_value, EINVAL);
}

// --- control messages -------------------------------------------------------------------------------

TEST_F(Sends, AlongWhatOnlyConcernsTheMessage) {
  const in_pktinfo from{};
  const Bytes harmless =
      control_message(IPPROTO_IP, IP_TTL, 9) + control_message(IPPROTO_IP, IP_PKTINFO, from) +
      control_message(IPPROTO_IPV6, IPV6_TCLASS, 1) + control_message(SOL_SOCKET, SO_PRIORITY, 6);
  expect_sent(sendmsg(kUdp4, ipv4("192.0.2.1", 53), harmless + credentials()), ipv4("192.0.2.1", 53),
              harmless);
}

TEST_F(Sends, NoControlMessageThatLeadsElsewhereOrTakesACapability) {
  constexpr int kOldHopOptions = 3;
  constexpr int kOldRoutingHeader = 5;
  const std::pair<int, int> refused[] = {
      {SOL_SOCKET, SO_MARK},          {IPPROTO_IP, IP_RETOPTS},          {IPPROTO_IPV6, IPV6_RTHDR},
      {IPPROTO_IPV6, kOldHopOptions}, {IPPROTO_IPV6, kOldRoutingHeader}, {IPPROTO_IPV6, IPV6_HOPOPTS},
      {IPPROTO_IPV6, IPV6_DSTOPTS},   {IPPROTO_IPV6, IPV6_RTHDRDSTOPTS},
  };
  for (const auto& [level, type] : refused) {
    SCOPED_TRACE(testing::Message() << level << ' ' << type);
    for (const Socket& socket : {kUdp4, kUdp6, kTcp4}) {
      const Outcome outcome = sendmsg(socket, {}, control_message(level, type, 1));
      expect_refused(outcome, EPERM);
      ASSERT_TRUE(outcome.decision);
      EXPECT_TRUE(outcome.decision->log);
    }
  }
  expect_refused(sendmsg(kUdp4, {}, control_message(SOL_SOCKET, SO_PRIORITY, 7)), EPERM);
  expect_refused(sendmsg(kUdp4, {}, control_message(SOL_SOCKET, SO_PRIORITY, -1)), EPERM);
  expect_refused(sendmsg(kUdp4, {}, control_message(SOL_SOCKET, SO_PRIORITY, 1LL)), EINVAL);
}

TEST_F(Sends, NoControlMessageThatItDoesNotKnow) {
  for (const Socket& socket : {kUdp4, kUdp6, kTcp4, kUnixStream}) {
    expect_refused(sendmsg(socket, {}, control_message(SOL_SOCKET, 4711, 1)), EINVAL);
  }
  expect_refused(sendmsg(kUdp4, {}, control_message(IPPROTO_SCTP, 0, 1)), EINVAL);
  Bytes overlong = control_message(IPPROTO_IP, IP_TTL, 9);
  const std::size_t length = 99;
  std::memcpy(overlong.data(), &length, sizeof length);
  expect_refused(sendmsg(kUdp4, {}, overlong), EINVAL);
  expect_refused(sendmsg(kUdp4, {}, Bytes(20481)), ENOBUFS);
}

TEST_F(Sends, WhoseAMessageIs) { expect_sent(sendmsg(kUnixDatagram, {}), {}, credentials()); }

TEST_F(Sends, CredentialsThatTheTargetMayGiveItself) {
  for (const auto& [uid, gid] : {std::pair{1000U, 2000U}, {1001U, 2001U}, {1002U, 2002U}}) {
    EXPECT_EQ(sendmsg(kUnixStream, {}, credentials(9, uid, gid)).answer.kind, Answer::Kind::kValue);
    EXPECT_EQ(kernel.performed().back().control, credentials(90, uid, gid));
  }
}

TEST_F(Sends, NoCredentialsOfAnybodyElse) {
  for (const Bytes& other : {credentials(90, 1000, 2000), credentials(1, 1000, 2000), credentials(9, 0, 2000),
                             credentials(9, 1000, 0)}) {
    const Outcome outcome = sendmsg(kUnixStream, {}, other);
    expect_refused(outcome, EPERM);
    EXPECT_TRUE(outcome.decision && outcome.decision->log);
  }
  expect_refused(sendmsg(kUnixStream, {}, control_message(SOL_SOCKET, SCM_CREDENTIALS, 1)), EINVAL);
}

TEST_F(Sends, CredentialsAsAnotherUserNamespaceNamesThem) {
  kernel.put_process(
      kTid, {kStatus, "/bin/x", "         0       1000          1\n         5       2000         10\n"});
  kernel.set_shares_users(false);
  expect_sent(sendmsg(kUnixStream, {}, credentials(9, 0, 5)), {}, credentials(90, 1000, 2000));
  for (const Bytes& other : {credentials(9, 5, 5), credentials(9, 0, 0)}) {
    EXPECT_EQ(sendmsg(kUnixStream, {}, other).answer.errno_value, EPERM);
  }
  // Nobody there has such a number.
  EXPECT_EQ(sendmsg(kUnixStream, {}, credentials(9, 1000, 5)).answer.errno_value, EINVAL);
  EXPECT_EQ(kernel.performed().size(), 1U);
}

TEST_F(Sends, NothingWhereItCannotTellWhose) {
  kernel.put_process(kTid, {"Name:\tx\n", "/bin/x"});
  expect_refused(sendmsg(kUnixStream, {}), EPERM);
  kernel.fail_always(Kind::kReadProcFile, ENOENT);
  expect_refused(sendmsg(kUnixStream, {}), ENOENT);
}

TEST_F(Sends, CopiesOfDescriptors) {
  kernel.put_file(700);
  const Outcome outcome = sendmsg(
      kUnixStream, {}, control_message(SOL_SOCKET, SCM_RIGHTS, std::array<int, 2>{700, kSocketNumber}));
  EXPECT_EQ(outcome.answer.kind, Answer::Kind::kValue);
  const auto duplicated = kernel.calls(Kind::kDuplicateFd);
  ASSERT_EQ(duplicated.size(), 3U);
  EXPECT_EQ(duplicated[1].socket, 700);
  EXPECT_EQ(duplicated[2].socket, kSocketNumber);
  ASSERT_EQ(kernel.performed().size(), 1U);
  const Bytes control = kernel.performed()[0].control;
  ASSERT_EQ(control.size(), credentials().size() + CMSG_SPACE(2 * sizeof(int)));
  int sent = 0;
  std::memcpy(&sent, control.data() + credentials().size() + CMSG_LEN(0), sizeof sent);
  EXPECT_NE(sent, 700) << "the agent's own descriptor";

  EXPECT_EQ(sendmsg(kUnixStream, {}, control_message(SOL_SOCKET, SCM_RIGHTS, 8)).answer.errno_value, EBADF);
  EXPECT_EQ(sendmsg(kUnixStream, {}, control_message(SOL_SOCKET, SCM_RIGHTS, -1)).answer.errno_value, EBADF);
  std::array<int, 254> many{};
  many.fill(700);
  EXPECT_EQ(sendmsg(kUnixStream, {}, control_message(SOL_SOCKET, SCM_RIGHTS, many)).answer.errno_value,
            EINVAL);
  EXPECT_EQ(kernel.performed().size(), 1U);
}

// --- bounds and failures ----------------------------------------------------------------------------

TEST_F(Sends, FailsWhereTheTargetsMemoryCannotBeRead) {
  const auto reads = [&] {
    (void)sendmsg(kUdp4, ipv4("192.0.2.1", 53), control_message(IPPROTO_IP, IP_TTL, 9));
    return kernel.calls();
  }();
  std::size_t failed = 0;
  for (std::size_t index = 0; index < reads.size(); ++index) {
    if (reads[index].kind != Kind::kReadMemory) continue;
    SCOPED_TRACE(index);
    ++failed;
    ScriptedKernel other;
    other.put_socket(kSocketNumber, kUdp4);
    other.put_process(kTid, {kStatus, "/bin/x"});
    struct msghdr header =
        message(ipv4("192.0.2.1", 53), text("hello"), control_message(IPPROTO_IP, IP_TTL, 9));
    other.put_memory(kHeader, bytes_of(header));
    other.put_memory(kPointer, ipv4("192.0.2.1", 53));
    other.put_memory(kBytes, text("hello"));
    other.put_memory(kSegments, bytes_of(iovec{pointer(kBytes), 5}));
    other.put_memory(kControl, control_message(IPPROTO_IP, IP_TTL, 9));
    other.fail_at(index, EFAULT);
    OperationRun run(other);
    const Outcome outcome =
        run.run(send, supervision(), notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0}));
    EXPECT_EQ(outcome.answer.errno_value, EFAULT);
    EXPECT_FALSE(outcome.decision);
    EXPECT_TRUE(other.performed().empty());
  }
  EXPECT_EQ(failed, 5U);  // header, name, segments, control, bytes
}

// Whatever fails, nothing is sent that was not decided, and nothing succeeds that was not sent.
TEST_F(Sends, FailsClosedWhateverFails) {
  for (std::size_t index = 0; index < 40; ++index) {
    SCOPED_TRACE(index);
    ScriptedKernel other;
    other.put_socket(kSocketNumber, kUnixStream);
    other.put_process(kTid, {kStatus, "/bin/x"});
    other.put_memory(kHeader,
                     bytes_of(message({}, text("hello"), control_message(SOL_SOCKET, SCM_RIGHTS, 3))));
    other.put_memory(kBytes, text("hello"));
    other.put_memory(kSegments, bytes_of(iovec{pointer(kBytes), 5}));
    other.put_memory(kControl, control_message(SOL_SOCKET, SCM_RIGHTS, 3));
    other.fail_from(index, EIO);
    OperationRun run(other);
    const Outcome outcome =
        run.run(send, supervision(), notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0}));
    const bool sent = other.calls(Kind::kSend).size() == 1 && index > other.calls().size() - 2;
    EXPECT_EQ(outcome.answer.kind == Answer::Kind::kValue, sent);
  }
}

TEST_F(Sends, NothingForATargetThatIsGone) {
  kernel.put_socket(kSocketNumber, kUdp4);
  put_header(kHeader, message(ipv4("192.0.2.1", 53), text("hello"), {}));
  kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kIdValid) kernel.invalidate(1);
  };
  expect_refused(run(notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0})), EINTR);
}

TEST_F(Sends, BoundsWhatTheTargetChooses) {
  kernel.put_socket(kSocketNumber, kUdp4);
  const auto with = [&](auto change) {
    struct msghdr header = message({}, text("hello"), {});
    change(header);
    put_header(kHeader, header);
    return run(notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0}));
  };
  expect_refused(with([](struct msghdr& header) { header.msg_iovlen = 1025; }), EMSGSIZE);
  expect_refused(with([](struct msghdr& header) { header.msg_controllen = 20481; }), ENOBUFS);
  expect_refused(with([](struct msghdr& header) {
                   header.msg_name = pointer(kPointer);
                   header.msg_namelen = 0x80000000;
                 }),
                 EINVAL);
  kernel.put_memory(kSegments, bytes_of(iovec{pointer(kBytes), 0x10000}));
  put_header(kHeader, [&] {
    struct msghdr header {};
    header.msg_iov = static_cast<struct iovec*>(pointer(kSegments));
    header.msg_iovlen = 1;
    return header;
  }());
  const auto call = notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0});
  expect_refused(run(call), EMSGSIZE);  // UDP
  kernel.put_memory(kSegments, bytes_of(iovec{pointer(kBytes), (512U << 10U) + 1}));
  kernel.put_socket(kSocketNumber, kUnixDatagram);
  expect_refused(run(call), EMSGSIZE);
  kernel.put_memory(kSegments, bytes_of(iovec{pointer(kBytes), ~std::size_t{0}}));
  expect_refused(run(call), EINVAL);
}

TEST_F(Sends, FailsAsTheCallItselfWould) {
  put_header(kHeader, message({}, text("hello"), {}));
  const auto call = notification_of(1, SYS_sendmsg, {kSocketNumber, kHeader, 0});
  expect_refused(run(call), EBADF);
  kernel.put_file(kSocketNumber);
  expect_refused(run(call), ENOTSOCK);
}

TEST_F(Sends, OnlyTheFlagsThatAreItsOwn) {
  (void)sendmsg(kUdp4, {}, {}, MSG_MORE | MSG_CONFIRM | MSG_ZEROCOPY | 0x800000, text("x"));
  ASSERT_EQ(kernel.performed().size(), 1U);
  EXPECT_EQ(kernel.performed()[0].value, MSG_MORE | MSG_CONFIRM | MSG_NOSIGNAL | MSG_DONTWAIT);
}

// --- streams, and calls that wait -------------------------------------------------------------------

TEST_F(Sends, AStreamPieceByPiece) {
  Bytes much(300'000);
  for (std::size_t i = 0; i < much.size(); ++i) much[i] = static_cast<std::byte>(i % 251);
  // The scripted memory knows no ranges.
  constexpr std::size_t kPiece = 128U << 10U;
  for (std::size_t at = 0; at < much.size(); at += kPiece) {
    kernel.put_memory(kBytes + at, std::span(much).subspan(at, std::min(kPiece, much.size() - at)));
  }
  kernel.put_socket(kSocketNumber, kTcp4);
  const auto call = notification_of(1, SYS_sendto, {kSocketNumber, kBytes, much.size(), MSG_OOB, 0, 0});
  EXPECT_EQ(run(call).answer.value, static_cast<std::int64_t>(much.size()));
  const auto performed = kernel.performed();
  ASSERT_EQ(performed.size(), 3U);
  EXPECT_EQ(performed[0].payload + performed[1].payload + performed[2].payload, much);
  // Only the last byte is urgent.
  EXPECT_EQ(performed[0].value, MSG_MORE | MSG_NOSIGNAL | MSG_DONTWAIT);
  EXPECT_EQ(performed[2].value, MSG_OOB | MSG_NOSIGNAL | MSG_DONTWAIT);

  // A call that goes on while no more may wait ends after its first piece.
  operation.stop_waiting();
  EXPECT_EQ(run(call).answer.value, static_cast<std::int64_t>(kPiece));
}

// Its number may be another's by then, and its memory somebody else's secret.
TEST_F(Sends, NothingReadAfterTheTargetWasGone) {
  constexpr std::size_t kPiece = 128U << 10U;
  kernel.put_memory(kBytes, Bytes(kPiece));
  kernel.put_memory(kBytes + kPiece, Bytes(kPiece));
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kSend) kernel.invalidate(1);
  };
  const auto call = notification_of(1, SYS_sendto, {kSocketNumber, kBytes, 2 * kPiece, 0, 0, 0});
  EXPECT_EQ(run(call).answer.value, static_cast<std::int64_t>(kPiece));
  EXPECT_EQ(kernel.performed().size(), 1U);
}

TEST_F(Sends, WaitsWhereItMay) {
  kernel.on_send = [](const OutgoingMessage& message, int flags) -> Result<std::size_t> {
    if ((flags & MSG_DONTWAIT) != 0) return fail(EAGAIN, "full");
    return message.payload.size();
  };
  EXPECT_EQ(sendmsg(kUnixStream, {}).answer.value, 5);
  EXPECT_EQ(sendmsg(kUdp4, ipv4("192.0.2.1", 53)).answer.value, 5);
  // What cuts a send short that waits ends it.
  kernel.on_send = [](const OutgoingMessage&, int flags) -> Result<std::size_t> {
    if ((flags & MSG_DONTWAIT) != 0) return fail(EAGAIN, "full");
    return 3;
  };
  EXPECT_EQ(sendmsg(kUnixStream, {}).answer.value, 3);
  EXPECT_EQ(kernel.performed().size(), 6U);
}

TEST_F(Sends, DescriptorsWithTheFirstByteAlone) {
  kernel.put_file(7);
  int calls = 0;
  kernel.on_send = [&](const OutgoingMessage& message, int) -> Result<std::size_t> {
    if (++calls == 1) return 2;
    EXPECT_EQ(Bytes(message.control.begin(), message.control.end()), credentials());
    return message.payload.size();
  };
  const Outcome outcome = sendmsg(kUnixStream, {}, control_message(SOL_SOCKET, SCM_RIGHTS, 7));
  EXPECT_EQ(outcome.answer.value, 5);
  ASSERT_EQ(kernel.performed().size(), 2U);
  EXPECT_EQ(kernel.performed()[1].payload, text("llo"));
}

TEST_F(Sends, NothingThatWouldWaitWhereItMayNot) {
  kernel.on_send = [](const OutgoingMessage&, int flags) -> Result<std::size_t> {
    EXPECT_NE(flags & MSG_DONTWAIT, 0);
    return fail(EAGAIN, "full");
  };
  EXPECT_EQ(sendmsg(kUnixStream, {}, {}, MSG_DONTWAIT).answer.errno_value, EAGAIN);
  EXPECT_TRUE(kernel.calls(Kind::kNonblocking).empty());
  kernel.set_nonblocking(true);
  EXPECT_EQ(sendmsg(kUnixStream, {}).answer.errno_value, EAGAIN);
  // No more calls may wait.
  kernel.set_nonblocking(false);
  operation.stop_waiting();
  EXPECT_EQ(sendmsg(kUnixStream, {}).answer.errno_value, EAGAIN);
  kernel.put_file(7);
  std::array<int, 17> many{};
  many.fill(7);
  EXPECT_EQ(sendmsg(kUnixStream, {}, control_message(SOL_SOCKET, SCM_RIGHTS, many)).answer.errno_value,
            ETOOMANYREFS);
  EXPECT_EQ(kernel.performed().size(), 4U);
}

TEST_F(Sends, WhatWentBeforeAnErrorCounts) {
  int calls = 0;
  kernel.on_send = [&](const OutgoingMessage&, int) -> Result<std::size_t> {
    if (++calls == 1) return 2;
    return fail(EPIPE, "closed");
  };
  const Outcome outcome = sendmsg(kUnixStream, {});
  EXPECT_EQ(outcome.answer.value, 2);
  EXPECT_EQ(outcome.size, 2U);
  EXPECT_FALSE(outcome.broken_pipe);
}

TEST_F(Sends, ASignalAlongWithABrokenPipe) {
  kernel.on_send = [](const OutgoingMessage&, int) -> Result<std::size_t> { return fail(EPIPE, "closed"); };
  for (const Socket& stream : {kUnixStream, kTcp4}) {
    const Outcome outcome = sendmsg(stream, {});
    EXPECT_EQ(outcome.answer.errno_value, EPIPE);
    EXPECT_TRUE(outcome.broken_pipe);
    EXPECT_FALSE(sendmsg(stream, {}, {}, MSG_NOSIGNAL).broken_pipe);
  }
  for (const Socket& other : {kUnixDatagram, kUnixPackets, kUdp4})
    EXPECT_FALSE(sendmsg(other, {}).broken_pipe);
}

// --- sendmmsg ---------------------------------------------------------------------------------------

class SendsSeveral : public Sends {
 protected:
  static constexpr std::uint64_t kEach = 1U << 20U;

  // Message `index` goes to `host`.
  void put(std::uint64_t index, const std::string& host) {
    const std::uint64_t at = kEach + index * 4096;
    kernel.put_memory(at, ipv4(host, 53));
    kernel.put_memory(at + 256, text("hello"));
    kernel.put_memory(at + 512, bytes_of(iovec{pointer(at + 256), 5}));
    struct msghdr header {};
    header.msg_name = pointer(at);
    header.msg_namelen = sizeof(struct sockaddr_in);
    header.msg_iov = static_cast<struct iovec*>(pointer(at + 512));
    header.msg_iovlen = 1;
    put_header(kHeader + index * sizeof(struct mmsghdr), header);
  }

  struct seccomp_notif call(std::uint64_t count, std::uint64_t id = 1) {
    kernel.put_socket(kSocketNumber, kUdp4);
    return notification_of(id, SYS_sendmmsg, {kSocketNumber, kHeader, count, 0});
  }

  void expect_lengths(std::size_t count) {
    const auto written = kernel.calls(Kind::kWriteMemory);
    ASSERT_EQ(written.size(), count);
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(written[i].value, static_cast<std::int64_t>(kHeader + i * sizeof(struct mmsghdr) +
                                                            offsetof(struct mmsghdr, msg_len)));
      EXPECT_EQ(written[i].bytes, bytes_of(std::uint32_t{5}));
    }
  }
};

TEST_F(SendsSeveral, MessagesAndTellsTheirLengths) {
  for (std::uint64_t i = 0; i < 3; ++i) put(i, "192.0.2.1");
  const Outcome outcome = run(call(3));
  EXPECT_EQ(outcome.answer.value, 3);
  EXPECT_EQ(outcome.size, 15U);
  EXPECT_EQ(kernel.performed().size(), 3U);
  expect_lengths(3);
  EXPECT_EQ(run(call(0)).answer.value, 0);
}

TEST_F(SendsSeveral, MessagesUpToTheFirstThatIsRefused) {
  put(0, "192.0.2.1");
  put(1, "192.0.2.2");
  put(2, "192.0.2.1");
  const Outcome outcome = run(call(3));
  EXPECT_EQ(outcome.answer.value, 1);
  EXPECT_EQ(kernel.performed().size(), 1U);
  expect_lengths(1);
  ASSERT_TRUE(outcome.endpoint);
  EXPECT_EQ(to_string(outcome.endpoint->address), "192.0.2.2");
  EXPECT_EQ(outcome.decision->verdict, policy::Verdict::kDeny);
}

TEST_F(SendsSeveral, NoMessagesWhereTheFirstIsRefused) {
  put(0, "192.0.2.2");
  put(1, "192.0.2.1");
  expect_refused(run(call(2)), EACCES);
  expect_lengths(0);
}

TEST_F(SendsSeveral, MessagesUpToTheFirstThatFails) {
  put(0, "192.0.2.1");
  put(1, "192.0.2.1");
  int calls = 0;
  kernel.on_send = [&](const OutgoingMessage& message, int) -> Result<std::size_t> {
    if (++calls == 2) return fail(ENETUNREACH, "no route");
    return message.payload.size();
  };
  EXPECT_EQ(run(call(2)).answer.value, 1);
  // The header of the third is nowhere.
  kernel.on_send = {};
  EXPECT_EQ(run(call(3)).answer.value, 2);
  kernel.fail_always(Kind::kWriteMemory, EFAULT);
  EXPECT_EQ(run(call(2)).answer.errno_value, EFAULT);
}

TEST_F(SendsSeveral, NoMoreThanTheKernelWould) {
  for (std::uint64_t i = 0; i < 1030; ++i) put(i, "192.0.2.1");
  EXPECT_EQ(run(call(1030)).answer.value, 1024);
}

// The one whose length could not be told counts as well: the answer is for the call that comes again.
TEST_F(SendsSeveral, MessagesUpToTheOneAtWhichASignalCame) {
  for (std::uint64_t i = 0; i < 3; ++i) put(i, "192.0.2.1");
  for (const int sent : {1, 2}) {
    int calls = 0;
    kernel.on_send = [&](const OutgoingMessage& message, int) -> Result<std::size_t> {
      if (++calls == sent) kernel.invalidate(static_cast<std::uint64_t>(sent));
      return message.payload.size();
    };
    const Outcome outcome = run(call(3, static_cast<std::uint64_t>(sent)));
    EXPECT_EQ(outcome.answer.value, sent);
    EXPECT_EQ(calls, sent);
    ASSERT_TRUE(outcome.performed);
    EXPECT_EQ(outcome.performed->last_length, 5U);
  }
}

TEST_F(SendsSeveral, NothingInAuditModeButDecidesOnEach) {
  const Supervision audit =
      supervision_of(R"({"version": 1, "mode": "audit", "network": {"allow": ["192.0.2.1"]}})");
  put(0, "192.0.2.1");
  put(1, "192.0.2.2");
  put(2, "192.0.2.1");
  const Outcome outcome = run(call(3), audit);
  EXPECT_EQ(outcome.answer.kind, Answer::Kind::kLetRun);
  EXPECT_EQ(to_string(outcome.endpoint->address), "192.0.2.2");
  EXPECT_TRUE(kernel.performed().empty());
}

// --- answers that were lost -------------------------------------------------------------------------

TEST_F(Sends, NothingTwiceWhenItsAnswerWasLost) {
  Outcome first = sendmsg(kUdp4, ipv4("192.0.2.1", 53));
  ASSERT_TRUE(first.performed);
  operation.repeats().remember(*first.performed, first.answer);
  const Outcome again = sendmsg(kUdp4, ipv4("192.0.2.1", 53));
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.answer.value, 5);
  EXPECT_EQ(kernel.performed().size(), 1U);
  EXPECT_EQ(sendmsg(kUdp4, ipv4("192.0.2.1", 53)).answer.value, 5);
  EXPECT_EQ(kernel.performed().size(), 2U);
}

// What an earlier worker has sent it has told as well; and how long the last one was is not known any more.
TEST_F(SendsSeveral, NoLengthThatIsNotKnown) {
  put(0, "192.0.2.1");
  Outcome first = run(call(1));
  ASSERT_TRUE(first.performed);
  first.performed->last_length = PerformedCall::kToldLength;
  operation.repeats().remember(*first.performed, first.answer);
  EXPECT_TRUE(run(call(1, 2)).repeated);
  EXPECT_EQ(kernel.calls(Kind::kWriteMemory).size(), 1U);
}

TEST_F(Sends, NothingTwiceWhenTheWorkerDiesThatFoundALostAnswer) {
  const Outcome first = sendmsg(kUdp4, ipv4("192.0.2.1", 53));
  ASSERT_TRUE(first.performed);
  operation.repeats().remember(*first.performed, first.answer);
  (void)sendmsg(kUdp4, ipv4("192.0.2.1", 53));
  ASSERT_TRUE(operation.slot().recorded());
  EXPECT_EQ(operation.slot().recorded()->value, 5);
  EXPECT_FALSE(operation.repeats().find(*first.performed));
}

TEST_F(Sends, AnotherMessageAfterALostAnswer) {
  Outcome first = sendmsg(kUdp4, ipv4("192.0.2.1", 53));
  operation.repeats().remember(*first.performed, first.answer);
  EXPECT_FALSE(sendmsg(kUdp4, ipv4("192.0.2.1", 53), {}, 0, text("other")).repeated);
  EXPECT_FALSE(sendmsg(kUdp4, ipv4("192.0.2.1", 53)).repeated);
  EXPECT_EQ(kernel.performed().size(), 3U);
}

TEST_F(SendsSeveral, NothingTwiceAndTellsTheLastLengthAgain) {
  put(0, "192.0.2.1");
  put(1, "192.0.2.1");
  Outcome first = run(call(2));
  ASSERT_TRUE(first.performed);
  operation.repeats().remember(*first.performed, first.answer);
  const Outcome again = run(call(2, 2));
  EXPECT_TRUE(again.repeated);
  EXPECT_EQ(again.answer.value, 2);
  EXPECT_EQ(kernel.performed().size(), 2U);
  EXPECT_EQ(kernel.calls(Kind::kWriteMemory).size(), 3U);
}

}  // namespace
}  // namespace tidewaiter::supervisor
