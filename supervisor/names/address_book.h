#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/decide.h"
#include "oci/policy/policy.h"
#include "supervisor/names/resolver.h"

namespace tidewaiter::supervisor {

// How long things may take that follow DNS. Tests are in more of a hurry.
struct Pace {
  using Duration = std::chrono::steady_clock::duration;
  // A name is resolved again when its TTL is over, but not sooner or later than this.
  Duration shortest_ttl = std::chrono::seconds(5);
  Duration longest_ttl = std::chrono::hours(1);
  // For an answer that has no TTL.
  Duration without_ttl = std::chrono::minutes(1);
  // What could not be resolved is tried again after this, and after twice as long each time.
  Duration first_retry = std::chrono::seconds(5);
  Duration last_retry = std::chrono::minutes(5);
  // How long an address stays allowed that its name no longer has: who resolved the name just before may
  // still be about to connect.
  Duration grace = std::chrono::minutes(5);
};

// The host names of a policy and the addresses that count for each. It is told what was resolved and when,
// and does nothing by itself. Not for several threads at once.
class AddressBook {
 public:
  using Time = std::chrono::steady_clock::time_point;

  AddressBook() = default;
  // Every name of both lists is due.
  AddressBook(const policy::NetworkPolicy& network, const Pace& pace);

  // All that is known, and since when, for a book that another process makes from the same rules.
  [[nodiscard]] std::string save() const;
  // Takes over what such a book has saved of the names that are in this one; the others stay due. False: it
  // is no such text, and nothing was taken.
  bool restore(std::string_view saved);

  // The names to be resolved now.
  [[nodiscard]] std::vector<std::string> due(Time now) const;
  // When a name is due, or an address ceases to count; nullopt when there are no names.
  [[nodiscard]] std::optional<Time> next() const;

  // Notes what came of resolving a name. A failure leaves its addresses as they are.
  void take(const std::string& name, const Result<Resolution>& result, Time now);
  // Forgets addresses whose grace is over.
  void expire(Time now);

  // Whether allowed() or denied() may have changed since the last call.
  bool take_change();

  // What each name stands for in an allow rule: its addresses, and those it had until not long ago.
  [[nodiscard]] policy::ResolvedHosts allowed() const;
  // In a deny rule: all it ever had, up to a bound.
  [[nodiscard]] policy::ResolvedHosts denied() const;
  // The addresses that the names of allow rules have now.
  [[nodiscard]] policy::ResolvedHosts present() const;

 private:
  struct Former {
    policy::IpAddress address;
    Time until;
  };
  struct Name {
    bool in_allow = false;
    bool in_deny = false;
    std::vector<policy::IpAddress> present;
    std::vector<Former> former;          // of `present` none; the one to go last at the end
    std::vector<policy::IpAddress> all;  // for deny rules only; the last seen at the end
    Time due{};
    unsigned failures = 0;  // in a row
  };
  void replace(Name& name, std::vector<policy::IpAddress> addresses, Time now);

  Pace pace_;
  std::map<std::string, Name, std::less<>> names_;
  bool changed_ = false;
};

}  // namespace tidewaiter::supervisor
