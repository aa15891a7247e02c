#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "supervisor/worker/session.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/oci/seccomp/child.h"
#include "tests/oci/seccomp/target.h"
#include "tests/supervisor/observed_kernel.h"

namespace tidewaiter::supervisor {

using Body = std::function<std::vector<long>()>;

// A process of its own in which some calls notify.
class LiveTarget {
 public:
  // `body` runs in the child, whose report is what it returns; see seccomp::Child.
  LiveTarget(std::vector<int> notified, const Body& body);

  [[nodiscard]] seccomp::Child& child() { return child_; }
  [[nodiscard]] UniqueFd take_notify_fd() { return std::move(notify_); }

 private:
  void hand_over(const std::vector<int>& notified);

  sys::Pipe to_us_ = std::move(*sys::pipe());
  sys::Pipe to_child_ = std::move(*sys::pipe());
  seccomp::Child child_;
  UniqueFd notify_;
};

// A target served by a session, on the real kernel; the session is looked after as Agent does it.
class LiveSession {
 public:
  // `kernel`: what the session asks instead of the observed one. `init`: the container's tidewaiter-init.
  LiveSession(const std::string& policy, std::vector<int> notified, const Body& body,
              Kernel* kernel = nullptr, std::optional<container::Record::File> init = std::nullopt);
  LiveSession(Supervision supervision, std::vector<int> notified, const Body& body, Kernel* kernel = nullptr);
  LiveSession(const LiveSession&) = delete;
  LiveSession& operator=(const LiveSession&) = delete;
  ~LiveSession();

  [[nodiscard]] seccomp::Child& child() { return target_.child(); }
  [[nodiscard]] ObservedKernel& kernel() { return kernel_; }

  // Ends the session, whatever its target does; the events so far.
  std::vector<nlohmann::json> end();

  // When the target has reported: its report, and then end().
  struct Ended {
    std::vector<long> report;
    std::vector<nlohmann::json> events;
  };
  Ended run_to_end();

 private:
  void watch();

  testing::TemporaryFolder folder_;
  ObservedKernel kernel_;
  Supervision supervision_;
  LiveTarget target_;  // forked before there is any other thread
  UniqueFd wake_;
  UniqueFd stop_watching_;
  std::optional<EventLog> events_;
  std::unique_ptr<Slots> slots_ = std::move(*Slots::make());
  std::unique_ptr<Session> session_;
  std::thread watcher_;
};

// The result of connect(2) or bind(2) on `fd`: 0, or a negative errno.
long connect_to(int fd, const std::vector<std::byte>& address);
long bind_to(int fd, const std::vector<std::byte>& address);

}  // namespace tidewaiter::supervisor
