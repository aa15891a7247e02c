#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <set>

#include "tests/supervisor/live_target.h"
#include "tests/supervisor/socket_address.h"

// Sessions on the real kernel, serving real processes. Everything stays on the loopback interface.

namespace tidewaiter::supervisor {
namespace {

using seccomp::Child;

UniqueFd make_socket(int domain, int type) { return UniqueFd(::socket(domain, type | SOCK_CLOEXEC, 0)); }

std::uint16_t port_of(int socket) {
  struct sockaddr_storage address {};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<struct sockaddr*>(&address), &size) != 0) std::abort();
  // At the same place in both families.
  return ntohs(reinterpret_cast<const struct sockaddr_in*>(&address)->sin_port);
}

// A socket of the test's own on a free port of `host`; TCP listens.
UniqueFd make_server(int type, const std::string& host, int backlog = 64) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  UniqueFd socket = make_socket(is_ipv6 ? AF_INET6 : AF_INET, type);
  if (bind_to(socket.get(), is_ipv6 ? ipv6(host, 0) : ipv4(host, 0)) != 0) return {};
  if (type == SOCK_STREAM && ::listen(socket.get(), backlog) != 0) return {};
  return socket;
}

// A listener that lets nobody else in: connecting to it hangs until accept() makes room.
class FullListener {
 public:
  FullListener()
      : listener_(make_server(SOCK_STREAM, "127.0.0.1", 0)), filler_(make_socket(AF_INET, SOCK_STREAM)) {
    if (connect_to(filler_.get(), address()) != 0) std::abort();
  }
  [[nodiscard]] Bytes address() const { return ipv4("127.0.0.1", port_of(listener_.get())); }
  [[nodiscard]] std::string text() const { return "127.0.0.1:" + std::to_string(port_of(listener_.get())); }
  void accept_one() {
    const UniqueFd accepted(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    EXPECT_TRUE(accepted.valid());
  }

 private:
  UniqueFd listener_;
  UniqueFd filler_;
};

std::string allow_policy(const std::string& rules) {
  return R"({"version": 1, "network": {"allow": [)" + rules + "]}}";
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

// A word from the test to a body, or back.
class Signal {
 public:
  Signal() : pipe_(std::move(*sys::pipe())) {}
  void give() const { EXPECT_EQ(::write(pipe_.write_end.get(), "x", 1), 1); }
  [[nodiscard]] bool wait() const {
    struct pollfd ready = {pipe_.read_end.get(), POLLIN, 0};
    int count = 0;
    do {
      count = ::poll(&ready, 1, 10'000);
    } while (count < 0 && errno == EINTR);
    char byte = 0;
    return count == 1 && ::read(pipe_.read_end.get(), &byte, 1) == 1;
  }

 private:
  sys::Pipe pipe_;
};

// Every notification was answered, and none twice.
void expect_answered_once(const std::map<std::uint64_t, ObservedKernel::Answers>& answers, int late = 0) {
  int seen_late = 0;
  for (const auto& [id, each] : answers) {
    EXPECT_EQ(each.delivered + each.late, 1) << id;
    EXPECT_EQ(each.failed, 0) << id;
    seen_late += each.late;
  }
  EXPECT_EQ(seen_late, late);
}

std::size_t count_verdict(const std::vector<nlohmann::json>& events, const char* verdict) {
  return static_cast<std::size_t>(
      std::count_if(events.begin(), events.end(),
                    [&](const nlohmann::json& event) { return event["verdict"] == verdict; }));
}

// --- connect ----------------------------------------------------------------------------------------

struct FamilyCase {
  const char* name;
  int domain;
  int type;
  const char* listen_on;
  const char* host;         // as connected to
  const char* host_in_log;  // and as reported
};

constexpr FamilyCase kFamilies[] = {
    {"TCP over IPv4", AF_INET, SOCK_STREAM, "127.0.0.1", "127.0.0.1", "127.0.0.1"},
    {"TCP over IPv6", AF_INET6, SOCK_STREAM, "::1", "::1", "::1"},
    {"TCP over IPv4-mapped IPv6", AF_INET6, SOCK_STREAM, "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"},
    {"UDP over IPv4", AF_INET, SOCK_DGRAM, "127.0.0.1", "127.0.0.1", "127.0.0.1"},
    {"UDP over IPv6", AF_INET6, SOCK_DGRAM, "::1", "::1", "::1"},
    {"UDP over IPv4-mapped IPv6", AF_INET6, SOCK_DGRAM, "127.0.0.1", "::ffff:127.0.0.1", "127.0.0.1"},
};

TEST(LiveConnect, ReachesWhatIsAllowedAndNothingElse) {
  for (const FamilyCase& test : kFamilies) {
    SCOPED_TRACE(test.name);
    const UniqueFd server = make_server(test.type, test.listen_on);
    if (!server.valid() && std::string_view(test.listen_on) == "::1") continue;  // a machine without IPv6
    ASSERT_TRUE(server.valid());
    const std::uint16_t port = port_of(server.get());
    const Bytes address = test.domain == AF_INET ? ipv4(test.host, port) : ipv6(test.host, port);
    // What connect says, and whether the socket is connected to where it should be.
    const Body body = [&] {
      const UniqueFd socket = make_socket(test.domain, test.type);
      const long result = connect_to(socket.get(), address);
      Bytes peer(address.size());
      auto size = static_cast<socklen_t>(peer.size());
      const int named = ::getpeername(socket.get(), reinterpret_cast<struct sockaddr*>(peer.data()), &size);
      return std::vector<long>{result, named == 0 && peer == address ? 1 : 0};
    };
    const bool is_ipv6 = std::string_view(test.host_in_log).find(':') != std::string_view::npos;
    const std::string rule = quoted((is_ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port));
    const std::string other_port = quoted((is_ipv6 ? "[::1]:" : "127.0.0.1:") + std::to_string(port ^ 1));

    Child without_policy(body);
    EXPECT_EQ(without_policy.report(), (std::vector<long>{0, 1}));

    const struct {
      std::string policy;
      bool allowed;
    } policies[] = {
        {allow_policy(rule), true},
        {allow_policy(other_port), false},
        {allow_policy(""), false},
        {R"({"version": 1, "network": {"deny": [)" + rule + "]}}", false},
        {R"({"version": 1, "network": {"deny": [)" + other_port + "]}}", true},
    };
    for (const auto& [policy, allowed] : policies) {
      SCOPED_TRACE(policy);
      LiveSession session(policy, {SYS_connect}, body);
      const auto [report, events] = session.run_to_end();
      EXPECT_EQ(report, (allowed ? std::vector<long>{0, 1} : std::vector<long>{-EACCES, 0}));
      EXPECT_EQ(session.kernel().connects_begun(), allowed ? 1U : 0U);
      expect_answered_once(session.kernel().answers());
      ASSERT_EQ(events.size(), 1U);
      EXPECT_EQ(events[0]["verdict"], allowed ? "allowed" : "denied");
      EXPECT_EQ(events[0]["host"], test.host_in_log);
      EXPECT_EQ(events[0]["port"], port);
      EXPECT_EQ(events[0]["transport"], test.type == SOCK_STREAM ? "tcp" : "udp");
      EXPECT_EQ(events[0]["pid"], session.child().pid());
      EXPECT_EQ(events[0]["parent_pid"], ::getpid());
      EXPECT_EQ(events[0]["executable"], sys::readlink("/proc/self/exe").value_or(""));
    }
  }
}

TEST(LiveConnect, FailsAsItWouldWithoutAnAgent) {
  // A port on which nobody listens any more.
  const std::uint16_t closed = port_of(make_server(SOCK_STREAM, "127.0.0.1").get());
  const UniqueFd server = make_server(SOCK_STREAM, "127.0.0.1");
  const Bytes open = ipv4("127.0.0.1", port_of(server.get()));
  const Body body = [&] {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    std::vector<long> results = {connect_to(socket.get(), ipv4("127.0.0.1", closed))};
    results.push_back(connect_to(socket.get(), resized(open, 8)));
    results.push_back(connect_to(socket.get(), open));
    results.push_back(connect_to(socket.get(), open));  // connected already
    results.push_back(connect_to(-1, open));
    results.push_back(connect_to(STDERR_FILENO + 1000, open));
    const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    results.push_back(connect_to(file.get(), open));
    const UniqueFd path_only(::open("/", O_PATH | O_CLOEXEC));
    results.push_back(connect_to(path_only.get(), open));
    results.push_back(seccomp::raw_call(SYS_connect, socket.get(), 1, 16));
    results.push_back(seccomp::raw_call(SYS_connect, socket.get(), open.data(), -1));
    results.push_back(seccomp::raw_call(SYS_connect, socket.get(), open.data(), 129));
    // Dissolves, where the protocol can.
    results.push_back(connect_to(socket.get(), ipv4("0.0.0.0", 0, AF_UNSPEC)));
    results.push_back(connect_to(socket.get(), open));
    results.push_back(connect_to(socket.get(), ipv6("::1", 1)));
    return results;
  };
  Child without_policy(body);
  const std::vector<long> expected = without_policy.report();
  LiveSession session(allow_policy(R"("127.0.0.1", "::1")"), {SYS_connect}, body);
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, expected);
  EXPECT_EQ(report.at(0), -ECONNREFUSED);
  EXPECT_EQ(report.at(1), -EINVAL);
  EXPECT_EQ(report.at(2), 0);
  EXPECT_EQ(events.size(), report.size() - 1);  // to dissolve an association leads nowhere
  expect_answered_once(session.kernel().answers());
}

TEST(LiveConnect, ReturnsAtOnceForASocketThatDoesNotBlock) {
  const UniqueFd server = make_server(SOCK_STREAM, "127.0.0.1");
  const Bytes address = ipv4("127.0.0.1", port_of(server.get()));
  const Body body = [&] {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK);
    const long result = connect_to(socket.get(), address);
    struct pollfd ready = {socket.get(), POLLOUT, 0};
    const long polled = ::poll(&ready, 1, 10'000);
    int error = -1;
    socklen_t size = sizeof error;
    ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    return std::vector<long>{result, polled, error};
  };
  Child without_policy(body);
  EXPECT_EQ(without_policy.report(), (std::vector<long>{-EINPROGRESS, 1, 0}));
  LiveSession session(allow_policy(R"("127.0.0.1")"), {SYS_connect}, body);
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, (std::vector<long>{-EINPROGRESS, 1, 0}));
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "allowed");
  EXPECT_EQ(events[0]["errno"], "EINPROGRESS");
}

