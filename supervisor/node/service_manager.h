#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// Who started us as a service and watches over us, if anybody did: what it is told, and what it keeps for us
// beyond our end. systemd's protocol (sd_notify(3), sd_listen_fds(3)): datagrams to the Unix socket that
// NOTIFY_SOCKET names, and descriptors that are already open when we begin.
class ServiceManager {
 public:
  // A descriptor that it passed to us: a socket of the unit's, or one that we had it keep.
  struct Passed {
    std::string name;
    UniqueFd fd;
  };

  // From NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID; what is not meant for us counts as not there. Errors:
  // a value that is none, with its variable's name. Call before there are threads, and once: it takes the
  // variables out of the environment, for no process of ours is to answer in our name.
  static Result<ServiceManager> from_environment();
  // Nobody.
  ServiceManager() = default;

  // What it passed (LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES), in its order; all of them close on exec from now
  // on. Call before anything is opened, and once. Errors: as above.
  static Result<std::vector<Passed>> take_passed();

  // Whether there is anybody to be told. All of the following are successes where there is not.
  [[nodiscard]] bool present() const { return socket_.valid(); }

  // We serve.
  [[nodiscard]] Status ready(std::string_view what_we_do) const;
  // We read our configuration again; then ready() has to follow.
  [[nodiscard]] Status reloading() const;
  [[nodiscard]] Status stopping() const;
  // We are alive. REQUIRES: to be called more often than watchdog() says.
  [[nodiscard]] Status alive() const;
  // How often at most alive() is waited for; nullopt: it is not.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

  // Has it keep a copy of `fd` (borrowed) by that name, until it is told otherwise: it does not look at what
  // becomes of it (FDPOLL=0). A file that it keeps already it does not take by a second name. Letters, digits
  // and "-_." in names.
  [[nodiscard]] Status keep(int fd, std::string_view name) const;
  // Drops all that it keeps by that name.
  [[nodiscard]] Status drop(std::string_view name) const;

 private:
  [[nodiscard]] Status say(std::string_view text, std::span<const int> fds = {}) const;

  UniqueFd socket_;  // connected
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace tidewaiter::supervisor
