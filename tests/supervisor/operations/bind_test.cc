#include "supervisor/operations/bind.h"

#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <sys/un.h>

#include <cerrno>

#include "tests/supervisor/supervised_call.h"

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;
using Socket = ScriptedKernel::Socket;

const Supervision& supervision() {
  static const Supervision made =
      supervision_of(R"({"version": 1, "network": {"bind": ["8080", "9000-9005", "80"]}})");
  return made;
}

constexpr const char* kCapable = "Name:\tx\nTgid:\t100\nCapEff:\t0000000000000400\n";  // CAP_NET_BIND_SERVICE
constexpr const char* kIncapable = "Name:\tx\nTgid:\t100\nCapEff:\tfffffffffffffbff\n";

struct Served {
  Outcome outcome;
  std::vector<ScriptedKernel::Recorded> performed;
};

Served bind_with(ScriptedKernel& kernel, Socket socket, const Bytes& address, std::uint64_t length) {
  kernel.put_socket(kSocketNumber, socket);
  kernel.put_memory(kPointer, address);
  OperationRun operation(kernel);
  Outcome outcome = operation.run(bind, supervision(), address_call(1, SYS_bind, length));
  return {std::move(outcome), kernel.performed()};
}

Served bind_with(Socket socket, const Bytes& address, std::uint64_t length) {
  ScriptedKernel kernel;
  return bind_with(kernel, socket, address, length);
}

void expect_refused(const Served& served, int errno_value) {
  EXPECT_EQ(served.outcome.answer.kind, Answer::Kind::kErrno);
  EXPECT_EQ(served.outcome.answer.errno_value, errno_value)
      << ::strerrorname_np(served.outcome.answer.errno_value);
  EXPECT_TRUE(served.performed.empty());
}

void expect_performed(const Served& served, Kind kind, const Socket& socket, const Bytes& address) {
  EXPECT_EQ(served.outcome.answer.kind, Answer::Kind::kValue) << served.outcome.answer.errno_value;
  ASSERT_EQ(served.performed.size(), 1U);
  EXPECT_EQ(served.performed[0].kind, kind);
  EXPECT_EQ(served.performed[0].cookie, socket.cookie);
  EXPECT_EQ(served.performed[0].bytes, address);
}

TEST(Bind, IsDecidedByThePort) {
  for (const Socket& socket : {kTcp4, kUdp4}) {
    for (const std::uint16_t port : std::initializer_list<std::uint16_t>{8080, 9000, 9003, 9005}) {
      const Bytes address = ipv4("0.0.0.0", port);
      expect_performed(bind_with(socket, address, 16), Kind::kBindUnprivileged, socket, address);
    }
    for (const std::uint16_t port :
         std::initializer_list<std::uint16_t>{0, 79, 8079, 8081, 8999, 9006, 65535}) {
      const Served served = bind_with(socket, ipv4("127.0.0.1", port), 16);
      expect_refused(served, EACCES);
      ASSERT_TRUE(served.outcome.endpoint);
      EXPECT_EQ(served.outcome.endpoint->port, port);
    }
  }
  for (const Bytes& address : {ipv6("::", 8080), ipv6("::1", 8080), ipv6("::ffff:127.0.0.1", 8080)}) {
    expect_performed(bind_with(kTcp6, address, address.size()), Kind::kBindUnprivileged, kTcp6, address);
  }
  expect_refused(bind_with(kTcp6, ipv6("::", 8081), 28), EACCES);
  expect_refused(bind_with(kTcp6, resized(ipv6("::", 8080), 23), 23), EINVAL);
}

TEST(Bind, LeavesTheChoiceToTheKernelOnlyWherePort0IsNamed) {
  const Supervision chosen = supervision_of(R"({"version": 1, "network": {"bind": ["0"]}})");
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_memory(kPointer, ipv4("127.0.0.1", 0));
  OperationRun operation(kernel);
  Outcome outcome = operation.run(bind, chosen, address_call(1, SYS_bind, 16));
  expect_performed({std::move(outcome), kernel.performed()}, Kind::kBind, kTcp4, ipv4("127.0.0.1", 0));
  expect_refused(bind_with(kTcp4, ipv4("127.0.0.1", 0), 16), EACCES);
}

