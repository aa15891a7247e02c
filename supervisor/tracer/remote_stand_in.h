#pragma once

#include <sys/types.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "supervisor/target/kernel.h"
#include "supervisor/target/sealed_memory.h"
#include "supervisor/target/stand_in.h"

// A stand-in that another process drives than the one which decides what it calls: the worker orders, over a
// socket of its own, and the tracing process (tracing.h) obeys. Should the worker die, the target does not
// notice: what was performed is its call's result, and if nothing was, the kernel makes the call again, so
// that the next worker decides on it.

namespace tidewaiter::supervisor {

// The worker's side.
class RemoteStandIn final : public StandInCalls {
 public:
  // As StandIn::start(). REQUIRES: it has been asked for at the other end of `socket`. `stopping`: as
  // StandInRequest has it. False: whoever got the request has died before it said anything; the target dies
  // with it, or waits still.
  static Result<bool> start(Kernel& kernel, UniqueFd socket, std::function<bool()> stopping,
                            std::unique_ptr<StandInCalls>& stand_in);
  RemoteStandIn(const RemoteStandIn&) = delete;
  RemoteStandIn& operator=(const RemoteStandIn&) = delete;
  ~RemoteStandIn() override;

  std::uint64_t put(std::size_t offset, std::span<const std::byte> bytes) override;
  Result<long> call(long number, const std::array<std::uint64_t, 6>& arguments) override;
  Result<long> perform(long number, const std::array<std::uint64_t, 6>& arguments, long message) override;
  [[nodiscard]] Result<UniqueFd> duplicate_fd(int number) const override;
  [[nodiscard]] Result<UniqueFd> open_descriptor(int number) const override;
  [[nodiscard]] Result<UniqueFd> open_working_directory() const override;
  Status finish(long result) override;

 private:
  struct Order;
  struct Reply;
  RemoteStandIn(Kernel& kernel, UniqueFd socket, std::function<bool()> stopping)
      : kernel_(kernel), socket_(std::move(socket)), stopping_(std::move(stopping)) {}
  Result<Reply> receive();
  Result<long> ask(Order order);

  friend bool serve_stand_in(Kernel& kernel, StandIns& shared, int socket, StandInRequest request,
                             bool given_up);
  friend void refuse_stand_in(int socket, const Error& why);

  Kernel& kernel_;
  const UniqueFd socket_;
  const std::function<bool()> stopping_;
  pid_t thread_ = 0;           // stays ours while the tracing process has not finished with it
  std::uint64_t address_ = 0;  // of this call's part of the sealed memory
  std::array<std::byte, SealedMemory::kSlotSize> memory_{};  // what that is to hold
  bool finished_ = false;
};

// The tracing process's side, in the thread that traces: makes a stand-in and obeys, until it is finished or
// the other end is closed. True: it was closed, with nothing performed. `given_up`: the target's call is not
// to come again then, but fails with EPERM. `request.stopping` is of no account: that comes as an order.
bool serve_stand_in(Kernel& kernel, StandIns& shared, int socket, StandInRequest request, bool given_up);

// In its place: makes none, and says why.
void refuse_stand_in(int socket, const Error& why);

}  // namespace tidewaiter::supervisor
