#include "oci/container/node_request.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <span>
#include <utility>

#include "oci/base/system.h"
#include "oci/base/unix_socket.h"

namespace tidewaiter::container {
namespace {

// Changes with everything here that does. Shim and agent may be of different ages, for a service is restarted
// when somebody does it.
constexpr std::uint32_t kVersion = 0x74776e01;

constexpr std::uint32_t kListener = 1;
constexpr std::uint32_t kCreator = 2;
constexpr std::uint32_t kBundleLock = 4;

constexpr std::size_t kRequestFds = 3;
constexpr std::size_t kMostText = 4096;  // PATH_MAX

struct Head {
  std::uint32_t version = kVersion;
  std::uint32_t kind = 0;
  std::uint32_t present = 0;  // which descriptors there are, in this order
};

Result<NodeRequest::Kind> kind_of(std::uint32_t number) {
  for (const NodeRequest::Kind kind :
       {NodeRequest::Kind::kRegister, NodeRequest::Kind::kEnd, NodeRequest::Kind::kPing}) {
    if (static_cast<std::uint32_t>(kind) == number) return kind;
  }
  return fail("the request is of kind " + std::to_string(number) + ", which is none");
}

}  // namespace

Result<UniqueFd> connect_to_node(const std::string& socket_path) {
  auto connection = connect_unix(socket_path, SOCK_SEQPACKET);
  if (connection) return connection;
  const int code = connection.error().code;
  if (code != ENOENT && code != ECONNREFUSED) return fail(connection.error().message());
  return fail("no node agent listens at " + socket_path +
              (code == ENOENT ? ", there is no such socket" : ", the socket is nobody's") +
              ": start it (tidewaiter-agent --node), or take agent_socket out of the configuration");
}

Status send_request(int connection, const NodeRequest& request) {
  if (request.state_folder.size() > kMostText) return fail(ENAMETOOLONG, "state folder");
  Head head;
  head.kind = static_cast<std::uint32_t>(request.kind);
  std::array<int, kRequestFds> fds{};
  std::size_t count = 0;
  const auto add = [&](const UniqueFd& fd, std::uint32_t bit) {
    if (!fd.valid()) return;
    fds.at(count++) = fd.get();
    head.present |= bit;
  };
  add(request.listener, kListener);
  add(request.creator, kCreator);
  add(request.bundle_lock, kBundleLock);

  std::array<struct iovec, 2> parts = {
      {{&head, sizeof head}, {const_cast<char*>(request.state_folder.data()), request.state_folder.size()}}};
  const Status sent = send_message(connection, parts, std::span(fds).first(count));
  if (!sent && sent.error().code != EPIPE) return in_context("ask", sent);
  return {};
}

Result<NodeRequest> receive_request(int connection) {
  Head head;
  std::array<char, kMostText> text{};
  std::array<struct iovec, 2> parts = {{{&head, sizeof head}, {text.data(), text.size()}}};
  auto message = TRY(receive_message(connection, parts, kRequestFds));
  if (message.size == 0) return fail(ECONNRESET, "receive");
  if (message.size < sizeof head || head.version != kVersion) {
    return fail("the node agent is of another version than who asks it: restart it");
  }
  if ((message.flags & (MSG_CTRUNC | MSG_TRUNC)) != 0) {
    return fail(EMFILE, "the request does not fit, or its descriptors do not");
  }
  NodeRequest request;
  request.kind = TRY(kind_of(head.kind));
  request.state_folder.assign(text.data(), message.size - sizeof head);
  auto next = message.fds.begin();
  const auto take = [&](std::uint32_t bit, UniqueFd& fd) {
    if ((head.present & bit) != 0 && next != message.fds.end()) fd = std::move(*next++);
  };
  take(kListener, request.listener);
  take(kCreator, request.creator);
  take(kBundleLock, request.bundle_lock);
  return request;
}

Status send_answer(int connection, std::string_view line) {
  return sys::write_all(connection, std::string(line) + "\n");
}

// A Unix socket that is closed while it holds something unread resets the other end, which then reads
// ECONNRESET before the answer (net/unix/af_unix.c, unix_release_sock). Once nothing more may come, what has
// come can be thrown away to the last.
Status refuse(int connection, std::string_view why) {
  (void)::shutdown(connection, SHUT_RD);
  char ignored = 0;
  while (::recv(connection, &ignored, sizeof ignored, MSG_DONTWAIT) > 0) {
  }
  return send_answer(connection, why);
}

}  // namespace tidewaiter::container