TEST(Bind, ReadsAnUnspecifiedFamilyAsIpv4) {
  const Bytes old = ipv4("0.0.0.0", 8080, AF_UNSPEC);
  expect_performed(bind_with(kTcp4, old, 16), Kind::kBindUnprivileged, kTcp4, old);
  expect_refused(bind_with(kTcp4, ipv4("0.0.0.0", 8081, AF_UNSPEC), 16), EACCES);
  expect_refused(bind_with(kTcp4, resized(old, 15), 15), EAFNOSUPPORT);
  expect_refused(bind_with(kTcp4, old, 0), EAFNOSUPPORT);
  expect_refused(bind_with(kTcp4, ipv4("0.0.0.0", 8080, AF_UNIX), 16), EAFNOSUPPORT);
}

TEST(Bind, RefusesLengthsAndAddressesThatCannotBeRead) {
  const Bytes address = resized(ipv4("0.0.0.0", 8080), 256);
  for (std::uint64_t length = 2; length <= 256; ++length) {
    SCOPED_TRACE(length);
    const Served served = bind_with(kTcp4, address, length);
    if (length < 16 || length > 128) {
      expect_refused(served, EINVAL);
    } else {
      expect_performed(served, Kind::kBindUnprivileged, kTcp4, resized(address, length));
    }
  }
  expect_refused(bind_with(kTcp4, address, 0xffffffff), EINVAL);
  expect_refused(bind_with(kTcp4, resized(address, 10), 16), EFAULT);
}

TEST(Bind, FailsOnWhatIsNoSocket) {
  ScriptedKernel kernel;
  kernel.put_file(4);
  kernel.put_memory(kPointer, ipv4("0.0.0.0", 8080));
  for (const auto& [fd, errno_value] : {std::pair{4ULL, ENOTSOCK}, std::pair{5ULL, EBADF}}) {
    OperationRun operation(kernel);
    Outcome outcome = operation.run(bind, supervision(), notification_of(1, SYS_bind, {fd, kPointer, 16}));
    expect_refused({std::move(outcome), kernel.performed()}, errno_value);
  }
}

