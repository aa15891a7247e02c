#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/supervisor/faulty_kernel.h"
#include "tests/supervisor/live_target.h"
#include "tests/supervisor/scripted_kernel.h"
#include "tests/supervisor/socket_address.h"
#include "tests/supervisor/supervised_call.h"

// Calls on Unix sockets under a policy, on the real kernel: made by a thread of the target's own (StandIn).

// Newer than the headers of Debian 12 (Linux 6.10).
#ifndef SYS_mseal
#define SYS_mseal 462
#endif

namespace tidewaiter::supervisor {
namespace {

const std::vector<int> kConnect = {SYS_connect};
const std::vector<int> kSends = {SYS_connect, SYS_sendmsg, SYS_sendmmsg, SYS_sendto};

Bytes unix_address(const std::string& name) {
  struct sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const bool abstract = name.starts_with('@');
  std::memcpy(static_cast<void*>(address.sun_path), name.data(), name.size());
  if (abstract) address.sun_path[0] = '\0';
  const auto bytes = std::as_bytes(std::span(&address, 1));
  const std::size_t size = offsetof(struct sockaddr_un, sun_path) + name.size() + (abstract ? 0 : 1);
  return {bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)};
}

UniqueFd unix_socket(int type = SOCK_STREAM) { return UniqueFd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0)); }

// A socket of the test's own at `name`; a stream listens.
UniqueFd unix_server(const std::string& name, int type = SOCK_STREAM, int backlog = 64) {
  UniqueFd server = unix_socket(type);
  if (bind_to(server.get(), unix_address(name)) != 0) std::abort();
  if (type == SOCK_STREAM && ::listen(server.get(), backlog) != 0) std::abort();
  return server;
}

long connect_new(const std::string& name, int type = SOCK_STREAM) {
  return connect_to(unix_socket(type).get(), unix_address(name));
}

std::string allow(const std::string& rule) {
  return R"({"version": 1, "network": {"allow": ["unix:)" + rule + R"("]}})";
}

// Who the next connection's other end is.
struct ucred accept_peer(int listener) {
  struct ucred peer {};
  socklen_t size = sizeof peer;
  const UniqueFd accepted(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  if (!accepted.valid() || ::getsockopt(accepted.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0)
    return {};
  return peer;
}

class LiveUnix : public ::testing::Test {
 protected:
  // The canonical path of a name in the test's folder.
  [[nodiscard]] std::string at(const std::string& name) const { return folder_.path() + "/" + name; }
  void SetUp() override { ASSERT_EQ(::chmod(folder_.path().c_str(), 0755), 0); }

  testing::TemporaryFolder folder_;
};

TEST_F(LiveUnix, ConnectsAsTheTargetItself) {
  constexpr uid_t kUser = 4711;
  const UniqueFd server = unix_server(at("pg"));
  ASSERT_EQ(::chmod(at("pg").c_str(), 0777), 0);
  LiveSession session(allow(at("*")), kConnect, [&] {
    if (::setresgid(kUser, kUser, kUser) != 0 || ::setresuid(kUser, kUser, kUser) != 0)
      return std::vector<long>{-1};
    return std::vector<long>{connect_new(at("pg")), ::getpid()};
  });
  const struct ucred peer = accept_peer(server.get());
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 2U);
  EXPECT_EQ(report[0], 0);
  EXPECT_EQ(peer.pid, static_cast<pid_t>(report[1]));
  EXPECT_EQ(peer.uid, kUser);
  EXPECT_EQ(peer.gid, kUser);
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0]["verdict"], "allowed");
  EXPECT_EQ(events[0]["transport"], "unix");
  EXPECT_EQ(events[0]["path"], at("pg"));
  EXPECT_EQ(events[0]["rule"], "/network/allow/0");
}