// A socket that is bound to one of this host's addresses would reach that one through 0.0.0.0, whatever was
// decided about the loopback address.
TEST(LiveConnect, DoesNotReachAnotherAddressThroughTheUnspecifiedOne) {
  const UniqueFd server = make_server(SOCK_STREAM, "127.0.0.2");
  ASSERT_TRUE(server.valid());
  const std::uint16_t port = port_of(server.get());
  const Body body = [&] {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    const long bound = bind_to(socket.get(), ipv4("127.0.0.2", 0));
    return std::vector<long>{bound, connect_to(socket.get(), ipv4("0.0.0.0", port))};
  };
  Child without_policy(body);
  EXPECT_EQ(without_policy.report(), (std::vector<long>{0, 0}));
  LiveSession session(allow_policy(quoted("127.0.0.1:" + std::to_string(port))), {SYS_connect}, body);
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{0, -ECONNREFUSED}));
}

TEST(LiveConnect, GoesWhereItWasAllowedHoweverTheAddressChanges) {
  const UniqueFd allowed = make_server(SOCK_DGRAM, "127.0.0.1");
  const UniqueFd forbidden = make_server(SOCK_DGRAM, "127.0.0.1");
  const std::uint16_t allowed_port = port_of(allowed.get());
  const std::uint16_t forbidden_port = port_of(forbidden.get());
  const Body body = [&] {
    struct sockaddr_in address {};
    const Bytes begin = ipv4("127.0.0.1", allowed_port);
    std::memcpy(&address, begin.data(), sizeof address);
    std::atomic_ref<in_port_t> port(address.sin_port);
    std::atomic<bool> stop = false;
    std::thread flip([&] {
      while (!stop) {
        port = htons(forbidden_port);
        port = htons(allowed_port);
      }
    });
    long connected = 0;
    long refused = 0;
    long escaped = 0;
    const UniqueFd socket = make_socket(AF_INET, SOCK_DGRAM);
    for (int i = 0; i < 3000; ++i) {
      if (::syscall(SYS_connect, socket.get(), &address, sizeof address) != 0) {
        ++refused;
        continue;
      }
      ++connected;
      struct sockaddr_in peer {};
      socklen_t size = sizeof peer;
      ::getpeername(socket.get(), reinterpret_cast<struct sockaddr*>(&peer), &size);
      if (peer.sin_port != htons(allowed_port)) ++escaped;
    }
    stop = true;
    flip.join();
    return std::vector<long>{connected, refused, escaped};
  };
  LiveSession session(allow_policy(quoted("127.0.0.1:" + std::to_string(allowed_port))), {SYS_connect}, body);
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 3U);
  EXPECT_GT(report[0], 0);
  EXPECT_GT(report[1], 0);
  EXPECT_EQ(report[2], 0);
  EXPECT_EQ(count_verdict(events, "allowed"), static_cast<std::size_t>(report[0]));
  EXPECT_EQ(count_verdict(events, "denied"), static_cast<std::size_t>(report[1]));
}

