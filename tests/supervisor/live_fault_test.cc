#include <gtest/gtest.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <functional>
#include <mutex>
#include <set>
#include <thread>

#include "tests/supervisor/faulty_kernel.h"
#include "tests/supervisor/live_target.h"
#include "tests/supervisor/socket_address.h"

// Calls on the network while the agent's own system calls fail, one after the other and in every way: what is
// refused never happens, and nobody waits. execve has the same in live_exec_test.cc.

namespace tidewaiter::supervisor {
namespace {

constexpr std::array kCodes = {
    ESRCH, EPERM, EMFILE, ENOMEM, EINTR, EFAULT, FaultyKernel::kHalf, FaultyKernel::kNothing};

std::string name_of(int code) {
  if (code == FaultyKernel::kHalf) return "half of it read";
  if (code == FaultyKernel::kNothing) return "nothing read";
  return ::strerrorname_np(code);
}

UniqueFd make_socket(int type) { return UniqueFd(::socket(AF_INET, type | SOCK_CLOEXEC, 0)); }

std::uint16_t port_of(int socket) {
  struct sockaddr_in address {};
  socklen_t size = sizeof address;
  if (::getsockname(socket, reinterpret_cast<struct sockaddr*>(&address), &size) != 0) std::abort();
  return ntohs(address.sin_port);
}

bool has_peer(int socket) {
  struct sockaddr_storage peer {};
  socklen_t size = sizeof peer;
  return ::getpeername(socket, reinterpret_cast<struct sockaddr*>(&peer), &size) == 0;
}

// What a target reports: see Report.
class Trial {
 public:
  // A target that is left in its call ends by a signal, and reports nothing.
  Trial() { ::alarm(10); }

  // `make_call` returns the result of one call, or a negative errno.
  template <typename MakeCall>
  long timed(const MakeCall& make_call) {
    const auto start = std::chrono::steady_clock::now();
    const long result = make_call();
    const auto took = std::chrono::steady_clock::now() - start;
    longest_ = std::max<long>(
        longest_, static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()));
    return result;
  }
  template <typename MakeCall>
  void refused(const MakeCall& make_call) {
    refused_ = std::max(refused_, timed(make_call));
  }
  template <typename MakeCall>
  void allowed(const MakeCall& make_call) {
    allowed_ = std::min(allowed_, timed(make_call));
  }
  void happened_if(bool happened) {
    if (happened) happened_ = 1;
  }
  [[nodiscard]] std::vector<long> report() const { return {refused_, allowed_, happened_, longest_}; }

