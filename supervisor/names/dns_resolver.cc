#include "supervisor/names/dns_resolver.h"

// Of c-ares 1.34's replacements for ares_getsock() and ares_process_fd(), Debian 12's has none.
#define CARES_NO_DEPRECATED
#include <ares.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <memory>
#include <type_traits>
#include <utility>

namespace tidewaiter::supervisor {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

// How long one call of resolve() may take. A launcher waits 30 s for its agent (agent_launcher.h).
constexpr std::chrono::seconds kPatience{10};

// How long a server has for an answer, and how often each is asked. Two that are down leave time for a third.
constexpr milliseconds kServerPatience{2000};
constexpr int kTries = 2;

// Questions that may be open at once: a server need not stand ten thousand in one moment.
constexpr std::size_t kMostAtOnce = 64;

using Channel = std::unique_ptr<std::remove_pointer_t<ares_channel>, void (*)(ares_channel)>;
using Found = std::unique_ptr<struct ares_addrinfo, void (*)(struct ares_addrinfo*)>;

// A channel that asks one source only: "f", the hosts file, or "b", DNS (ares_init_options(3)).
Result<Channel> open_channel(const char* source) {
  static const int prepared = ::ares_library_init(ARES_LIB_INIT_ALL);
  if (prepared != ARES_SUCCESS) return fail(std::string("c-ares: ") + ::ares_strerror(prepared));
  std::string lookups(source);
  struct ares_options options {};
  options.timeout = static_cast<int>(kServerPatience.count());
  options.tries = kTries;
  options.lookups = lookups.data();
  ares_channel channel = nullptr;
  const int status =
      ::ares_init_options(&channel, &options, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS);
  if (status != ARES_SUCCESS) return fail(std::string("c-ares: ") + ::ares_strerror(status));
  return Channel(channel, ::ares_destroy);
}

std::optional<policy::IpAddress> address_of(const struct ares_addrinfo_node& node) {
  policy::IpAddress address;
  if (node.ai_family == AF_INET && node.ai_addrlen >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in ipv4 {};
    std::memcpy(&ipv4, node.ai_addr, sizeof ipv4);
    std::memcpy(address.bytes.data(), &ipv4.sin_addr, sizeof ipv4.sin_addr);
    return address;
  }
  if (node.ai_family == AF_INET6 && node.ai_addrlen >= sizeof(struct sockaddr_in6)) {
    struct sockaddr_in6 ipv6 {};
    std::memcpy(&ipv6, node.ai_addr, sizeof ipv6);
    address.family = policy::IpAddress::Family::kIpv6;
    std::memcpy(address.bytes.data(), &ipv6.sin6_addr, sizeof ipv6.sin6_addr);
    return address;
  }
  return std::nullopt;
}

Resolution resolution_of(const struct ares_addrinfo& found) {
  Resolution resolution;
  int ttl = INT_MAX;
  for (const auto* node = found.nodes; node != nullptr; node = node->ai_next) {
    const auto address = address_of(*node);
    if (!address) continue;
    ttl = std::min(ttl, node->ai_ttl);
    auto& addresses = resolution.addresses;
    if (std::find(addresses.begin(), addresses.end(), *address) == addresses.end())
      addresses.push_back(*address);
  }
  // What leads to the name that has the addresses may change before they do.
  for (const auto* alias = found.cnames; alias != nullptr; alias = alias->next)
    ttl = std::min(ttl, alias->ttl);
  resolution.ttl = std::chrono::seconds(std::max(ttl, 0));
  return resolution;
}

// Questions to one channel. The answers come from within c-ares' calls, in any order.
class Questions {
 public:
  Questions(Channel channel, const std::vector<std::string>& names, std::vector<Result<Resolution>>& results)
      : channel_(std::move(channel)), names_(names), results_(results) {}
  Questions(const Questions&) = delete;
  Questions& operator=(const Questions&) = delete;

  // Asks for the names at these places, and waits for what comes of it.
  void ask(const std::vector<std::size_t>& places, steady_clock::time_point deadline, int stop) {
    asked_.reserve(places.size());  // c-ares holds pointers into it
    for (const std::size_t place : places) {
      while (open_ >= kMostAtOnce && wait(deadline, stop)) {
      }
      if (ended_) break;
      begin(place);
    }
    while (open_ > 0 && wait(deadline, stop)) {
    }
    // What is still open gets its answer now.
    ::ares_cancel(channel_.get());
  }

 private:
  struct Asked {
    Questions* questions;
    std::size_t place;
  };

