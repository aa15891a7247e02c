#include "supervisor/worker/handover.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "supervisor/keeper/runtime_connection.h"
#include "tests/oci/seccomp/target.h"

namespace tidewaiter::supervisor {
namespace {

using Progress = HandoverMessage::Progress;

constexpr const char* kState = R"({"ociVersion": "0.2.0", "fds": ["seccompFd"], "pid": 4711, "metadata": "m",
    "state": {"id": "box", "status": "created", "pid": 4711, "bundle": "/b {\"}"}})";

// A listener whose filter nobody runs under any more: a filter belongs to a thread, and this one has ended.
UniqueFd make_listener() {
  UniqueFd listener;
  std::thread([&] { listener = UniqueFd(seccomp::install_filter(SYS_getppid)); }).join();
  return listener;
}

UniqueFd make_file() { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

std::size_t count_fds() {
  const auto all = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// The descriptors that are open are the same in number when it ends.
class LeakCheck {
 public:
  LeakCheck() : before_(count_fds()) {}
  LeakCheck(const LeakCheck&) = delete;
  LeakCheck& operator=(const LeakCheck&) = delete;
  ~LeakCheck() { EXPECT_EQ(count_fds(), before_) << "a descriptor leaks"; }

 private:
  std::size_t before_;
};

// What keeper and worker make of a connection, between them.
class HandoverConnection {
 public:
  static Result<HandoverConnection> make(UniqueFd socket) {
    return HandoverConnection(TRY(RuntimeConnection::make(std::move(socket))));
  }
  Result<Progress> read() {
    TRY(connection_.receive());
    std::vector<UniqueFd> fds;
    for (UniqueFd& fd : connection_.fds()) fds.push_back(std::move(fd));
    if (!fds.empty() && fds.front().valid()) message_.add_fds(std::move(fds));
    return message_.read(connection_.size(), connection_.closed());
  }
  Result<Handover> take() { return message_.take(); }

 private:
  explicit HandoverConnection(RuntimeConnection connection)
      : connection_(std::move(connection)), message_(UniqueFd(::dup(connection_.bytes()))) {}
  RuntimeConnection connection_;
  HandoverMessage message_;
};

// A runtime and the agent's end of its connection.
class Connection {
 public:
  Connection() {
    auto made = HandoverConnection::make(std::move(sockets_.ours));
    if (!made) std::abort();
    handover.emplace(std::move(*made));
  }

  // As much as fits; the number of bytes.
  std::size_t send(std::string_view bytes, const std::vector<int>& fds = {}) {
    struct iovec vector = {const_cast<char*>(bytes.data()), bytes.size()};
    struct msghdr message {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    std::vector<std::byte> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      struct cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t count = ::sendmsg(sockets_.theirs.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN) ADD_FAILURE() << std::strerror(errno);
    return count < 0 ? 0 : static_cast<std::size_t>(count);
  }

  void close() { sockets_.theirs.reset(); }

  std::optional<HandoverConnection> handover;

 private:
  seccomp::SocketPair sockets_;
};

void expect_progress(HandoverConnection& connection, Progress expected) {
  const auto progress = connection.read();
  ASSERT_TRUE(progress) << progress.error().message();
  EXPECT_EQ(static_cast<int>(*progress), static_cast<int>(expected));
}

void expect_failure(HandoverConnection& connection, int code, const std::string& words) {
  const auto progress = connection.read();
  ASSERT_FALSE(progress);
  EXPECT_EQ(progress.error().code, code);
  EXPECT_NE(progress.error().message().find(words), std::string::npos) << progress.error().message();
}

TEST(Handover, TakesAMessageWithItsListener) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  ASSERT_TRUE(listener.valid());
  Connection connection;
  expect_progress(*connection.handover, Progress::kWaiting);
  connection.send(kState, {listener.get()});
  expect_progress(*connection.handover, Progress::kComplete);
  const auto handover = connection.handover->take();
  ASSERT_TRUE(handover) << handover.error().message();
  EXPECT_EQ(handover->state.id, "box");
  EXPECT_EQ(handover->state.pid, 4711);
  EXPECT_EQ(handover->state.metadata, "m");
  EXPECT_TRUE(handover->notify_fd.valid());
  EXPECT_NE(handover->notify_fd.get(), listener.get());
  EXPECT_EQ(::fcntl(handover->notify_fd.get(), F_GETFD), FD_CLOEXEC);
}

TEST(Handover, TakesAMessageHoweverItIsSplit) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  const std::string_view state = kState;
  for (std::size_t split = 1; split < state.size(); ++split) {
    SCOPED_TRACE(split);
    Connection connection;
    connection.send(state.substr(0, split), {listener.get()});
    expect_progress(*connection.handover, Progress::kWaiting);
    connection.send(state.substr(split));
    expect_progress(*connection.handover, Progress::kComplete);
    EXPECT_TRUE(connection.handover->take());
  }
  // One byte each; twice, read after every byte and read at the end.
  for (const bool at_once : {true, false}) {
    Connection connection;
    for (std::size_t at = 0; at < state.size(); ++at) {
      connection.send(state.substr(at, 1), at == 0 ? std::vector{listener.get()} : std::vector<int>{});
      if (at_once && at + 1 < state.size()) expect_progress(*connection.handover, Progress::kWaiting);
    }
    expect_progress(*connection.handover, Progress::kComplete);
    EXPECT_TRUE(connection.handover->take());
  }
}

TEST(Handover, DoesNotWaitForTheEndOfTheConnection) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  Connection connection;
  // runc neither closes nor says how long the message is; what follows it is nobody's business.
  connection.send(std::string("\n ") + kState + "\n trailing {", {listener.get()});
  expect_progress(*connection.handover, Progress::kComplete);
  EXPECT_TRUE(connection.handover->take());
}