 private:
  long refused_ = -4096;
  long allowed_ = 4096;
  long happened_ = 0;
  long longest_ = 0;
};

struct Report {
  explicit Report(const std::vector<long>& report)
      : refused(report.at(0)), allowed(report.at(1)), happened(report.at(2) != 0), longest(report.at(3)) {}
  long refused;   // the best result that a refused call had
  long allowed;   // the worst that an allowed one had
  bool happened;  // whether the target saw a refused call have an effect
  long longest;   // milliseconds that a call took at most
};

struct Scenario {
  std::string policy;
  std::vector<int> notified;
  Body body;                      // a Trial's report
  std::function<bool()> arrived;  // whether something got where the policy refuses to go
  std::set<std::string> calls;    // that the agent makes at least
  // Who refuses: without a policy the refused call works, or the kernel refuses it all the same.
  enum class By { kPolicy, kKernel } by = By::kPolicy;
};

// Every call that the agent makes for `scenario` fails once in each way.
void expect_fails_closed(const Scenario& scenario) {
  // Without a policy, and without a fault: otherwise nothing of the rest would mean anything.
  {
    seccomp::Child without_policy(scenario.body);
    const std::vector<long> raw = without_policy.report();
    ASSERT_EQ(raw.size(), 4U);
    const Report report(raw);
    const bool works = scenario.by == Scenario::By::kPolicy;
    EXPECT_EQ(report.refused >= 0, works);
    EXPECT_EQ(scenario.arrived() || report.happened, works);
    EXPECT_GE(report.allowed, 0);
  }
  std::set<std::string> all;
  {
    std::mutex mutex;
    FaultyKernel kernel([&](std::string_view name) {
      const std::lock_guard lock(mutex);
      all.emplace(name);
      return 0;
    });
    LiveSession session(scenario.policy, scenario.notified, scenario.body, &kernel);
    const std::vector<long> raw = session.run_to_end().report;
    ASSERT_EQ(raw.size(), 4U);
    const Report report(raw);
    EXPECT_EQ(report.refused, -EACCES);
    EXPECT_GE(report.allowed, 0);
    EXPECT_FALSE(report.happened);
    EXPECT_FALSE(scenario.arrived());
  }
  for (const std::string& call : scenario.calls) EXPECT_TRUE(all.contains(call)) << call;

  for (const int code : kCodes) {
    for (const std::string& name : all) {
      if (code < 0 && !FaultyKernel::reads(name)) continue;
      // Its first call, its second, and so on.
      for (int failing = 0;; ++failing) {
        std::atomic<int> calls{0};
        FaultyKernel kernel(
            [&](std::string_view called) { return called == name && calls++ == failing ? code : 0; });
        LiveSession session(scenario.policy, scenario.notified, scenario.body, &kernel);
        const std::vector<long> raw = session.run_to_end().report;
        SCOPED_TRACE(name + " " + std::to_string(failing) + ": " + name_of(code));
        ASSERT_EQ(raw.size(), 4U) << "it was left in its call";
        const Report report(raw);
        EXPECT_LT(report.refused, 0);
        EXPECT_FALSE(report.happened);
        EXPECT_FALSE(scenario.arrived());
        EXPECT_LT(report.longest, 1000);
        if (calls <= failing) {
          EXPECT_GT(failing, 0) << "it never failed";
          break;
        }
        ASSERT_LT(failing, 100);
      }
    }
  }
}

const std::set<std::string> kOfEveryCall = {
    "open_thread",  "duplicate_fd", "socket_option", "read_memory",    "id_valid",
    "answer_errno", "answer_value", "socket_cookie", "read_proc_file", "read_proc_link"};

std::set<std::string> and_also(std::initializer_list<std::string> names) {
  std::set<std::string> all = kOfEveryCall;
  all.insert(names);
  return all;
}

// Two servers: one that the policy allows, one that it does not.
class Servers {
 public:
  explicit Servers(int type)
      : friendly_(make(type, "127.0.0.1")), strange_(make(type, "127.0.0.2")), type_(type) {}
  [[nodiscard]] Bytes friendly() const { return ipv4("127.0.0.1", port_of(friendly_.get())); }
  [[nodiscard]] Bytes strange() const { return ipv4("127.0.0.2", port_of(strange_.get())); }
  [[nodiscard]] std::string policy() const {
    return R"({"version": 1, "network": {"allow": ["127.0.0.1"]}})";
  }

  // Whether anything came to the strange one since the last time. Over loopback it is there when the call has
  // returned. What has come to the other is thrown away.
  [[nodiscard]] bool strange_reached() const {
    while (take(friendly_.get())) continue;
    bool reached = false;
    while (take(strange_.get())) reached = true;
    return reached;
  }

 private:
  static UniqueFd make(int type, const std::string& host) {
    UniqueFd socket = make_socket(type | SOCK_NONBLOCK);
    if (bind_to(socket.get(), ipv4(host, 0)) != 0) std::abort();
    if (type == SOCK_STREAM && ::listen(socket.get(), 64) != 0) std::abort();
    return socket;
  }
  [[nodiscard]] bool take(int socket) const {
    if (type_ == SOCK_STREAM) return UniqueFd(::accept4(socket, nullptr, nullptr, SOCK_CLOEXEC)).valid();
    char byte = 0;
    return ::recv(socket, &byte, sizeof byte, 0) >= 0;
  }

  UniqueFd friendly_;
  UniqueFd strange_;
  int type_;
};

TEST(LiveFaults, OfAConnectPerformNothingRefused) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    SCOPED_TRACE(type);
    const Servers servers(type);
    const Bytes friendly = servers.friendly();
    const Bytes strange = servers.strange();
    expect_fails_closed({.policy = servers.policy(),
                         .notified = {SYS_connect},
                         .body =
                             [&] {
                               Trial trial;
                               const UniqueFd refused = make_socket(type);
                               const UniqueFd allowed = make_socket(type);
                               trial.refused([&] { return connect_to(refused.get(), strange); });
                               trial.happened_if(has_peer(refused.get()));
                               trial.allowed([&] { return connect_to(allowed.get(), friendly); });
                               return trial.report();
                             },
                         .arrived = [&] { return servers.strange_reached(); },
                         .calls = and_also({"connect"})});
  }
}