  void begin(std::size_t place) {
    struct ares_addrinfo_hints hints {};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;  // each address once instead of once for each socket type
    hints.ai_flags = ARES_AI_NOSORT;  // sorting asks the kernel for a route to each
    asked_.push_back({this, place});
    ++open_;
    ::ares_getaddrinfo(channel_.get(), names_[place].c_str(), nullptr, &hints, &Questions::take,
                       &asked_.back());
  }

  static void take(void* argument, int status, int /*timeouts*/, struct ares_addrinfo* result) {
    const auto& asked = *static_cast<Asked*>(argument);
    const Found found(result, ::ares_freeaddrinfo);
    --asked.questions->open_;
    auto& answer = asked.questions->results_[asked.place];
    if (status != ARES_SUCCESS) {
      answer = fail(status == ARES_ECANCELLED ? "no answer in time" : ::ares_strerror(status));
      return;
    }
    Resolution resolution = resolution_of(*found);
    if (resolution.addresses.empty())
      answer = fail("no addresses");
    else
      answer = std::move(resolution);
  }

  // Waits for one step of any question; false when there is to be no more waiting.
  bool wait(steady_clock::time_point deadline, int stop) {
    const auto left = std::chrono::ceil<milliseconds>(deadline - steady_clock::now());
    if (left.count() <= 0) return end();
    std::array<ares_socket_t, ARES_GETSOCK_MAXNUM> sockets{};
    const auto wanted =
        static_cast<unsigned>(::ares_getsock(channel_.get(), sockets.data(), ARES_GETSOCK_MAXNUM));
    std::array<struct pollfd, ARES_GETSOCK_MAXNUM + 1> waiting{};
    waiting[0] = {.fd = stop, .events = POLLIN, .revents = 0};
    nfds_t count = 1;
    for (unsigned i = 0; i < sockets.size(); ++i) {
      const bool read = ARES_GETSOCK_READABLE(wanted, i) != 0;
      const bool write = ARES_GETSOCK_WRITABLE(wanted, i) != 0;
      if (!read && !write) continue;
      const int events = (read ? POLLIN : 0) | (write ? POLLOUT : 0);
      waiting[count++] = {.fd = sockets[i], .events = static_cast<short>(events), .revents = 0};
    }
    struct timeval most {};
    most.tv_sec = left.count() / 1000;
    most.tv_usec = left.count() % 1000 * 1000;
    struct timeval next {};
    const struct timeval* timeout = ::ares_timeout(channel_.get(), &most, &next);
    // One more than the whole milliseconds, or we would come back a moment before there is something to do.
    const auto patience = static_cast<int>(timeout->tv_sec * 1000 + timeout->tv_usec / 1000 + 1);
    if (::poll(waiting.data(), count, patience) < 0 && errno != EINTR) return end();
    if (waiting[0].revents != 0) return end();
    for (nfds_t i = 1; i < count; ++i) {
      const auto& socket = waiting[i];
      if (socket.revents == 0) continue;
      const bool write = (socket.revents & POLLOUT) != 0;
      const bool read = (socket.revents & ~POLLOUT) != 0;
      ::ares_process_fd(channel_.get(), read ? socket.fd : ARES_SOCKET_BAD,
                        write ? socket.fd : ARES_SOCKET_BAD);
    }
    ::ares_process_fd(channel_.get(), ARES_SOCKET_BAD, ARES_SOCKET_BAD);  // what has timed out
    return true;
  }

  bool end() {
    ended_ = true;
    return false;
  }

  Channel channel_;
  const std::vector<std::string>& names_;
  std::vector<Result<Resolution>>& results_;
  std::vector<Asked> asked_;
  std::size_t open_ = 0;
  bool ended_ = false;
};

class DnsResolver final : public Resolver {
 public:
  std::vector<Result<Resolution>> resolve(const std::vector<std::string>& names, int stop) override {
    std::vector<Result<Resolution>> results(names.size(), fail("no answer in time"));
    const auto deadline = steady_clock::now() + kPatience;
    for (const char* source : {"f", "b"}) {
      std::vector<std::size_t> places;
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!results[i]) places.push_back(i);
      }
      if (places.empty()) break;
      auto channel = open_channel(source);
      if (!channel) {
        for (const std::size_t place : places) results[place] = tl::unexpected(channel.error());
        break;
      }
      Questions(std::move(*channel), names, results).ask(places, deadline, stop);
      // The hosts file says nothing about time.
      if (*source == 'f') {
        for (auto& result : results) {
          if (result) result->ttl.reset();
        }
      }
    }
    return results;
  }
};

}  // namespace

Resolver& dns_resolver() {
  static DnsResolver resolver;
  return resolver;
}

}  // namespace tidewaiter::supervisor
