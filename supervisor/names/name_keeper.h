#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"
#include "oci/container/hosts_file.h"
#include "oci/policy/decide.h"
#include "oci/policy/policy.h"
#include "supervisor/names/destinations.h"
#include "supervisor/names/resolver.h"

namespace tidewaiter::supervisor {

// What a hosts file says of them, in lines as hosts(5) has them.
std::string hosts_lines(const policy::ResolvedHosts& names);

// Follows a policy's host names while the container runs: resolves them again when their time is over, in a
// thread of its own, and writes the container's hosts file anew.
class NameKeeper {
 public:
  // The arguments outlive it. REQUIRES: nobody else refreshes `destinations`.
  static Result<std::unique_ptr<NameKeeper>> start(const policy::Policy& policy, Destinations& destinations,
                                                   Resolver& resolver,
                                                   std::optional<container::HostsFile> hosts);
  NameKeeper(const NameKeeper&) = delete;
  NameKeeper& operator=(const NameKeeper&) = delete;
  // Waits for the thread, which lets go of what it is doing.
  ~NameKeeper();

 private:
  NameKeeper(const policy::Policy& policy, Destinations& destinations, Resolver& resolver,
             std::optional<container::HostsFile> hosts, UniqueFd stop);
  void run();
  void write_hosts();

  const policy::Policy& policy_;
  Destinations& destinations_;
  Resolver& resolver_;
  std::optional<container::HostsFile> hosts_;
  UniqueFd stop_;  // eventfd
  std::thread thread_;
};

}  // namespace tidewaiter::supervisor