TEST(LiveFaults, OfABindPerformNothingRefused) {
  // Two ports that are free; nothing ever listens there.
  std::uint16_t allowed_port = 0;
  std::uint16_t refused_port = 0;
  {
    const UniqueFd one = make_socket(SOCK_STREAM);
    const UniqueFd other = make_socket(SOCK_STREAM);
    ASSERT_EQ(bind_to(one.get(), ipv4("127.0.0.1", 0)), 0);
    ASSERT_EQ(bind_to(other.get(), ipv4("127.0.0.1", 0)), 0);
    allowed_port = port_of(one.get());
    refused_port = port_of(other.get());
  }
  expect_fails_closed(
      {.policy = R"({"version": 1, "network": {"bind": [")" + std::to_string(allowed_port) + R"("]}})",
       .notified = {SYS_bind},
       .body =
           [&] {
             Trial trial;
             const UniqueFd refused = make_socket(SOCK_STREAM);
             const UniqueFd allowed = make_socket(SOCK_STREAM);
             trial.refused([&] { return bind_to(refused.get(), ipv4("127.0.0.1", refused_port)); });
             trial.happened_if(port_of(refused.get()) != 0);
             trial.allowed([&] { return bind_to(allowed.get(), ipv4("127.0.0.1", allowed_port)); });
             return trial.report();
           },
       .arrived = [] { return false; },
       .calls = and_also({"bind_unprivileged"})});
}

bool drop_bind_capability() {
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  std::array<struct __user_cap_data_struct, 2> data{};
  if (::syscall(SYS_capget, &header, data.data()) != 0) return false;
  data[0].effective &= ~(1U << static_cast<unsigned>(CAP_NET_BIND_SERVICE));
  return ::syscall(SYS_capset, &header, data.data()) == 0;
}

// The policy allows it and the kernel would not: whatever the agent cannot find out means that.
TEST(LiveFaults, OfABindToAPrivilegedPortLendNoCapability) {
  const auto new_network = [] {
    return ::unshare(CLONE_NEWUSER) == 0 && ::unshare(CLONE_NEWNET) == 0 ? 0L : static_cast<long>(-errno);
  };
  seccomp::Child probe([&] { return std::vector<long>{new_network()}; });
  const std::vector<long> possible = probe.report();
  if (possible == std::vector<long>{-EPERM}) GTEST_SKIP() << "no user namespaces here";
#if defined(__SANITIZE_THREAD__)
  if (possible == std::vector<long>{-EINVAL})
    GTEST_SKIP() << "not with ThreadSanitizer's own thread in the process";
#endif
  ASSERT_EQ(possible, std::vector<long>{0});
  expect_fails_closed({.policy = R"({"version": 1, "network": {"bind": ["80", "81"]}})",
                       .notified = {SYS_bind},
                       .body =
                           [&] {
                             Trial trial;
                             if (new_network() != 0) return std::vector<long>{};
                             const UniqueFd refused = make_socket(SOCK_STREAM);
                             const UniqueFd allowed = make_socket(SOCK_STREAM);
                             std::thread([&] {
                               if (!drop_bind_capability()) std::abort();
                               trial.refused([&] { return bind_to(refused.get(), ipv4("0.0.0.0", 80)); });
                             }).join();
                             trial.happened_if(port_of(refused.get()) != 0);
                             trial.allowed([&] { return bind_to(allowed.get(), ipv4("0.0.0.0", 81)); });
                             return trial.report();
                           },
                       .arrived = [] { return false; },
                       .calls = and_also({"bind_unprivileged", "bind", "owns_network"}),
                       .by = Scenario::By::kKernel});
}

