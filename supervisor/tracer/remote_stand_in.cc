#include "supervisor/tracer/remote_stand_in.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "supervisor/tracer/object_socket.h"

namespace tidewaiter::supervisor {

// Each but kInterrupt is replied to.
struct RemoteStandIn::Order {
  enum class Kind { kCall, kPerform, kInterrupt, kFinish };
  Kind kind{};
  long number = 0;
  std::array<std::uint64_t, 6> arguments{};
  long message = 0;  // of kPerform
  long result = 0;   // of kFinish
  std::array<std::byte, SealedMemory::kSlotSize> memory{};
};

struct RemoteStandIn::Reply {
  int code = 0;  // of the error; 0 is one, too, where there is a text
  bool failed = false;
  bool taken_out = false;  // the first one: whether there is a target to be finished with
  pid_t thread = 0;
  std::uint64_t address = 0;
  long value = 0;
  std::array<char, 200> context{};

  void set(const Error& error) {
    failed = true;
    code = error.code;
    const std::size_t size = std::min(error.context.size(), context.size() - 1);
    std::memcpy(context.data(), error.context.data(), size);
  }
  [[nodiscard]] tl::unexpected<Error> error() const { return fail(code, std::string(context.data())); }
};

// --- the worker -------------------------------------------------------------------------------------

Result<bool> RemoteStandIn::start(Kernel& kernel, UniqueFd socket, std::function<bool()> stopping,
                                  std::unique_ptr<StandInCalls>& stand_in) {
  std::unique_ptr<RemoteStandIn> made(new RemoteStandIn(kernel, std::move(socket), std::move(stopping)));
  made->finished_ = true;
  const auto received = made->receive();
  if (!received) return false;
  const Reply& reply = *received;
  if (reply.taken_out) {
    made->finished_ = false;
    made->thread_ = reply.thread;
    made->address_ = reply.address;
    stand_in = std::move(made);
  }
  if (reply.failed) return reply.error();
  return true;
}

RemoteStandIn::~RemoteStandIn() {
  if (!finished_) (void)finish(-EPERM);
}

// ESRCH: the tracing process has died, and whom it traced with it.
Result<RemoteStandIn::Reply> RemoteStandIn::receive() {
  bool told = false;
  for (;;) {
    Reply reply;
    const ssize_t count = ::recv(socket_.get(), &reply, sizeof reply, 0);
    if (count == static_cast<ssize_t>(sizeof reply)) return reply;
    if (count >= 0 || errno != EINTR) return fail(ESRCH, "the tracing process");
    // What is under way there is to end.
    if (!told && stopping_()) {
      told = true;
      Order order;
      order.kind = Order::Kind::kInterrupt;
      (void)send_object(socket_.get(), order);
    }
  }
}

Result<long> RemoteStandIn::ask(Order order) {
  order.memory = memory_;
  if (!send_object(socket_.get(), order)) return fail(ESRCH, "the tracing process");
  const Reply reply = TRY(receive());
  if (reply.failed) return reply.error();
  return reply.value;
}

std::uint64_t RemoteStandIn::put(std::size_t offset, std::span<const std::byte> bytes) {
  std::memcpy(std::span(memory_).subspan(offset, bytes.size()).data(), bytes.data(), bytes.size());
  return address_ + offset;
}

Result<long> RemoteStandIn::call(long number, const std::array<std::uint64_t, 6>& arguments) {
  Order order;
  order.kind = Order::Kind::kCall;
  order.number = number;
  order.arguments = arguments;
  return ask(order);
}

Result<long> RemoteStandIn::perform(long number, const std::array<std::uint64_t, 6>& arguments,
                                    long message) {
  Order order;
  order.kind = Order::Kind::kPerform;
  order.number = number;
  order.arguments = arguments;
  order.message = message;
  return ask(order);
}

Result<UniqueFd> RemoteStandIn::duplicate_fd(int number) const {
  return kernel_.duplicate_fd(TRY(kernel_.open_thread(thread_)).get(), number);
}

Result<UniqueFd> RemoteStandIn::open_descriptor(int number) const {
  return kernel_.files().open_proc_link(thread_, ("fd/" + std::to_string(number)).c_str());
}

Result<UniqueFd> RemoteStandIn::open_working_directory() const {
  return kernel_.files().open_proc_link(thread_, "cwd");
}

Status RemoteStandIn::finish(long result) {
  finished_ = true;
  Order order;
  order.kind = Order::Kind::kFinish;
  order.result = result;
  const auto finished = ask(order);
  if (finished) return {};
  return fail(finished.error().code == ESRCH ? ENOENT : finished.error().code, finished.error().context);
}

// --- the tracing process ----------------------------------------------------------------------------

namespace {

// What the target's call comes to by a call that was performed for it, unless more is performed.
long result_of(long performed, long message) {
  if (message == 0) return performed;
  const bool failed = -4095 <= performed && performed < 0;
  if (!failed) return message;
  return message > 1 ? message - 1 : performed;
}

}  // namespace

bool serve_stand_in(Kernel& kernel, StandIns& shared, int socket, StandInRequest request, bool given_up) {
  using Order = RemoteStandIn::Order;
  using Reply = RemoteStandIn::Reply;
  // An order that comes while another is obeyed can only be kInterrupt.
  request.stopping = [socket] {
    char byte = 0;
    return ::recv(socket, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
  };
  std::unique_ptr<StandIn> stand_in;
  const Status started = StandIn::start(kernel, shared, request, stand_in);
  Reply first;
  if (!started) first.set(started.error());
  if (stand_in != nullptr) {
    first.taken_out = true;
    first.thread = stand_in->thread();
    if (started) first.address = stand_in->address();
  }
  (void)send_object(socket, first);
  if (stand_in == nullptr) return false;

  std::optional<long> performed;
  Order order;
  while (receive_object(socket, order)) {
    Reply reply;
    switch (order.kind) {
      case Order::Kind::kInterrupt:
        continue;
      case Order::Kind::kFinish: {
        const Status finished = stand_in->finish(order.result);
        if (!finished) reply.set(finished.error());
        (void)send_object(socket, reply);
        return false;
      }
      case Order::Kind::kCall:
      case Order::Kind::kPerform:
        break;
    }
    if (started) {
      (void)stand_in->put(0, order.memory);
      const bool performs = order.kind == Order::Kind::kPerform;
      const auto result = performs ? stand_in->perform(order.number, order.arguments, order.message)
                                   : stand_in->call(order.number, order.arguments);
      if (result) {
        reply.value = *result;
        if (performs) performed = result_of(*result, order.message);
      } else {
        reply.set(result.error());
      }
    } else {
      reply.set(started.error());
    }
    (void)send_object(socket, reply);
  }
  // Messages that went before it was made are gone.
  if (!performed && request.message > 1) performed = request.message - 1;
  (void)stand_in->finish(performed.value_or(given_up ? -EPERM : StandInCalls::kRestartAlways));
  return !performed;
}

void refuse_stand_in(int socket, const Error& why) {
  RemoteStandIn::Reply refusal;
  refusal.set(why);
  (void)send_object(socket, refusal);
}

}  // namespace tidewaiter::supervisor
