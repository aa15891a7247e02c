#include "oci/container/node_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

#include "oci/base/system.h"
#include "oci/base/unix_socket.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using ::testing::HasSubstr;

struct Ends {
  Ends() {
    std::array<int, 2> fds{};
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds.data()) != 0)
      std::abort();
    asks = UniqueFd(fds[0]);
    answers = UniqueFd(fds[1]);
  }
  UniqueFd asks;
  UniqueFd answers;
};

TEST(NodeRequest, ComesAsItWasSent) {
  const Ends ends;
  for (const bool with_creator : {false, true}) {
    for (const bool with_lock : {false, true}) {
      NodeRequest request{NodeRequest::Kind::kRegister, "/run/tidewaiter/box"};
      auto pipe = sys::pipe();
      ASSERT_TRUE(pipe);
      request.listener = std::move(pipe->write_end);
      if (with_creator) request.creator = UniqueFd(::dup(STDERR_FILENO));
      if (with_lock) request.bundle_lock = UniqueFd(::dup(pipe->read_end.get()));
      ASSERT_TRUE(send_request(ends.asks.get(), request));
      const auto received = receive_request(ends.answers.get());
      ASSERT_TRUE(received) << received.error().message();
      EXPECT_EQ(received->kind, NodeRequest::Kind::kRegister);
      EXPECT_EQ(received->state_folder, "/run/tidewaiter/box");
      EXPECT_EQ(received->creator.valid(), with_creator);
      EXPECT_EQ(received->bundle_lock.valid(), with_lock);
      EXPECT_EQ(::write(received->listener.get(), "x", 1), 1);
      char byte = 0;
      EXPECT_EQ(::read(with_lock ? received->bundle_lock.get() : pipe->read_end.get(), &byte, 1), 1);
    }
  }
}

TEST(NodeRequest, TellsNothingFromTheEnd) {
  Ends ends;
  EXPECT_EQ(receive_request(ends.answers.get()).error().code, EAGAIN);
  ends.asks.reset();
  EXPECT_EQ(receive_request(ends.answers.get()).error().code, ECONNRESET);
}

TEST(NodeRequest, RefusesWhatIsNoRequest) {
  struct Case {
    std::string bytes;
    const char* complaint;
  };
  const std::string version("\x01\x6e\x77\x74", 4);
  for (const Case& each : {Case{"x", "of another version"}, Case{std::string(12, '\0'), "of another version"},
                           Case{version + std::string("\x09\0\0\0\0\0\0\0", 8), "of kind 9, which is none"},
                           Case{version + std::string(8, '\0') + std::string(5000, '/'), "does not fit"}}) {
    const Ends ends;
    ASSERT_EQ(::send(ends.asks.get(), each.bytes.data(), each.bytes.size(), 0),
              static_cast<ssize_t>(each.bytes.size()));
    const auto received = receive_request(ends.answers.get());
    ASSERT_FALSE(received);
    EXPECT_THAT(received.error().message(), HasSubstr(each.complaint));
  }
}

TEST(NodeRequest, TellsWhyItIsRefusedBeforeAndAfterItIsSent) {
  for (const bool sent_before : {true, false}) {
    SCOPED_TRACE(sent_before);
    Ends ends;
    if (sent_before) {
      ASSERT_TRUE(send_request(ends.asks.get(), {NodeRequest::Kind::kPing}));
    }
    ASSERT_TRUE(refuse(ends.answers.get(), "not you"));
    if (!sent_before) {
      ASSERT_TRUE(send_request(ends.asks.get(), {NodeRequest::Kind::kPing}));
    }
    ends.answers.reset();
    std::array<char, 16> answer{};
    ASSERT_EQ(::recv(ends.asks.get(), answer.data(), answer.size(), 0), 8) << std::strerror(errno);
    EXPECT_STREQ(answer.data(), "not you\n");
  }
}

TEST(NodeRequest, SaysWhereNobodyListens) {
  const testing::TemporaryFolder folder;
  const std::string path = folder / "agent.sock";
  const auto absent = connect_to_node(path);
  ASSERT_FALSE(absent);
  EXPECT_EQ(absent.error().code, 0);
  EXPECT_THAT(absent.error().message(),
              HasSubstr("no node agent listens at " + path + ", there is no such socket"));
  { ASSERT_TRUE(listen_unix(path, 1, SOCK_SEQPACKET)); }
  EXPECT_THAT(connect_to_node(path).error().message(), HasSubstr("the socket is nobody's"));
}

}  // namespace
}  // namespace tidewaiter::container