TEST(LiveConnect, HappensAndIsReportedInAuditMode) {
  const UniqueFd server = make_server(SOCK_STREAM, "127.0.0.1");
  const Bytes address = ipv4("127.0.0.1", port_of(server.get()));
  const Body body = [&] {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    return std::vector<long>{connect_to(socket.get(), address)};
  };
  LiveSession session(R"({"version": 1, "mode": "audit", "network": {"allow": []}})", {SYS_connect}, body);
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>{0});
  EXPECT_EQ(session.kernel().connects_begun(), 0U);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "audited");
  EXPECT_EQ(events[0]["denied"], true);
}

// --- calls that block -------------------------------------------------------------------------------

void install_handler(int flags) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = flags;
  ::sigaction(SIGUSR2, &action, nullptr);
}

TEST(LiveBlocking, HoldsUpNobodyElseAndIsInterruptedBySignals) {
  const FullListener full;
  const UniqueFd server = make_server(SOCK_DGRAM, "127.0.0.1");
  const Bytes elsewhere = ipv4("127.0.0.1", port_of(server.get()));
  const Signal blocked;
  constexpr int kOthers = 8;
  constexpr int kCalls = 50;
  const Body body = [&] {
    install_handler(0);
    std::atomic<long> result = 1;
    std::thread blocks([&] {
      const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
      result = connect_to(socket.get(), full.address());
    });
    std::atomic<long> served = 0;
    if (blocked.wait()) {
      std::vector<std::thread> others;
      for (int i = 0; i < kOthers; ++i) {
        others.emplace_back([&] {
          const UniqueFd socket = make_socket(AF_INET, SOCK_DGRAM);
          for (int call = 0; call < kCalls; ++call) {
            if (connect_to(socket.get(), elsewhere) == 0) ++served;
          }
        });
      }
      for (auto& other : others) other.join();
    }
    const long still_blocked = result;
    ::pthread_kill(blocks.native_handle(), SIGUSR2);
    blocks.join();
    return std::vector<long>{served, still_blocked, result};
  };
  LiveSession session(allow_policy(quoted(full.text()) + ", " + quoted("udp://127.0.0.1")), {SYS_connect},
                      body);
  ASSERT_TRUE(session.kernel().wait_for_connects_begun(1));
  blocked.give();
  EXPECT_EQ(session.child().report(), (std::vector<long>{long{kOthers} * kCalls, 1, -EINTR}));
  // The agent's own call ends too, though nobody waits for it any more.
  EXPECT_TRUE(session.kernel().wait_for_connects_ended(kOthers * kCalls + 1));
  const auto events = session.end();
  expect_answered_once(session.kernel().answers(), 1);
  // One more: the interrupted connection is made all the same, as soon as there is room.
  EXPECT_EQ(count_verdict(events, "allowed"), static_cast<std::size_t>(kOthers * kCalls + 1));
  EXPECT_EQ(std::count_if(events.begin(), events.end(),
                          [](const nlohmann::json& event) { return event.value("errno", "") == "EINTR"; }),
            1);
}