TEST_F(LiveUnix, DecidesOnThePathThatLeadsThere) {
  const UniqueFd good = unix_server(at("good"));
  const UniqueFd bad = unix_server(at("bad"));
  ASSERT_EQ(::symlink(at("bad").c_str(), at("good.link").c_str()), 0);
  ASSERT_EQ(::symlink(at("good").c_str(), at("bad.link").c_str()), 0);
  ASSERT_EQ(::mkdir(at("folder").c_str(), 0755), 0);
  LiveSession session(allow(at("good")), kConnect, [&] {
    std::vector<long> results{connect_new(at("good")),           connect_new(at("bad")),
                              connect_new(at("good.link")),      connect_new(at("bad.link")),
                              connect_new(at("folder/../good")), connect_new(at("nothing"))};
    if (::chdir(folder_.path().c_str()) != 0) return results;
    results.push_back(connect_new("good"));
    results.push_back(connect_new("bad"));
    return results;
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, (std::vector<long>{0, -EACCES, -EACCES, 0, 0, -ENOENT, 0, -EACCES}));
}

TEST_F(LiveUnix, AnswersAsTheKernelDoes) {
  const UniqueFd stream = unix_server(at("stream"));
  const UniqueFd closed = unix_server(at("closed"));
  ASSERT_EQ(::chmod(at("closed").c_str(), 0700), 0);
  ASSERT_EQ(::mkdir(at("private").c_str(), 0700), 0);
  const UniqueFd hidden = unix_server(at("private/hidden"));
  { const UniqueFd dead = unix_server(at("dead")); }
  const auto body = [&] {
    if (::setresuid(4711, 4711, 4711) != 0) return std::vector<long>{-1};
    const UniqueFd connected = unix_socket();
    return std::vector<long>{
        connect_new(at("stream"), SOCK_DGRAM),      connect_new(at("closed")),
        connect_new(at("private/hidden")),          connect_new(at("dead")),
        connect_to(-1, unix_address(at("stream"))), connect_to(connected.get(), unix_address("")),
        connect_to(connected.get(), Bytes(2)),      connect_new("/"),
        connect_new("@nobody.listens.here")};
  };
  ASSERT_EQ(::chmod(at("stream").c_str(), 0777), 0);
  ASSERT_EQ(::chmod(at("dead").c_str(), 0777), 0);
  seccomp::Child native(body);
  LiveSession session(R"({"version": 1, "network": {"allow": ["unix:**", "unix:@*"]}})", kConnect, body);
  EXPECT_EQ(session.run_to_end().report, native.report());
}

TEST_F(LiveUnix, DecidesOnAbstractNames) {
  const std::string mine = "@tidewaiter.test." + std::to_string(::getpid());
  const UniqueFd server = unix_server(mine + ".good");
  const UniqueFd other = unix_server(mine + ".bad");
  LiveSession session(allow(mine + ".g*"), kConnect, [&] {
    return std::vector<long>{connect_new(mine + ".good"), connect_new(mine + ".bad"),
                             connect_new(mine + ".gone")};
  });
  const auto [report, events] = session.run_to_end();
  EXPECT_EQ(report, (std::vector<long>{0, -EACCES, -ECONNREFUSED}));
  ASSERT_EQ(events.size(), 3U);
  // An answer comes before its event, so that the next call's may overtake it.
  const auto bad = std::find_if(events.begin(), events.end(),
                                [&](const auto& event) { return event["path"] == mine + ".bad"; });
  ASSERT_NE(bad, events.end());
  EXPECT_EQ((*bad)["verdict"], "denied");
}

std::vector<pid_t> threads_of(pid_t process) {
  std::vector<pid_t> threads;
  std::error_code ended;
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(process) + "/task", ended)) {
    threads.push_back(std::stoi(entry.path().filename()));
  }
  return threads;
}

TEST_F(LiveUnix, MakesManyCallsWithTheSameMemory) {
  const UniqueFd server = unix_server(at("pg"), SOCK_DGRAM);
  LiveSession session(allow(at("*")), kConnect, [&] {
    const std::size_t before = threads_of(::getpid()).size();  // a sanitizer may have one of its own
    long failed = 0;
    for (int i = 0; i < 200; ++i) failed += connect_new(at("pg"), SOCK_DGRAM) == 0 ? 0 : 1;
    // One mapping, and no thread more.
    const std::string maps = *sys::read_file("/proc/self/maps");
    const std::string ours = "/memfd:tidewaiter (deleted)";
    long mappings = 0;
    for (std::size_t found = maps.find(ours); found != std::string::npos;
         found = maps.find(ours, found + 1)) {
      ++mappings;
    }
    return std::vector<long>{failed, mappings, threads_of(::getpid()).size() == before};
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{0, 1, 1}));
}