TEST(Handover, TakesALargeStateInPieces) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  const std::string state = R"({"fds": ["seccompFd"], "state": {"id": "box", "annotations": {"a": ")" +
                            std::string(200'000, 'x') + R"("}}})";
  Connection connection;
  std::size_t sent = connection.send(std::string_view(state).substr(0, 36'000), {listener.get()});
  int pieces = 1;
  for (; sent < state.size(); ++pieces) {
    expect_progress(*connection.handover, Progress::kWaiting);
    sent += connection.send(std::string_view(state).substr(sent, 36'000));
  }
  EXPECT_GE(pieces, 6);
  expect_progress(*connection.handover, Progress::kComplete);
  const auto handover = connection.handover->take();
  ASSERT_TRUE(handover) << handover.error().message();
  EXPECT_EQ(handover->state.id, "box");
  EXPECT_EQ(spec::dump_state(handover->state), spec::dump_json(spec::parse_json(state, "sent").value(), -1));
}

TEST(Handover, TakesTheListenerAmongOtherDescriptors) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  const UniqueFd other = make_file();
  Connection connection;
  connection.send(R"({"fds": ["pidfd", "seccompFd", "x"], "state": {"id": "box"}})",
                  {other.get(), listener.get(), other.get()});
  expect_progress(*connection.handover, Progress::kComplete);
  const auto handover = connection.handover->take();
  EXPECT_TRUE(handover) << handover.error().message();
}

// --- what is refused: nothing of it may stay open --------------------------------------------------

TEST(Handover, IsEmptyWhenTheRuntimeClosesWithoutAWord) {
  const LeakCheck leaks;
  Connection connection;
  connection.close();
  expect_progress(*connection.handover, Progress::kEmpty);
}

TEST(Handover, FailsWhenTheConnectionClosesInTheMiddle) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  const std::string_view state = kState;
  for (const std::size_t length : {std::size_t{1}, state.size() / 2, state.size() - 1}) {
    Connection connection;
    connection.send(state.substr(0, length), {listener.get()});
    connection.close();
    expect_failure(*connection.handover, 0, "closed in the middle");
  }
  Connection connection;
  connection.send("\n");
  connection.close();
  expect_failure(*connection.handover, 0, "closed in the middle");
}

TEST(Handover, FailsOnDescriptorsAfterTheFirstBytes) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  const std::string_view state = kState;
  for (const bool at_first_as_well : {false, true}) {
    Connection connection;
    connection.send(state.substr(0, 10), at_first_as_well ? std::vector{listener.get()} : std::vector<int>{});
    // Read in between: bytes that wait together arrive together, with the descriptors of the second piece.
    expect_progress(*connection.handover, Progress::kWaiting);
    connection.send(state.substr(10), {listener.get()});
    expect_failure(*connection.handover, 0, "after the first bytes");
  }
}

TEST(Handover, FailsOnMoreDescriptorsThanItTakes) {
  const LeakCheck leaks;
  const UniqueFd file = make_file();
  for (const std::size_t count : {RuntimeConnection::kMaxFds + 1, std::size_t{253}}) {
    Connection connection;
    connection.send(kState, std::vector(count, file.get()));
    expect_failure(*connection.handover, EMSGSIZE, "too many descriptors");
  }
}

TEST(Handover, FailsOnAStateBeyondItsBound) {
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  const std::string piece(100'000, 'x');
  Connection connection;
  std::size_t sent = connection.send(R"({"fds": ["seccompFd"], "state": {"id": ")", {listener.get()});
  for (;;) {
    const auto progress = connection.handover->read();
    if (!progress) {
      EXPECT_EQ(progress.error().code, EMSGSIZE);
      break;
    }
    ASSERT_EQ(static_cast<int>(*progress), static_cast<int>(Progress::kWaiting));
    ASSERT_LE(sent, RuntimeConnection::kLimit);
    sent += connection.send(piece);
  }
  EXPECT_GT(sent, RuntimeConnection::kLimit);
}

TEST(Handover, FailsOnWhatIsNoState) {
  const struct {
    std::string text;
    bool complete;  // judged only by take()
    const char* words;
  } cases[] = {
      {"[]", false, "not a JSON object"},
      {"hello", false, "not a JSON object"},
      {"}", false, "not a JSON object"},
      {std::string("\0{}", 3), false, "not a JSON object"},
      {"{]", true, "container process state"},
      {"{}", true, "/fds"},
      {R"({"fds": []})", true, "seccompFd 0 times"},
      {R"({"fds": ["seccompFd", "seccompFd"], "state": {"id": "x"}})", true, "seccompFd 2 times"},
      {R"({"fds": ["seccompFd"]})", true, "/state"},
      {R"({"fds": ["seccompFd"], "state": {"id": ""}})", true, "/state/id"},
      {R"({"fds": ["seccompFd", "x"], "state": {"id": "x"}})", true, "names 2 descriptors, and 1 came"},
  };
  const LeakCheck leaks;
  const UniqueFd listener = make_listener();
  for (const auto& test : cases) {
    SCOPED_TRACE(test.text);
    Connection connection;
    connection.send(test.text, {listener.get()});
    if (!test.complete) {
      expect_failure(*connection.handover, 0, test.words);
      continue;
    }
    expect_progress(*connection.handover, Progress::kComplete);
    const auto handover = connection.handover->take();
    ASSERT_FALSE(handover);
    EXPECT_NE(handover.error().message().find(test.words), std::string::npos) << handover.error().message();
  }
}

TEST(Handover, FailsWithoutTheListenerItNames) {
  const LeakCheck leaks;
  Connection connection;
  connection.send(kState);
  expect_progress(*connection.handover, Progress::kComplete);
  const auto handover = connection.handover->take();
  ASSERT_FALSE(handover);
  EXPECT_NE(handover.error().message().find("names 1 descriptors, and 0 came"), std::string::npos);
}

TEST(Handover, FailsOnADescriptorThatIsNoListener) {
  const LeakCheck leaks;
  const UniqueFd file = make_file();
  Connection connection;
  connection.send(kState, {file.get()});
  expect_progress(*connection.handover, Progress::kComplete);
  const auto handover = connection.handover->take();
  ASSERT_FALSE(handover);
  EXPECT_NE(handover.error().message().find("not a seccomp listener"), std::string::npos);
}

TEST(Handover, NeedsASocketToAskWhoIsThere) {
  const LeakCheck leaks;
  const auto made = HandoverConnection::make(make_file());
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().code, ENOTSOCK);
}

}  // namespace
}  // namespace tidewaiter::supervisor
