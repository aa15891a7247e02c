#include "supervisor/names/name_keeper.h"

#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "oci/base/log.h"
#include "oci/base/system.h"
#include "oci/policy/address.h"

namespace tidewaiter::supervisor {
namespace {

// Until `next` in whole milliseconds, as poll(2) has it; not a moment too early, or it would be asked again.
int patience_until(const std::optional<AddressBook::Time>& next) {
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::chrono::milliseconds::rep>(left.count(), 0, 3'600'000));
}

}  // namespace

std::string hosts_lines(const policy::ResolvedHosts& names) {
  std::string lines;
  for (const auto& [name, addresses] : names) {
    for (const auto& address : addresses) lines += policy::to_string(address) + "\t" + name + "\n";
  }
  return lines;
}

Result<std::unique_ptr<NameKeeper>> NameKeeper::start(const policy::Policy& policy,
                                                      Destinations& destinations, Resolver& resolver,
                                                      std::optional<container::HostsFile> hosts) {
  UniqueFd stop = TRY(sys::eventfd(0));
  std::unique_ptr<NameKeeper> keeper(
      new NameKeeper(policy, destinations, resolver, std::move(hosts), std::move(stop)));
  try {
    keeper->thread_ = std::thread([raw = keeper.get()] { raw->run(); });
  } catch (const std::system_error& error) {
    return fail(error.code().value(), "start a thread");
  }
  return keeper;
}

NameKeeper::NameKeeper(const policy::Policy& policy, Destinations& destinations, Resolver& resolver,
                       std::optional<container::HostsFile> hosts, UniqueFd stop)
    : policy_(policy),
      destinations_(destinations),
      resolver_(resolver),
      hosts_(std::move(hosts)),
      stop_(std::move(stop)) {}

NameKeeper::~NameKeeper() {
  if (!thread_.joinable()) return;
  (void)::eventfd_write(stop_.get(), 1);
  thread_.join();
}

void NameKeeper::run() {
  for (;;) {
    std::array<struct pollfd, 2> waiting{};
    waiting[0] = {.fd = stop_.get(), .events = POLLIN, .revents = 0};
    waiting[1] = {.fd = hosts_ ? hosts_->base_changes() : -1, .events = POLLIN, .revents = 0};
    const int count = ::poll(waiting.data(), waiting.size(), patience_until(destinations_.next_refresh()));
    if (count < 0 && errno != EINTR) {
      log::error("host names are not followed any more", {{"error", Error{errno, "poll"}.message()}});
      return;
    }
    if (waiting[0].revents != 0) return;
    const bool base_changed = waiting[1].revents != 0;
    if (base_changed) hosts_->take_base_changes();
    if (destinations_.refresh(policy_, resolver_, stop_.get()) || base_changed) write_hosts();
  }
}

void NameKeeper::write_hosts() {
  if (!hosts_) return;
  if (const Status written = hosts_->write(hosts_lines(destinations_.present())); !written) {
    log::warning("the container's hosts file cannot be brought up to date",
                 {{"error", written.error().message()}});
  }
}

}  // namespace tidewaiter::supervisor