TEST_F(LiveUnix, ServesThreadsAtOnce) {
  const UniqueFd server = unix_server(at("pg"), SOCK_DGRAM);
  LiveSession session(allow(at("*")), kConnect, [&] {
    std::atomic<long> failed = 0;
    std::vector<std::thread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 50; ++n) failed += connect_new(at("pg"), SOCK_DGRAM) == 0 ? 0 : 1;
      });
    }
    for (auto& thread : threads) thread.join();
    return std::vector<long>{failed};
  });
  EXPECT_EQ(session.run_to_end().report, std::vector<long>{0});
}

// --- signals ----------------------------------------------------------------------------------------

void set_handler(int flags) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  action.sa_flags = flags;
  ::sigaction(SIGALRM, &action, nullptr);
}

TEST_F(LiveUnix, IsInterruptedBySignalsAsNatively) {
  const UniqueFd full = unix_server(at("full"), SOCK_STREAM, 0);
  const UniqueFd filler = unix_socket();
  ASSERT_EQ(connect_to(filler.get(), unix_address(at("full"))), 0);
  LiveSession session(allow(at("*")), kConnect, [&] {
    set_handler(0);
    const struct itimerval soon = {{0, 20'000}, {0, 50'000}};
    ::setitimer(ITIMER_REAL, &soon, nullptr);
    const long interrupted = connect_new(at("full"));
    // Not for what is ignored, or does nothing.
    ::signal(SIGALRM, SIG_IGN);
    const struct timeval patience = {0, 300'000};
    const UniqueFd patient = unix_socket();
    ::setsockopt(patient.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    return std::vector<long>{interrupted, connect_to(patient.get(), unix_address(at("full")))};
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{-EINTR, -EAGAIN}));
}

// The thread that makes a call for another of the process, which is traced too; 0: there is none.
pid_t stand_in_of(pid_t process) {
  std::vector<pid_t> traced;
  for (const pid_t tid : threads_of(process)) {
    const auto status =
        sys::read_file("/proc/" + std::to_string(process) + "/task/" + std::to_string(tid) + "/status");
    if (status && status->find("TracerPid:\t0\n") == std::string::npos) traced.push_back(tid);
  }
  return traced.size() < 2 ? 0 : *std::max_element(traced.begin(), traced.end());
}

TEST_F(LiveUnix, GoesOnAfterASignalWhereTheHandlerSaysSo) {
  const UniqueFd full = unix_server(at("full"), SOCK_STREAM, 0);
  const UniqueFd filler = unix_socket();
  ASSERT_EQ(connect_to(filler.get(), unix_address(at("full"))), 0);
  auto report_ready = sys::pipe();
  LiveSession session(allow(at("*")), kConnect, [&] {
    struct sigaction action {};
    action.sa_handler = [](int) {};
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGUSR2, &action, nullptr);
    (void)!::write(report_ready->write_end.get(), "x", 1);
    return std::vector<long>{connect_new(at("full"))};
  });
  char byte = 0;
  ASSERT_EQ(::read(report_ready->read_end.get(), &byte, 1), 1);
  // The signal takes it out of its call, which it makes again, with another stand-in.
  const pid_t target = session.child().pid();
  pid_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const pid_t before = last;
    while (last == before) {
      const pid_t present = stand_in_of(target);
      last = present == 0 ? last : present;
      ::usleep(500);
    }
    ASSERT_EQ(::kill(target, SIGUSR2), 0);
  }
  (void)accept_peer(full.get());
  EXPECT_EQ(session.run_to_end().report, std::vector<long>{0});
}

