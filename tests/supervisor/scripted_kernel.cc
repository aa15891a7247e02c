#include "tests/supervisor/scripted_kernel.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

namespace tidewaiter::supervisor {
namespace {

UniqueFd some_descriptor() { return UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)); }

}  // namespace

ScriptedKernel::ScriptedKernel() : queued_(::eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE)) {
  if (!queued_.valid()) std::abort();
}

void ScriptedKernel::put_socket(int number, Socket socket) {
  const std::lock_guard lock(mutex_);
  descriptors_[number] = socket;
}

void ScriptedKernel::put_file(int number) {
  const std::lock_guard lock(mutex_);
  descriptors_[number] = std::nullopt;
}

void ScriptedKernel::put_memory(std::uint64_t address, std::span<const std::byte> bytes) {
  const std::lock_guard lock(mutex_);
  memory_[address].assign(bytes.begin(), bytes.end());
}

void ScriptedKernel::put_process(pid_t tid, Process process) {
  const std::lock_guard lock(mutex_);
  processes_[tid] = std::move(process);
}

void ScriptedKernel::invalidate(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  standing_.erase(id);
}

void ScriptedKernel::stand(std::uint64_t id) {
  const std::lock_guard lock(mutex_);
  standing_.insert(id);
}

void ScriptedKernel::notify(const struct seccomp_notif& notification) {
  {
    const std::lock_guard lock(mutex_);
    standing_.insert(notification.id);
    queue_.push_back(notification);
  }
  (void)::eventfd_write(queued_.get(), 1);
}

std::vector<ScriptedKernel::Recorded> ScriptedKernel::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

std::vector<ScriptedKernel::Recorded> ScriptedKernel::calls(Kind kind) const {
  std::vector<Recorded> found = calls();
  std::erase_if(found, [&](const Recorded& call) { return call.kind != kind; });
  return found;
}

std::vector<ScriptedKernel::Recorded> ScriptedKernel::answers() const {
  std::vector<Recorded> found = calls();
  std::erase_if(found, [](const Recorded& call) {
    return call.kind != Kind::kAnswerValue && call.kind != Kind::kAnswerErrno &&
           call.kind != Kind::kAnswerContinue;
  });
  return found;
}

std::vector<ScriptedKernel::Recorded> ScriptedKernel::performed() const {
  std::vector<Recorded> found = calls();
  std::erase_if(found, [](const Recorded& call) {
    return call.kind != Kind::kConnect && call.kind != Kind::kBind && call.kind != Kind::kBindUnprivileged &&
           call.kind != Kind::kSend;
  });
  return found;
}

bool ScriptedKernel::wait_for_answers(std::size_t count) const {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] {
    return std::count_if(calls_.begin(), calls_.end(), [](const Recorded& call) {
             return call.kind == Kind::kAnswerValue || call.kind == Kind::kAnswerErrno ||
                    call.kind == Kind::kAnswerContinue;
           }) >= static_cast<std::ptrdiff_t>(count);
  });
}

Status ScriptedKernel::call(Recorded recorded) {
  if (before) before(recorded);
  const std::lock_guard lock(mutex_);
  const std::size_t index = calls_.size();
  const Kind kind = recorded.kind;
  calls_.push_back(std::move(recorded));
  changed_.notify_all();
  if (const auto at = fail_at_.find(index); at != fail_at_.end()) return fail(at->second, "as ordered");
  if (fail_from_ && index >= fail_from_->first && kind != Kind::kReceive) {
    return fail(fail_from_->second, "as ordered");
  }
  if (const auto at = fail_always_.find(kind); at != fail_always_.end()) {
    return fail(at->second, "as ordered");
  }
  return {};
}

Status ScriptedKernel::receive(int, seccomp::NotificationBuffer& buffer) {
  eventfd_t one = 0;
  if (::eventfd_read(queued_.get(), &one) != 0) return fail(errno, "receive");
  struct seccomp_notif next {};
  {
    const std::lock_guard lock(mutex_);
    next = queue_.front();
  }
  if (const Status status = call({.kind = Kind::kReceive, .id = next.id, .bytes = {}}); !status) {
    // As in the kernel: what could not be given out waits for the next one who asks.
    (void)::eventfd_write(queued_.get(), 1);
    return status;
  }
  const std::lock_guard lock(mutex_);
  queue_.pop_front();
  // Only the real receive() may write to a buffer; the buffer itself is not const.
  std::memcpy(&const_cast<struct seccomp_notif&>(buffer.get()), &next, sizeof next);
  return {};
}