TEST(LiveBlocking, GoesOnAfterASignalThatRestarts) {
  FullListener full;
  const Signal blocked;
  const Body body = [&] {
    install_handler(SA_RESTART);
    long result = 1;
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    std::thread blocks([&] { result = connect_to(socket.get(), full.address()); });
    // Twice, for the restarted call is interrupted like the first.
    for (int i = 0; i < 2; ++i) {
      if (!blocked.wait()) return std::vector<long>{};
      ::pthread_kill(blocks.native_handle(), SIGUSR2);
    }
    blocks.join();
    struct sockaddr_in peer {};
    socklen_t size = sizeof peer;
    const long named = ::getpeername(socket.get(), reinterpret_cast<struct sockaddr*>(&peer), &size);
    return std::vector<long>{result, named};
  };
  LiveSession session(allow_policy(quoted(full.text())), {SYS_connect}, body);
  for (std::size_t i = 1; i <= 2; ++i) {
    ASSERT_TRUE(session.kernel().wait_for_connects_begun(i));
    blocked.give();
  }
  ASSERT_TRUE(session.kernel().wait_for_connects_begun(3));
  full.accept_one();
  EXPECT_EQ(session.child().report(), (std::vector<long>{0, 0}));
  const auto events = session.end();
  EXPECT_EQ(session.kernel().connects_begun(), 3U);
  expect_answered_once(session.kernel().answers(), 2);
  // That it was begun, for nobody knew whether it would be restarted, and how it ended.
  ASSERT_EQ(events.size(), 2U);
  EXPECT_EQ(events[0]["verdict"], "allowed");
  EXPECT_EQ(events[0]["errno"], "EINTR");
  EXPECT_EQ(events[1]["verdict"], "allowed");
  EXPECT_FALSE(events[1].contains("errno"));
}