TEST_F(LiveUnix, GoesOnAfterBeingStopped) {
  const UniqueFd server = unix_server(at("pg"), SOCK_DGRAM);
  LiveSession session(allow(at("*")), kConnect, [&] {
    long failed = 0;
    for (int i = 0; i < 10 && failed == 0; ++i) failed = connect_new(at("pg"), SOCK_DGRAM);
    return std::vector<long>{failed};
  });
  // Job control, at any moment of a call and as fast as it goes: the calls take long, and nobody is killed
  // for it.
  std::atomic<bool> over = false;
  const pid_t target = session.child().pid();
  std::thread stopper([&] {
    while (!over) {
      ::kill(target, SIGSTOP);
      std::this_thread::yield();
      ::kill(target, SIGCONT);
      std::this_thread::yield();
    }
  });
  const UniqueFd end = *sys::pidfd_open(target);
  struct pollfd ended = {end.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&ended, 1, 60'000), 1);
  over = true;
  stopper.join();
  EXPECT_EQ(session.run_to_end().report, std::vector<long>{0});
}

// A thread that executes a program ends the others, and they with it their calls; not the program.
TEST_F(LiveUnix, LeavesAProgramThatAnotherThreadExecutes) {
  const UniqueFd full = unix_server(at("full"), SOCK_STREAM, 0);
  const UniqueFd filler = unix_socket();
  ASSERT_EQ(connect_to(filler.get(), unix_address(at("full"))), 0);
  for (const bool leader_calls : {true, false}) {
    for (int i = 0; i < 20; ++i) {
      LiveSession session(allow(at("*")), kConnect, [&] {
        const pid_t child = ::fork();
        if (child == 0) {
          const auto call = [&] { (void)connect_new(at("full")); };
          const auto execute = [&] {
            // When the stand-in is there.
            while (stand_in_of(::getpid()) == 0) ::usleep(500);
            ::execl("/bin/busybox", "true", nullptr);
            ::_exit(3);
          };
          std::thread other = leader_calls ? std::thread(execute) : std::thread(call);
          leader_calls ? call() : execute();
          other.join();
        }
        int status = -1;
        while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
        return std::vector<long>{status};
      });
      EXPECT_EQ(session.run_to_end().report, std::vector<long>{0}) << leader_calls;
    }
  }
}

// --- races ------------------------------------------------------------------------------------------

// How long a race may take, in attempts.
constexpr int kAttempts = 3000;

TEST_F(LiveUnix, HoldsAgainstAnAddressThatChanges) {
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("evil"), SOCK_DGRAM);
  const Bytes first = unix_address(at("good"));
  const Bytes second = unix_address(at("evil"));
  LiveSession session(allow(at("good")), kConnect, [&] {
    Bytes address = first;
    std::atomic<bool> stop = false;
    std::thread flipper([&] {
      while (!stop) {
        std::memcpy(address.data(), second.data(), second.size());
        std::memcpy(address.data(), first.data(), first.size());
      }
    });
    long reached = 0;
    long refused = 0;
    for (int i = 0; i < kAttempts; ++i) {
      const UniqueFd socket = unix_socket(SOCK_DGRAM);
      const long result = connect_to(socket.get(), address);
      refused += result == -EACCES ? 1 : 0;
      struct sockaddr_un peer {};
      socklen_t size = sizeof peer;
      if (result == 0 && ::getpeername(socket.get(), reinterpret_cast<struct sockaddr*>(&peer), &size) == 0) {
        reached += std::string_view(peer.sun_path).ends_with("evil") ? 1 : 0;
      }
    }
    stop = true;
    flipper.join();
    return std::vector<long>{reached, refused > 0};
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{0, 1}));
}

TEST_F(LiveUnix, HoldsAgainstALinkThatChanges) {
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("evil"), SOCK_DGRAM);
  ASSERT_EQ(::symlink("good", at("to.good").c_str()), 0);
  ASSERT_EQ(::symlink("evil", at("to.evil").c_str()), 0);
  LiveSession session(allow(at("good")), kConnect, [&] {
    std::atomic<bool> stop = false;
    std::thread flipper([&] {
      while (!stop) {
        // RENAME_EXCHANGE
        ::syscall(SYS_renameat2, AT_FDCWD, at("to.good").c_str(), AT_FDCWD, at("to.evil").c_str(), 2);
      }
    });
    long reached = 0;
    long refused = 0;
    long connected = 0;
    for (int i = 0; i < kAttempts; ++i) {
      const UniqueFd socket = unix_socket(SOCK_DGRAM);
      const long result = connect_to(socket.get(), unix_address(at("to.good")));
      refused += result == -EACCES ? 1 : 0;
      struct sockaddr_un peer {};
      socklen_t size = sizeof peer;
      if (result != 0 || ::getpeername(socket.get(), reinterpret_cast<struct sockaddr*>(&peer), &size) != 0)
        continue;
      ++connected;
      reached += std::string_view(peer.sun_path).ends_with("evil") ? 1 : 0;
    }
    stop = true;
    flipper.join();
    return std::vector<long>{reached, refused > 0, connected > 0};
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{0, 1, 1}));
}