// A datagram of two parts and a control message.
class Datagram {
 public:
  explicit Datagram(Bytes to) : to_(std::move(to)) {
    parts_[0] = {const_cast<char*>("a"), 1};
    parts_[1] = {const_cast<char*>("b"), 1};
    header_.msg_name = to_.data();
    header_.msg_namelen = static_cast<socklen_t>(to_.size());
    header_.msg_iov = parts_.data();
    header_.msg_iovlen = parts_.size();
    header_.msg_control = control_.data();
    header_.msg_controllen = control_.size();
    struct cmsghdr* control = CMSG_FIRSTHDR(&header_);
    control->cmsg_level = SOL_IP;
    control->cmsg_type = IP_TTL;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    const int ttl = 9;
    std::memcpy(CMSG_DATA(control), &ttl, sizeof ttl);
  }
  Datagram(const Datagram&) = delete;
  Datagram& operator=(const Datagram&) = delete;
  [[nodiscard]] const struct msghdr& header() const { return header_; }

 private:
  Bytes to_;
  std::array<struct iovec, 2> parts_{};
  alignas(struct cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(int))> control_{};
  struct msghdr header_ {};
};

TEST(LiveFaults, OfASendtoPerformNothingRefused) {
  const Servers servers(SOCK_DGRAM);
  const Bytes friendly = servers.friendly();
  const Bytes strange = servers.strange();
  const auto send = [](const UniqueFd& socket, const Bytes& to) {
    return seccomp::raw_call(SYS_sendto, socket.get(), "x", 1, 0, to.data(), to.size());
  };
  expect_fails_closed({.policy = servers.policy(),
                       .notified = {SYS_sendto},
                       .body =
                           [&] {
                             Trial trial;
                             const UniqueFd socket = make_socket(SOCK_DGRAM);
                             trial.refused([&] { return send(socket, strange); });
                             trial.allowed([&] { return send(socket, friendly); });
                             return trial.report();
                           },
                       .arrived = [&] { return servers.strange_reached(); },
                       .calls = and_also({"send"})});
}

TEST(LiveFaults, OfASendmsgPerformNothingRefused) {
  const Servers servers(SOCK_DGRAM);
  const Bytes friendly = servers.friendly();
  const Bytes strange = servers.strange();
  expect_fails_closed({.policy = servers.policy(),
                       .notified = {SYS_sendmsg},
                       .body =
                           [&] {
                             Trial trial;
                             const UniqueFd socket = make_socket(SOCK_DGRAM);
                             const Datagram refused(strange);
                             const Datagram allowed(friendly);
                             trial.refused([&] {
                               return seccomp::raw_call(SYS_sendmsg, socket.get(), &refused.header(), 0);
                             });
                             trial.allowed([&] {
                               return seccomp::raw_call(SYS_sendmsg, socket.get(), &allowed.header(), 0);
                             });
                             return trial.report();
                           },
                       .arrived = [&] { return servers.strange_reached(); },
                       .calls = and_also({"send"})});
}

TEST(LiveFaults, OfASendmmsgPerformNothingRefused) {
  const Servers servers(SOCK_DGRAM);
  const Bytes friendly = servers.friendly();
  const Bytes strange = servers.strange();
  expect_fails_closed(
      {.policy = servers.policy(),
       .notified = {SYS_sendmmsg},
       .body =
           [&] {
             Trial trial;
             const UniqueFd socket = make_socket(SOCK_DGRAM);
             const Datagram refused(strange);
             const Datagram allowed(friendly);
             std::array<struct mmsghdr, 2> refused_first = {{{refused.header(), 0}, {allowed.header(), 0}}};
             std::array<struct mmsghdr, 2> refused_second = {{{allowed.header(), 0}, {refused.header(), 0}}};
             trial.refused(
                 [&] { return seccomp::raw_call(SYS_sendmmsg, socket.get(), refused_first.data(), 2, 0); });
             long sent = 0;
             trial.allowed([&] {
               sent = seccomp::raw_call(SYS_sendmmsg, socket.get(), refused_second.data(), 2, 0);
               return sent;
             });
             trial.happened_if(sent > 1);
             return trial.report();
           },
       .arrived = [&] { return servers.strange_reached(); },
       .calls = and_also({"send", "open_memory", "write_memory"})});
}

}  // namespace
}  // namespace tidewaiter::supervisor