TEST(LiveBlocking, EndsWithItsTarget) {
  const FullListener full;
  const Body body = [&] {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    return std::vector<long>{connect_to(socket.get(), full.address())};
  };
  LiveSession session(allow_policy(quoted(full.text())), {SYS_connect}, body);
  ASSERT_TRUE(session.kernel().wait_for_connects_begun(1));
  ASSERT_EQ(::kill(session.child().pid(), SIGKILL), 0);
  const int status = session.child().wait();
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_TRUE(session.kernel().wait_for_connects_ended(1));
  (void)session.end();
  expect_answered_once(session.kernel().answers(), 1);
}

TEST(LiveBlocking, EndsWithItsSession) {
  const FullListener full;
  const Signal ended;
  constexpr int kCalls = 12;
  const Body body = [&] {
    std::vector<long> results(kCalls, 1);
    std::vector<std::thread> threads;
    for (long& result : results) {
      threads.emplace_back([&] {
        const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
        result = connect_to(socket.get(), full.address());
      });
    }
    for (auto& thread : threads) thread.join();
    if (ended.wait()) results.push_back(connect_to(-1, full.address()));
    return results;
  };
  LiveSession session(allow_policy(quoted(full.text())), {SYS_connect}, body);
  ASSERT_TRUE(session.kernel().wait_for_connects_begun(kCalls));
  (void)session.end();
  ended.give();
  std::vector<long> expected(kCalls, -EINTR);
  expected.push_back(-ENOSYS);  // nobody answers any more
  EXPECT_EQ(session.child().report(), expected);
  expect_answered_once(session.kernel().answers());
}

// --- bind -------------------------------------------------------------------------------------------