// --- sending ----------------------------------------------------------------------------------------

struct Received {
  std::string text;
  struct ucred sender {};
  bool descriptor = false;
};

Received receive_one(int socket) {
  Received received;
  std::array<char, 4096> text{};
  alignas(struct cmsghdr) std::array<char, 256> control{};
  struct iovec piece = {text.data(), text.size()};
  struct msghdr header {};
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  const ssize_t count = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  if (count < 0) return received;
  received.text.assign(text.data(), static_cast<std::size_t>(count));
  for (struct cmsghdr* each = CMSG_FIRSTHDR(&header); each != nullptr; each = CMSG_NXTHDR(&header, each)) {
    if (each->cmsg_type == SCM_CREDENTIALS)
      std::memcpy(&received.sender, CMSG_DATA(each), sizeof received.sender);
    if (each->cmsg_type != SCM_RIGHTS) continue;
    int number = -1;
    std::memcpy(&number, CMSG_DATA(each), sizeof number);
    received.descriptor = UniqueFd(number).valid();
  }
  return received;
}

long send_named(int socket, const Bytes& name, std::string text, bool with_descriptor) {
  alignas(struct cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  struct iovec piece = {text.data(), text.size()};
  struct msghdr header {};
  Bytes copy = name;
  header.msg_name = copy.empty() ? nullptr : copy.data();
  header.msg_namelen = static_cast<socklen_t>(copy.size());
  header.msg_iov = &piece;
  header.msg_iovlen = 1;
  if (with_descriptor) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    struct cmsghdr* rights = CMSG_FIRSTHDR(&header);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(sizeof(int));
    const int number = STDERR_FILENO;
    std::memcpy(CMSG_DATA(rights), &number, sizeof number);
  }
  return seccomp::raw_call(SYS_sendmsg, socket, &header, 0);
}