TEST(Bind, LetsOnlyHarmlessAddressesOfOtherFamiliesThrough) {
  struct sockaddr_un named {};
  named.sun_family = AF_UNIX;
  std::strcpy(named.sun_path, "/run/x");
  struct sockaddr_un abstract {};
  abstract.sun_family = AF_UNIX;
  abstract.sun_path[1] = 'x';
  struct sockaddr_nl own {};
  own.nl_family = AF_NETLINK;
  struct sockaddr_nl group = own;
  group.nl_groups = 1;
  struct sockaddr_nl port = own;
  port.nl_pid = 4711;
  constexpr Socket kUnix{AF_UNIX, SOCK_STREAM, 0, 5};
  constexpr Socket kNetlink{AF_NETLINK, SOCK_RAW, NETLINK_ROUTE, 6};
  struct Case {
    const char* name;
    Socket socket;
    Bytes address;
    bool allowed;
  };
  const Case cases[] = {
      // A thread of the target's own makes it, or nobody: the scripted kernel has none.
      {"Unix, a path", kUnix, bytes_of(named), false},
      {"Unix, a path that ends with the address", kUnix, resized(bytes_of(named), 8), false},
      {"Unix, abstract", kUnix, resized(bytes_of(abstract), 4), false},
      {"Unix, autobind", kUnix, resized(bytes_of(abstract), 2), false},
      {"Unix, no family", kUnix, resized(bytes_of(abstract), 1), false},
      {"Unix, another family", kUnix, ipv4("0.0.0.0", 8080), false},
      {"netlink", kNetlink, bytes_of(own), true},
      {"netlink, a port", kNetlink, bytes_of(port), true},
      {"netlink, a group", kNetlink, bytes_of(group), false},
      {"netlink, too long", kNetlink, resized(bytes_of(own), 16), false},
      {"packet", {AF_PACKET, SOCK_RAW, 0, 7}, ipv4("0.0.0.0", 8080, AF_PACKET), false},
      {"raw", {AF_INET, SOCK_RAW, IPPROTO_TCP, 7}, ipv4("0.0.0.0", 8080), false},
      {"ICMP", {AF_INET, SOCK_DGRAM, IPPROTO_ICMP, 7}, ipv4("0.0.0.0", 8080), false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    const Served served = bind_with(test.socket, test.address, test.address.size());
    if (test.allowed) {
      expect_performed(served, Kind::kBind, test.socket, test.address);
    } else {
      expect_refused(served, EACCES);
    }
  }
}

// --- ports that need a capability -------------------------------------------------------------------

// A kernel in whose network namespace the port is privileged.
void make_privileged(ScriptedKernel& kernel) {
  kernel.on_bind_unprivileged = [](int, std::span<const std::byte>) -> Status {
    return fail(EACCES, "bind");
  };
}

TEST(Bind, AsksForNoCapabilityWhereTheKernelWantsNone) {
  for (const char* status : {kCapable, kIncapable}) {
    ScriptedKernel kernel;
    kernel.put_process(kTid, {status, {}});
    const Bytes address = ipv4("0.0.0.0", 80);
    expect_performed(bind_with(kernel, kTcp4, address, 16), Kind::kBindUnprivileged, kTcp4, address);
    EXPECT_TRUE(kernel.calls(Kind::kReadProcFile).empty());
  }
}

TEST(Bind, UsesOurCapabilityOnlyForATargetThatHasItInTheNetworksOwnNamespace) {
  struct Case {
    const char* name;
    const char* status;  // nullptr: /proc cannot be read
    bool owns;
    std::optional<Kind> fails;
    bool may;
  };
  const Case cases[] = {
      {"capable", kCapable, true, {}, true},
      {"without the capability", kIncapable, true, {}, false},
      {"capable in another user namespace", kCapable, false, {}, false},
      {"whose status has no CapEff", "Name:\tx\n", true, {}, false},
      {"whose CapEff is no number", "Name:\tx\nCapEff:\tzz\n", true, {}, false},
      {"whose name claims it",
       "Name:\tCapEff:\t00000000000004ff\nCapEff:\t0000000000000000\n",
       true,
       {},
       false},
      {"of whom nothing is known", nullptr, true, {}, false},
      {"whose network cannot be asked", kCapable, true, Kind::kOwnsNetwork, false},
      {"whose status cannot be read", kCapable, true, Kind::kReadProcFile, false},
  };
  for (const Case& test : cases) {
    SCOPED_TRACE(test.name);
    ScriptedKernel kernel;
    make_privileged(kernel);
    if (test.status != nullptr) kernel.put_process(kTid, {test.status, {}});
    kernel.set_owns_network(test.owns);
    if (test.fails) kernel.fail_always(*test.fails, EPERM);
    const Bytes address = ipv4("0.0.0.0", 80);
    Served served = bind_with(kernel, kTcp4, address, 16);
    ASSERT_EQ(served.performed.size(), test.may ? 2U : 1U);
    EXPECT_EQ(served.performed[0].kind, Kind::kBindUnprivileged);
    if (test.may) {
      expect_performed({std::move(served.outcome), {served.performed[1]}}, Kind::kBind, kTcp4, address);
    } else {
      expect_refused({std::move(served.outcome), {}}, EACCES);
    }
  }
}

TEST(Bind, DoesNotBelieveTheCapabilitiesOfATaskThatNoLongerWaits) {
  ScriptedKernel kernel;
  make_privileged(kernel);
  kernel.put_process(kTid, {kCapable, {}});
  kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kReadProcFile) kernel.invalidate(1);
  };
  const Served served = bind_with(kernel, kTcp4, ipv4("0.0.0.0", 80), 16);
  EXPECT_FALSE(kernel.calls(Kind::kReadProcFile).empty());
  EXPECT_TRUE(kernel.calls(Kind::kBind).empty());
}