TEST(LiveBind, TakesPortsThatAreAllowedAndNoOthers) {
  const std::uint16_t allowed = port_of(make_server(SOCK_STREAM, "127.0.0.1").get());
  const std::uint16_t other = port_of(make_server(SOCK_STREAM, "127.0.0.1").get());
  ASSERT_NE(allowed, other);
  const Body body = [&] {
    std::vector<long> results;
    for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
      for (const std::uint16_t port : {allowed, other, std::uint16_t{0}}) {
        for (const Bytes& address :
             {ipv4("127.0.0.1", port), ipv4("0.0.0.0", port, AF_UNSPEC), ipv6("::ffff:127.0.0.1", port)}) {
          const UniqueFd socket = make_socket(address.size() == 16 ? AF_INET : AF_INET6, type);
          const long result = bind_to(socket.get(), address);
          const std::uint16_t bound = port_of(socket.get());
          results.push_back(result != 0 ? result : port == 0 ? (bound != 0 ? 0 : 1) : bound - port);
        }
      }
    }
    return results;
  };
  Child without_policy(body);
  EXPECT_EQ(without_policy.report(), std::vector<long>(18, 0));

  const auto policy = [&](const std::string& ports) {
    return R"({"version": 1, "network": {"bind": [)" + ports + "]}}";
  };
  {
    LiveSession session(policy(quoted(std::to_string(allowed))), {SYS_bind}, body);
    const auto [report, events] = session.run_to_end();
    const long no = -EACCES;
    EXPECT_EQ(report, (std::vector<long>{0, 0, 0, no, no, no, no, no, no, 0, 0, 0, no, no, no, no, no, no}));
    EXPECT_EQ(count_verdict(events, "allowed"), 6U);
    EXPECT_EQ(count_verdict(events, "denied"), 12U);
    expect_answered_once(session.kernel().answers());
  }
  LiveSession session(policy(R"("0", "1024-65535")"), {SYS_bind}, body);
  EXPECT_EQ(session.run_to_end().report, std::vector<long>(18, 0));
}

bool drop_capability(int capability) {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct data[2] = {};
  if (::syscall(SYS_capget, &header, data) != 0) return false;
  data[0].effective &= ~(1U << static_cast<unsigned>(capability));
  return ::syscall(SYS_capset, &header, data) == 0;
}

TEST(LiveBind, NeedsTheTargetsOwnCapabilityForPrivilegedPorts) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to have a capability that can be given up";
  const auto start = sys::read_file("/proc/sys/net/ipv4/ip_unprivileged_port_start");
  if (!start || std::stoi(*start) < 1024) GTEST_SKIP() << "every port is unprivileged here";
  // A privileged port that is free.
  std::uint16_t port = 1023;
  while (port > 600) {
    const UniqueFd probe = make_socket(AF_INET, SOCK_STREAM);
    if (bind_to(probe.get(), ipv4("127.0.0.1", port)) == 0) break;
    --port;
  }
  const auto bind_once = [&] {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    return bind_to(socket.get(), ipv4("127.0.0.1", port));
  };
  // Alternately, so that every receiver has had to give its own capability up and take it back.
  const Body body = [&] {
    std::vector<long> results;
    for (int i = 0; i < 20; ++i) {
      results.push_back(bind_once());
      std::thread([&] { results.push_back(drop_capability(CAP_NET_BIND_SERVICE) ? bind_once() : 1); }).join();
    }
    return results;
  };
  std::vector<long> expected;
  for (int i = 0; i < 20; ++i) expected.insert(expected.end(), {0, -EACCES});
  Child without_policy(body);
  EXPECT_EQ(without_policy.report(), expected);
  LiveSession session(R"({"version": 1, "network": {"bind": ["*"]}})", {SYS_bind}, body);
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, expected);
  EXPECT_EQ(count_verdict(events, "allowed"), 40U);
}