TEST_F(LiveUnix, SendsAsTheTargetItself) {
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("bad"), SOCK_DGRAM);
  const int on = 1;
  ASSERT_EQ(::setsockopt(good.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  LiveSession session(allow(at("good")), kSends, [&] {
    const UniqueFd socket = unix_socket(SOCK_DGRAM);
    const Bytes there = unix_address(at("good"));
    const long plain = seccomp::raw_call(SYS_sendto, socket.get(), "one", 3, 0, there.data(), there.size());
    const long message = send_named(socket.get(), there, "two!", true);
    const long refused = send_named(socket.get(), unix_address(at("bad")), "no", false);
    const Bytes elsewhere = unix_address(at("bad"));
    const long also =
        seccomp::raw_call(SYS_sendto, socket.get(), "no", 2, 0, elsewhere.data(), elsewhere.size());
    return std::vector<long>{plain, message, refused, also, ::getpid()};
  });
  const Received one = receive_one(good.get());
  const Received two = receive_one(good.get());
  const auto [report, events] = session.run_to_end();
  ASSERT_EQ(report.size(), 5U);
  EXPECT_EQ(std::vector(report.begin(), report.begin() + 4), (std::vector<long>{3, 4, -EACCES, -EACCES}));
  EXPECT_EQ(one.text, "one");
  EXPECT_EQ(one.sender.pid, static_cast<pid_t>(report[4]));
  EXPECT_EQ(two.text, "two!");
  EXPECT_TRUE(two.descriptor);
  EXPECT_EQ(two.sender.pid, static_cast<pid_t>(report[4]));
  ASSERT_EQ(::fcntl(bad.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(receive_one(bad.get()).text, "");
}

TEST_F(LiveUnix, SendsSeveralAndSaysHowMuchOfEach) {
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("bad"), SOCK_DGRAM);
  LiveSession session(allow(at("good")), kSends, [&] {
    const UniqueFd socket = unix_socket(SOCK_DGRAM);
    Bytes there = unix_address(at("good"));
    Bytes elsewhere = unix_address(at("bad"));
    std::array<char, 8> text{};
    std::array<struct iovec, 3> pieces = {{{text.data(), 1}, {text.data(), 2}, {text.data(), 3}}};
    std::array<struct mmsghdr, 3> messages{};
    for (std::size_t i = 0; i < messages.size(); ++i) {
      Bytes& name = i == 2 ? elsewhere : there;
      messages[i].msg_hdr.msg_name = name.data();
      messages[i].msg_hdr.msg_namelen = static_cast<socklen_t>(name.size());
      messages[i].msg_hdr.msg_iov = &pieces[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    const long sent = seccomp::raw_call(SYS_sendmmsg, socket.get(), messages.data(), messages.size(), 0);
    return std::vector<long>{sent, messages[0].msg_len, messages[1].msg_len, messages[2].msg_len};
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{2, 1, 2, 0}));
}

// What lies unread in a socket is charged to whoever sent it, and descriptors count for its user.
TEST_F(LiveUnix, SendsByTheAgentOnlyWhatBurdensTheTargetAnyway) {
  const auto body = [] {
    std::array<int, 2> pair{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()) != 0) return std::vector<long>{-1};
    const auto send = [&pair](std::size_t size, bool with_descriptor = false) {
      return send_named(pair[0], {}, std::string(size, 'x'), with_descriptor);
    };
    std::vector<long> report{send(1), send(1)};
    report.push_back(static_cast<long>(receive_one(pair[1]).text.size()));
    report.insert(report.end(), {send(2048), send(1)});
    report.push_back(static_cast<long>(receive_one(pair[1]).text.size()));
    report.push_back(send(2049));
    report.push_back(static_cast<long>(receive_one(pair[1]).text.size()));
    report.push_back(send(1, true));
    return report;
  };
  auto record = record_of(allow(at("good")));
  for (const bool bounds_memory : {false, true}) {
    record.bounds_memory = bounds_memory;
    LiveSession session(std::move(*Supervision::make(record)), {SYS_sendmsg}, body);
    EXPECT_EQ(session.run_to_end().report, (std::vector<long>{1, 1, 2, 2048, 1, 2049, 2049, 2049, 1}));
    EXPECT_EQ(session.kernel().sends(), bounds_memory ? 2U : 5U);
  }
}

// The stand-in opens a path for each message: a call of its own, of which the filter would tell the agent as
// well.
TEST_F(LiveUnix, SendsSeveralWhereItsOwnCallsAreNotifiedToo) {
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  std::vector<int> notified = kSends;
  notified.push_back(SYS_openat);
  LiveSession session(R"({"version": 1, "network": {"allow": ["unix:)" + at("good") + R"("]},
                          "syscalls": [{"names": ["openat"], "action": "log"}]})",
                      notified, [&] {
                        const UniqueFd socket = unix_socket(SOCK_DGRAM);
                        Bytes there = unix_address(at("good"));
                        std::array<char, 1> text{'x'};
                        struct iovec piece = {text.data(), text.size()};
                        std::array<struct mmsghdr, 3> messages{};
                        for (struct mmsghdr& each : messages) {
                          each.msg_hdr.msg_name = there.data();
                          each.msg_hdr.msg_namelen = static_cast<socklen_t>(there.size());
                          each.msg_hdr.msg_iov = &piece;
                          each.msg_hdr.msg_iovlen = 1;
                        }
                        return std::vector<long>{seccomp::raw_call(SYS_sendmmsg, socket.get(),
                                                                   messages.data(), messages.size(), 0)};
                      });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{3}));
}