Status ScriptedKernel::answer(Kind kind, std::uint64_t id, std::int64_t value) {
  if (const Status status = call({.kind = kind, .id = id, .value = value, .bytes = {}}); !status)
    return status;
  const std::lock_guard lock(mutex_);
  if (standing_.erase(id) == 0) return fail(ENOENT, "answer");
  return {};
}

Status ScriptedKernel::answer_value(int, std::uint64_t id, std::int64_t value) {
  return answer(Kind::kAnswerValue, id, value);
}

Status ScriptedKernel::answer_errno(int, std::uint64_t id, int errno_value) {
  return answer(Kind::kAnswerErrno, id, errno_value);
}

Status ScriptedKernel::answer_continue(int, std::uint64_t id) { return answer(Kind::kAnswerContinue, id, 0); }

Result<bool> ScriptedKernel::id_valid(int, std::uint64_t id) {
  TRY(call({.kind = Kind::kIdValid, .id = id, .bytes = {}}));
  const std::lock_guard lock(mutex_);
  return standing_.contains(id);
}

Result<UniqueFd> ScriptedKernel::open_thread(pid_t tid) {
  TRY(call({.kind = Kind::kOpenThread, .tid = tid, .bytes = {}}));
  if (tid != tid_) return fail(ESRCH, "open_thread");
  return some_descriptor();
}

Result<UniqueFd> ScriptedKernel::duplicate_fd(int, int number) {
  TRY(call({.kind = Kind::kDuplicateFd, .socket = number, .bytes = {}}));
  const std::lock_guard lock(mutex_);
  const auto found = descriptors_.find(number);
  if (found == descriptors_.end()) return fail(EBADF, "duplicate_fd");
  UniqueFd copy = some_descriptor();
  duplicates_[copy.get()] = {number, found->second};
  return copy;
}

Status ScriptedKernel::read_memory(pid_t tid, TargetAddress address, std::span<std::byte> buffer) {
  TRY(call({.kind = Kind::kReadMemory, .tid = tid, .bytes = {}}));
  if (on_read) return on_read(address, buffer);
  const std::lock_guard lock(mutex_);
  const auto found = memory_.find(static_cast<std::uint64_t>(address));
  if (found == memory_.end() || found->second.size() < buffer.size()) return fail(EFAULT, "read_memory");
  std::copy_n(found->second.begin(), buffer.size(), buffer.begin());
  return {};
}

Status ScriptedKernel::kill(int) { return call({.kind = Kind::kKill, .tid = tid_, .bytes = {}}); }

Result<std::string> ScriptedKernel::read_proc_file(pid_t tid, const char* name, std::size_t /*limit*/) {
  TRY(call({.kind = Kind::kReadProcFile, .tid = tid, .bytes = {}}));
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(tid);
  if (found == processes_.end()) return fail(ENOENT, name);
  return std::string_view(name) == "status" ? found->second.status : found->second.id_map;
}

Result<std::string> ScriptedKernel::read_proc_link(pid_t tid, const char* name) {
  TRY(call({.kind = Kind::kReadProcLink, .tid = tid, .bytes = {}}));
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(tid);
  if (found == processes_.end()) return fail(ENOENT, name);
  return found->second.executable;
}

int ScriptedKernel::number_of(int fd) const {
  const std::lock_guard lock(mutex_);
  const auto found = duplicates_.find(fd);
  return found == duplicates_.end() ? -1 : found->second.number;
}

Result<ScriptedKernel::Socket> ScriptedKernel::socket_at(int fd) const {
  const std::lock_guard lock(mutex_);
  const auto found = duplicates_.find(fd);
  if (found == duplicates_.end()) return fail(EBADF, "not a copy of a target's descriptor");
  if (!found->second.socket) return fail(ENOTSOCK, "a file");
  return *found->second.socket;
}