// The agent's user owns the container's user namespace, and to an owner the kernel grants every capability.
TEST(LiveBind, NeedsTheTargetsOwnCapabilityInItsUserNamespace) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, whose rights the target could borrow";
  const auto bind_once = [](std::uint16_t port) {
    const UniqueFd socket = make_socket(AF_INET, SOCK_STREAM);
    return bind_to(socket.get(), ipv4("0.0.0.0", port));
  };
  const auto set_first_unprivileged = [](const char* port) {
    const auto file = sys::open("/proc/sys/net/ipv4/ip_unprivileged_port_start", O_WRONLY);
    return file && sys::write_all(file->get(), port);
  };
  const Body body = [&] {
    std::vector<long> results;
    const auto bind_without = [&](std::uint16_t port) {
      std::thread([&] {
        results.push_back(drop_capability(CAP_NET_BIND_SERVICE) ? bind_once(port) : 1);
      }).join();
    };
    if (::unshare(CLONE_NEWUSER) != 0 || ::unshare(CLONE_NEWNET) != 0) return std::vector<long>{-errno};
    // Alternately, as above.
    for (int i = 0; i < 10; ++i) {
      results.push_back(bind_once(80));
      bind_without(80);
    }
    // Where privileged ports end is the container's affair.
    results.push_back(set_first_unprivileged("70") ? 0 : 1);
    bind_without(80);
    bind_without(60);
    results.push_back(set_first_unprivileged("2000") ? 0 : 1);
    bind_without(1500);
    results.push_back(bind_once(1500));
    return results;
  };
  std::vector<long> expected;
  for (int i = 0; i < 10; ++i) expected.insert(expected.end(), {0, -EACCES});
  expected.insert(expected.end(), {0, 0, -EACCES, 0, -EACCES, 0});
  Child without_policy(body);
  const std::vector<long> native = without_policy.report();
  if (native == std::vector<long>{-EPERM}) GTEST_SKIP() << "no user namespaces here";
#if defined(__SANITIZE_THREAD__)
  if (native == std::vector<long>{-EINVAL})
    GTEST_SKIP() << "not with ThreadSanitizer's own thread in the process";
#endif
  EXPECT_EQ(native, expected);
  LiveSession session(R"({"version": 1, "network": {"bind": ["*"]}})", {SYS_bind}, body);
  EXPECT_EQ(session.run_to_end().report, expected);
  EXPECT_EQ(::geteuid(), 0U);
}

// --- syscall rules ----------------------------------------------------------------------------------

TEST(LiveSyscalls, AreAnsweredByTheirRules) {
  const Body body = [] {
    return std::vector<long>{seccomp::raw_call(SYS_getppid), seccomp::raw_call(SYS_getpgid, 0),
                             seccomp::raw_call(SYS_getpgid, 1), seccomp::raw_call(SYS_getuid)};
  };
  Child without_policy(body);
  const std::vector<long> native = without_policy.report();
  ASSERT_EQ(native.size(), 4U);
  LiveSession session(R"({"version": 1, "syscalls": [
      {"names": ["getppid"], "action": "errno", "errno": "ENOTSUP"},
      {"names": ["getpgid"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1}]},
      {"names": ["getuid"], "action": "log"}]})",
                      {SYS_getppid, SYS_getpgid, SYS_getuid}, body);
  auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 4U);
  EXPECT_EQ(report[0], -ENOTSUP);
  EXPECT_GT(report[1], 0);
  EXPECT_EQ(report[2], -EPERM);
  EXPECT_EQ(report[3], native[3]);
  ASSERT_EQ(events.size(), 3U);
  // Written after the answer, by whoever served the call: not always in the order of the calls.
  std::sort(events.begin(), events.end(), [](const nlohmann::json& a, const nlohmann::json& b) {
    return a["rule"].get<std::string>() < b["rule"].get<std::string>();
  });
  EXPECT_EQ(events[0]["syscall"], "getppid");
  EXPECT_EQ(events[0]["errno"], "EOPNOTSUPP");
  EXPECT_EQ(events[0]["rule"], "/syscalls/0");
  EXPECT_EQ(events[1]["syscall"], "getpgid");
  EXPECT_EQ(events[1]["rule"], "/syscalls/1");
  EXPECT_EQ(events[2]["syscall"], "getuid");
  EXPECT_EQ(events[2]["verdict"], "allowed");
}

TEST(LiveSyscalls, KillTheWholeProcessWhereTheRuleSaysSo) {
  LiveSession session(R"({"version": 1, "syscalls": [{"names": ["getppid"], "action": "kill"}]})",
                      {SYS_getppid}, [] {
                        std::thread([] { (void)seccomp::raw_call(SYS_getppid); }).join();
                        return std::vector<long>{1};
                      });
  EXPECT_TRUE(session.child().report().empty());
  const int status = session.child().wait();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  const auto events = session.end();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "killed");
}