// Each message's path is the target's own to resolve, and none keeps a descriptor.
TEST_F(LiveUnix, SendsManyToRelativePaths) {
  constexpr std::size_t kCount = 64;
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("bad"), SOCK_DGRAM);
  LiveSession session(allow(at("good")), kSends, [&] {
    if (::chdir(folder_.path().c_str()) != 0) return std::vector<long>{-1};
    const struct rlimit few = {24, 24};
    if (::setrlimit(RLIMIT_NOFILE, &few) != 0) return std::vector<long>{-1};
    const UniqueFd socket = unix_socket(SOCK_DGRAM);
    Bytes there = unix_address("good");
    Bytes elsewhere = unix_address("bad");
    std::array<char, 1> text{'x'};
    struct iovec piece = {text.data(), text.size()};
    std::array<struct mmsghdr, kCount + 1> messages{};
    for (std::size_t i = 0; i <= kCount; ++i) {
      Bytes& name = i == kCount ? elsewhere : there;
      messages[i].msg_hdr.msg_name = name.data();
      messages[i].msg_hdr.msg_namelen = static_cast<socklen_t>(name.size());
      messages[i].msg_hdr.msg_iov = &piece;
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    return std::vector<long>{
        seccomp::raw_call(SYS_sendmmsg, socket.get(), messages.data(), messages.size(), 0)};
  });
  const struct timeval patience = {10, 0};
  ASSERT_EQ(::setsockopt(good.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
  std::size_t received = 0;
  std::thread reader([&] {
    while (received < kCount && receive_one(good.get()).text == "x") ++received;
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{kCount}));
  reader.join();
  EXPECT_EQ(received, kCount);
  ASSERT_EQ(::fcntl(bad.get(), F_SETFL, O_NONBLOCK), 0);
  EXPECT_EQ(receive_one(bad.get()).text, "");
}

// The number of a stand-in that was killed may be another thread's before it is forgotten.
TEST(StandIn, IsWhoeverIsTracedByTheThreadThatExpectsItsCall) {
  ExpectedCalls calls;
  struct seccomp_data call {};
  call.nr = SYS_connect;
  calls.expect(7, {SYS_connect, {}, -1});
  const auto expected = calls.take(7, call);
  ASSERT_TRUE(expected);
  EXPECT_EQ(expected->number, SYS_connect);
  ScriptedKernel kernel;
  const std::string own = std::to_string(::gettid());
  const auto driven = [&](const std::string& status) {
    ScriptedKernel::Process process;
    process.status = status;
    kernel.put_process(7, process);
    return is_driven(kernel, 7, *expected);
  };
  EXPECT_TRUE(driven("Name:\tx\nTracerPid:\t" + own + "\nUid:\t0\n"));
  EXPECT_FALSE(driven("Name:\tx\nTracerPid:\t0\nUid:\t0\n"));
  EXPECT_FALSE(driven("Name:\tx\nTracerPid:\t" + own + "0\nUid:\t0\n"));
  EXPECT_FALSE(driven("Name:\tTracerPid:\t" + own + "\nTracerPid:\t0\n"));
  EXPECT_FALSE(driven(""));
}

// --- binding ----------------------------------------------------------------------------------------

TEST_F(LiveUnix, BindsAsTheTargetItself) {
  ASSERT_EQ(::chmod(folder_.path().c_str(), 0777), 0);
  LiveSession session(R"({"version": 1, "network": {"bind": []}})", {SYS_bind}, [&] {
    if (::setresuid(4711, 4711, 4711) != 0) return std::vector<long>{-1};
    ::umask(027);
    const UniqueFd socket = unix_socket();
    const long bound = bind_to(socket.get(), unix_address(at("mine")));
    struct stat file {};
    if (::stat(at("mine").c_str(), &file) != 0) return std::vector<long>{bound};
    return std::vector<long>{bound, file.st_uid, file.st_mode & 0777,
                             bind_to(unix_socket().get(), unix_address(at("mine")))};
  });
  EXPECT_EQ(session.run_to_end().report, (std::vector<long>{0, 4711, 0750, -EADDRINUSE}));
}

// Where filters cannot be passed over, one of the target's own may say of any call of its stand-in that it
// was made.
TEST_F(LiveUnix, BelievesNoFilterOfTheTargetsOwn) {
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("bad"), SOCK_DGRAM);
  ASSERT_EQ(::fcntl(bad.get(), F_SETFL, O_NONBLOCK), 0);
  // Where a stand-in that is not in procfs finds what it takes for its descriptors.
  std::filesystem::create_directories(at("here/thread-self/fd"));
  for (int i = 0; i < 64; ++i) {
    std::filesystem::create_symlink(at("bad"), at("here/thread-self/fd/" + std::to_string(i)));
  }
  constexpr long kNone = -1;
  for (const long faked :
       {kNone, long{SYS_mseal}, long{SYS_mmap}, long{SYS_openat}, long{SYS_fchdir}, long{SYS_exit}}) {
    FaultyKernel kernel([](std::string_view name) { return name == "suspend_filter" ? EPERM : 0; });
    LiveSession session(
        allow(at("good")), kConnect,
        [&] {
          std::array code = {
              sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
              sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<std::uint32_t>(faked), 0, 1),
              sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
              sock_filter BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
          const struct sock_fprog program = {code.size(), code.data()};
          if (::chdir(at("here").c_str()) != 0) return std::vector<long>{-1};
          const pid_t child = ::fork();
          if (child == 0) {
            const UniqueFd socket = unix_socket(SOCK_DGRAM);
            if (faked != kNone && seccomp::raw_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) != 0)
              ::_exit(9);
            const bool connected = connect_to(socket.get(), unix_address(at("good"))) == 0;
            (void)!::write(socket.get(), "x", 1);
            ::_exit(connected ? 0 : 1);
          }
          int status = -1;
          while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
          }
          return std::vector<long>{status};
        },
        &kernel);
    const auto report = session.run_to_end().report;
    ASSERT_EQ(report.size(), 1U);
    const int status = static_cast<int>(report[0]);
    EXPECT_EQ(receive_one(bad.get()).text, "") << faked;
    if (faked == kNone) {
      EXPECT_EQ(status, 0);
      EXPECT_EQ(receive_one(good.get()).text, "x");
    } else {
      EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) == 1)
          << faked << " " << status;
    }
  }
}