Result<int> ScriptedKernel::socket_option(int socket, int level, int name) {
  TRY(call({.kind = Kind::kSocketOption, .value = name, .socket = number_of(socket), .bytes = {}}));
  const Socket found = TRY(socket_at(socket));
  if (level != SOL_SOCKET) return fail(ENOPROTOOPT, "level");
  switch (name) {
    case SO_DOMAIN:
      return found.domain;
    case SO_TYPE:
      return found.type;
    case SO_PROTOCOL:
      return found.protocol;
    default:
      return fail(ENOPROTOOPT, "name");
  }
}

Result<std::uint64_t> ScriptedKernel::socket_cookie(int socket) {
  TRY(call({.kind = Kind::kSocketCookie, .socket = number_of(socket), .bytes = {}}));
  return TRY(socket_at(socket)).cookie;
}

Status ScriptedKernel::perform(Kind kind, int fd, std::span<const std::byte> address,
                               const std::function<Status(int, std::span<const std::byte>)>& effect) {
  const int number = number_of(fd);
  const Result<Socket> socket = socket_at(fd);
  TRY(call({.kind = kind,
            .socket = number,
            .cookie = socket ? socket->cookie : 0,
            .bytes = {address.begin(), address.end()}}));
  if (!socket) return tl::unexpected(socket.error());
  return effect ? effect(number, address) : Status();
}

Status ScriptedKernel::connect(int socket, std::span<const std::byte> address) {
  return perform(Kind::kConnect, socket, address, on_connect);
}

Result<std::vector<std::byte>> ScriptedKernel::peer_address(int) {
  if (peer.empty()) return fail(ENOTCONN, "peer");
  if (peer.empty()) return fail(ENOTCONN, "getpeername");
  return peer;
}

Result<std::vector<std::byte>> ScriptedKernel::own_address(int) { return own; }

Status ScriptedKernel::bind(int socket, std::span<const std::byte> address) {
  return perform(Kind::kBind, socket, address, on_bind);
}

Status ScriptedKernel::bind_unprivileged(int socket, std::span<const std::byte> address,
                                         std::uint16_t /*port*/) {
  return perform(Kind::kBindUnprivileged, socket, address, on_bind_unprivileged);
}

Result<bool> ScriptedKernel::owns_network(pid_t tid, int socket) {
  TRY(call({.kind = Kind::kOwnsNetwork, .tid = tid, .socket = number_of(socket), .bytes = {}}));
  return owns_network_;
}

Result<UniqueFd> ScriptedKernel::open_memory(pid_t tid) {
  TRY(call({.kind = Kind::kOpenMemory, .tid = tid, .bytes = {}}));
  if (tid != tid_) return fail(ENOENT, "open_memory");
  return some_descriptor();
}

Status ScriptedKernel::write_memory(int, TargetAddress address, std::span<const std::byte> bytes) {
  return call({.kind = Kind::kWriteMemory,
               .value = static_cast<std::int64_t>(address),
               .bytes = {bytes.begin(), bytes.end()}});
}

Status ScriptedKernel::break_pipe(int) { return call({.kind = Kind::kBreakPipe, .tid = tid_, .bytes = {}}); }

Result<std::size_t> ScriptedKernel::send(int socket, const OutgoingMessage& message, int flags) {
  const Result<Socket> found = socket_at(socket);
  TRY(call({.kind = Kind::kSend,
            .value = flags,
            .socket = number_of(socket),
            .cookie = found ? found->cookie : 0,
            .bytes = {message.name.begin(), message.name.end()},
            .control = {message.control.begin(), message.control.end()},
            .payload = {message.payload.begin(), message.payload.end()}}));
  if (!found) return tl::unexpected(found.error());
  Result<std::size_t> count = on_send ? on_send(message, flags) : message.payload.size();
  if (count && message.note != nullptr) message.note->msg_len = static_cast<unsigned>(*count);
  return count;
}

Result<bool> ScriptedKernel::nonblocking(int socket) {
  TRY(call({.kind = Kind::kNonblocking, .socket = number_of(socket), .bytes = {}}));
  return nonblocking_;
}

Result<bool> ScriptedKernel::shares_users(pid_t tid) {
  TRY(call({.kind = Kind::kSharesUsers, .tid = tid, .bytes = {}}));
  return shares_users_;
}

}  // namespace tidewaiter::supervisor