TEST(LiveSyscalls, AreEachAnsweredOnceWhenManyThreadsCall) {
  constexpr int kThreads = 8;
  constexpr int kCalls = 1250;
  const Body body = [] {
    std::vector<long> right(kThreads);
    std::vector<std::thread> threads;
    for (long& count : right) {
      threads.emplace_back([&] {
        for (int i = 0; i < kCalls; ++i) {
          // Odd ones are refused, even ones run.
          const long result = seccomp::raw_call(SYS_getpgid, i % 2 == 0 ? 0 : 1);
          if (i % 2 == 0 ? result > 0 : result == -ENOTSUP) ++count;
        }
      });
    }
    for (auto& thread : threads) thread.join();
    return right;
  };
  LiveSession session(R"({"version": 1, "syscalls": [
      {"names": ["getpgid"], "action": "errno", "errno": "ENOTSUP", "args": [{"index": 0, "op": "eq", "value": 1}]},
      {"names": ["getpgid"], "action": "log"}]})",
                      {SYS_getpgid}, body);
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, std::vector<long>(kThreads, kCalls));
  EXPECT_EQ(session.kernel().answers().size(), static_cast<std::size_t>(kThreads * kCalls));
  expect_answered_once(session.kernel().answers());
  EXPECT_EQ(events.size(), static_cast<std::size_t>(kThreads * kCalls));
  EXPECT_EQ(count_verdict(events, "denied"), static_cast<std::size_t>(kThreads * kCalls / 2));
  std::set<int> tids;
  for (const auto& event : events) tids.insert(event["tid"].get<int>());
  EXPECT_EQ(tids.size(), static_cast<std::size_t>(kThreads));
}

// Signals that come all the time take targets out of their calls at every possible moment.
TEST(LiveSyscalls, SurviveAStormOfSignals) {
  const UniqueFd server = make_server(SOCK_DGRAM, "127.0.0.1");
  const Bytes allowed = ipv4("127.0.0.1", port_of(server.get()));
  const Bytes denied = ipv4("127.0.0.3", port_of(server.get()));
  constexpr int kCalls = 1500;
  const Body body = [&] {
    install_handler(SA_RESTART);
    std::atomic<bool> done = false;
    std::vector<long> wrong;  // results
    std::thread calls([&] {
      const UniqueFd socket = make_socket(AF_INET, SOCK_DGRAM);
      for (int i = 0; i < kCalls; ++i) {
        wrong.push_back(connect_to(socket.get(), allowed));
        wrong.push_back(connect_to(socket.get(), denied) + EACCES);
        const UniqueFd bound = make_socket(AF_INET, SOCK_DGRAM);
        wrong.push_back(bind_to(bound.get(), ipv4("127.0.0.1", 0)));
        std::erase(wrong, 0);
      }
      done = true;
    });
    while (!done) {
      ::pthread_kill(calls.native_handle(), SIGUSR2);
      const struct timespec pause = {0, 20'000};
      ::nanosleep(&pause, nullptr);
    }
    calls.join();
    return wrong;
  };
  LiveSession session(
      R"({"version": 1, "network": {"allow": ["127.0.0.1"], "bind": ["0"]}, "events": {"log": ["denied", "network"]}})",
      {SYS_connect, SYS_bind}, body);
  const auto [report, events] = session.run_to_end();
  // The kernel takes an answer that comes while the target wakes up for a signal, and loses it
  // (seccomp_do_user_notification looks at the signal first). Such a call is performed twice, for nobody can
  // know; a bind then fails. Each answer that was taken is accounted for.
  std::size_t delivered = 0;
  for (const auto& [id, each] : session.kernel().answers())
    delivered += static_cast<std::size_t>(each.delivered);
  constexpr std::size_t kAll = std::size_t{3} * kCalls;
  ASSERT_GE(delivered, kAll);
  EXPECT_LE(report.size(), delivered - kAll);
  EXPECT_LE(delivered - kAll, kAll / 20) << "far more than that can explain";
  for (const long result : report) EXPECT_EQ(result, -EINVAL);
  for (const auto& [id, each] : session.kernel().answers()) {
    EXPECT_EQ(each.delivered + each.late, 1) << id;
    EXPECT_EQ(each.failed, 0) << id;
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