TEST(Bind, LeavesItsCapabilityOutOfAnythingButEacces) {
  ScriptedKernel kernel;
  kernel.put_process(kTid, {kCapable, {}});
  kernel.on_bind_unprivileged = [](int, std::span<const std::byte>) -> Status {
    return fail(EADDRINUSE, "bind");
  };
  const Served served = bind_with(kernel, kTcp4, ipv4("0.0.0.0", 80), 16);
  EXPECT_EQ(served.outcome.answer.errno_value, EADDRINUSE);
  EXPECT_TRUE(kernel.calls(Kind::kBind).empty());
}

TEST(Bind, AnswersWithTheErrnoOfWhatWasPerformed) {
  ScriptedKernel kernel;
  kernel.on_bind_unprivileged = [](int, std::span<const std::byte>) -> Status {
    return fail(EADDRINUSE, "bind");
  };
  const Served served = bind_with(kernel, kTcp4, ipv4("0.0.0.0", 8080), 16);
  EXPECT_EQ(served.outcome.answer.kind, Answer::Kind::kErrno);
  EXPECT_EQ(served.outcome.answer.errno_value, EADDRINUSE);
}

TEST(Bind, PerformsNothingForATargetThatNoLongerWaits) {
  ScriptedKernel kernel;
  kernel.before = [&](const ScriptedKernel::Recorded& call) {
    if (call.kind == Kind::kReadMemory) kernel.invalidate(1);
  };
  expect_refused(bind_with(kernel, kTcp4, ipv4("0.0.0.0", 8080), 16), EINTR);
}

TEST(Bind, IsLeftToTheKernelInAuditMode) {
  const Supervision audit =
      supervision_of(R"({"version": 1, "mode": "audit", "network": {"bind": ["8080"]}})");
  ScriptedKernel kernel;
  kernel.put_socket(kSocketNumber, kTcp4);
  kernel.put_memory(kPointer, ipv4("0.0.0.0", 80));
  OperationRun operation(kernel);
  Outcome outcome = operation.run(bind, audit, address_call(1, SYS_bind, 16));
  EXPECT_EQ(outcome.answer.kind, Answer::Kind::kLetRun);
  EXPECT_TRUE(kernel.performed().empty());
  ASSERT_TRUE(outcome.decision);
  EXPECT_EQ(outcome.decision->verdict, policy::Verdict::kDeny);
}

// The worker before was killed between the call and its note of what came of it.
TEST(Bind, RecognisesWhatAnEarlierWorkerDid) {
  for (const bool ours : {true, false}) {
    ScriptedKernel kernel;
    const Bytes address = ipv4("127.0.0.1", 8080);
    kernel.put_socket(kSocketNumber, kTcp4);
    kernel.put_memory(kPointer, address);
    OperationRun operation(kernel);
    const auto call = address_call(1, SYS_bind, address.size());
    ASSERT_EQ(operation.run(bind, supervision(), call).answer.kind, Answer::Kind::kValue);
    kernel.own = ours ? address : ipv4("127.0.0.1", 9000);
    kernel.on_bind_unprivileged = [](int, std::span<const std::byte>) -> Status {
      return fail(EINVAL, "bound");
    };
    const Outcome outcome = operation.run_again(bind, supervision(), call);
    EXPECT_EQ(outcome.answer.kind == Answer::Kind::kValue, ours);
    // To a worker that had none before it, the kernel's word is the last.
    EXPECT_EQ(operation.run(bind, supervision(), call).answer.errno_value, EINVAL);
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
