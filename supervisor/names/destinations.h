#pragma once

#include <memory>
#include <mutex>
#include <optional>

#include "oci/base/result.h"
#include "oci/policy/decide.h"
#include "oci/policy/destination_index.h"
#include "oci/policy/policy.h"
#include "supervisor/names/address_book.h"
#include "supervisor/names/kept_names.h"
#include "supervisor/names/resolver.h"

namespace tidewaiter::supervisor {

// Where the policy's network rules let connections go. The rules stay; the addresses of the host names in
// them change with DNS. Any thread may decide, at any time: a decision is made on one state of all names,
// which lives for as long as somebody looks at it. What follows the names belongs to one thread at a time.
class Destinations {
 public:
  // Resolves every name. One of an allow rule that does not resolve allows nothing until it does, and is
  // logged; one of a deny rule is an error, for the rule would refuse nothing. REQUIRES: policy.network.
  //
  // `kept` outlives it, and us: what another process has stored there is known, and nobody is asked for it.
  // Only where that is nothing is something stored there before take_over().
  static Result<std::unique_ptr<Destinations>> make(const policy::Policy& policy, Resolver& resolver,
                                                    const Pace& pace, KeptNames* kept = nullptr);

  // For any thread. REQUIRES: `policy` is the one it was made from.
  [[nodiscard]] policy::Decision decide(const policy::Policy& policy,
                                        const policy::Endpoint& destination) const;

  // --- one thread at a time ---

  // The process that has stored in `kept` until now has ended.
  void take_over(const policy::Policy& policy);
  // When to call refresh() next; nullopt: never.
  [[nodiscard]] std::optional<AddressBook::Time> next_refresh() const { return names_.next(); }
  // Resolves what is due, and puts what came of it into effect; whether that changed anything. Ends early
  // when the descriptor `stop` becomes readable.
  bool refresh(const policy::Policy& policy, Resolver& resolver, int stop);
  // The addresses that the names of network.allow have now.
  [[nodiscard]] policy::ResolvedHosts present() const { return names_.present(); }

 private:
  Destinations() = default;
  bool restore();
  void put_into_effect(const policy::Policy& policy);
  void keep();

  KeptNames* kept_ = nullptr;
  AddressBook names_;
  mutable std::mutex mutex_;  // of what follows
  std::shared_ptr<const policy::DestinationIndex> index_;
};

}  // namespace tidewaiter::supervisor