// --- failures ---------------------------------------------------------------------------------------

// Nobody waits for a second; but the machine may be busy, and watched by a sanitizer.
constexpr std::chrono::seconds kLongest{8};

constexpr std::array kCodes = {
    ESRCH, EPERM, EMFILE, ENOMEM, EINTR, EFAULT, FaultyKernel::kHalf, FaultyKernel::kNothing};

std::string name_of_fault(int code) {
  if (code == FaultyKernel::kHalf) return "HalfRead";
  if (code == FaultyKernel::kNothing) return "NothingRead";
  return ::strerrorname_np(code);
}

// Each call that the agent makes fails in turn: who may not be reached is not, nobody waits for ever, and the
// call fails, or its process is killed.
class LiveUnixFailing : public LiveUnix, public ::testing::WithParamInterface<int> {};

TEST_P(LiveUnixFailing, FailsClosedWhicheverCallFails) {
  const int code = GetParam();
  const UniqueFd good = unix_server(at("good"), SOCK_DGRAM);
  const UniqueFd bad = unix_server(at("bad"), SOCK_DGRAM);
  ASSERT_EQ(::fcntl(bad.get(), F_SETFL, O_NONBLOCK), 0);
  for (int failing = 0;; ++failing) {
    std::atomic<int> calls{0};
    std::atomic<bool> struck{false};
    std::string name_of_call;
    FaultyKernel kernel([&](std::string_view name) {
      if (name.starts_with("answer") || (code < 0 && !FaultyKernel::reads(name)) || calls++ != failing)
        return 0;
      name_of_call = name;
      struck = true;
      return code;
    });
    const auto begun = std::chrono::steady_clock::now();
    LiveSession session(
        allow(at("good")), kConnect,
        [&] {
          const pid_t child = ::fork();
          if (child == 0) {
            const UniqueFd first = unix_socket(SOCK_DGRAM);
            const UniqueFd second = unix_socket(SOCK_DGRAM);
            const long allowed = connect_to(first.get(), unix_address(at("good")));
            const long refused = connect_to(second.get(), unix_address(at("bad")));
            (void)!::write(second.get(), "x", 1);
            ::_exit(refused == 0 ? 1 : allowed == 0 ? 0 : 2);
          }
          int status = -1;
          while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
          }
          return std::vector<long>{status};
        },
        &kernel);
    const auto report = session.run_to_end().report;
    const std::string what = name_of_call + " " + std::to_string(failing) + ": " + name_of_fault(code);
    ASSERT_EQ(report.size(), 1U) << what;
    const int status = static_cast<int>(report[0]);
    EXPECT_TRUE(WIFSIGNALED(status) ? WTERMSIG(status) == SIGKILL : WEXITSTATUS(status) != 1)
        << what << " " << status;
    EXPECT_EQ(receive_one(bad.get()).text, "") << what << ": what is refused was reached";
    EXPECT_LT(std::chrono::steady_clock::now() - begun, kLongest) << what;
    if (!struck) {
      EXPECT_EQ(status, 0);
      EXPECT_GT(failing, 3) << "hardly any call has failed";
      break;
    }
    ASSERT_LT(failing, 400);
  }
}

INSTANTIATE_TEST_SUITE_P(Codes, LiveUnixFailing, ::testing::ValuesIn(kCodes),
                         [](const auto& code) { return name_of_fault(code.param); });

}  // namespace
}  // namespace tidewaiter::supervisor
