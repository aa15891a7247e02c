#include "supervisor/names/destinations.h"

#include <utility>

#include "oci/base/log.h"

namespace tidewaiter::supervisor {
namespace {

// The first rule of the list that has this name.
const policy::NetworkRule* rule_of(const std::vector<policy::NetworkRule>& rules, const std::string& name) {
  for (const auto& rule : rules) {
    const auto* host = std::get_if<policy::HostName>(&rule.host);
    if (host != nullptr && host->name == name) return &rule;
  }
  return nullptr;
}

std::string does_not_resolve(const std::string& name, const Error& error) {
  return "host name \"" + name + "\" does not resolve: " + error.message();
}

// As Resolver::resolve(), but that a pinned name is what the policy says, as it is in the container.
std::vector<Result<Resolution>> resolve(const policy::Policy& policy, Resolver& resolver,
                                        const std::vector<std::string>& names, int stop) {
  std::vector<std::string> others;
  for (const std::string& name : names) {
    if (policy::pinned_host(policy, name) == nullptr) others.push_back(name);
  }
  auto answers = others.empty() ? std::vector<Result<Resolution>>{} : resolver.resolve(others, stop);
  std::vector<Result<Resolution>> results;
  auto answer = answers.begin();
  for (const std::string& name : names) {
    if (const auto* host = policy::pinned_host(policy, name))
      results.push_back(Resolution{.addresses = host->addresses, .ttl = std::nullopt});
    else
      results.push_back(std::move(*answer++));
  }
  return results;
}

}  // namespace

Result<std::unique_ptr<Destinations>> Destinations::make(const policy::Policy& policy, Resolver& resolver,
                                                         const Pace& pace, KeptNames* kept) {
  const policy::NetworkPolicy& network = *policy.network;
  std::unique_ptr<Destinations> made(new Destinations);
  made->names_ = AddressBook(network, pace);
  made->kept_ = kept;
  const bool known = made->restore();
  const auto names = made->names_.due({});
  const auto results =
      names.empty() ? std::vector<Result<Resolution>>{} : resolve(policy, resolver, names, -1);
  const auto now = std::chrono::steady_clock::now();
  for (std::size_t i = 0; i < names.size(); ++i) {
    made->names_.take(names[i], results[i], now);
    if (results[i]) continue;
    const std::string why = does_not_resolve(names[i], results[i].error());
    if (const auto* rule = rule_of(network.deny, names[i])) return fail(rule->pointer + ": " + why);
    log::warning("a host name does not resolve; until it does, its rule allows nothing",
                 {{"rule", rule_of(*network.allow, names[i])->pointer}, {"error", why}});
  }
  if (!known) made->keep();
  made->put_into_effect(policy);
  return made;
}

void Destinations::take_over(const policy::Policy& policy) {
  if (restore()) put_into_effect(policy);
}

// False: there is nothing.
bool Destinations::restore() {
  if (kept_ == nullptr) return false;
  const auto saved = kept_->load();
  const bool restored = saved && !saved->empty() && names_.restore(*saved);
  if (!restored && (!saved || !saved->empty())) {
    log::error("what is known of host names cannot be read; they are resolved anew");
  }
  if (restored) names_.expire(std::chrono::steady_clock::now());
  return restored;
}

void Destinations::keep() {
  if (kept_ == nullptr) return;
  if (const Status stored = kept_->store(names_.save()); !stored) {
    log::error("what is known of host names cannot be kept for another worker",
               {{"error", stored.error().message()}});
  }
}

policy::Decision Destinations::decide(const policy::Policy& policy,
                                      const policy::Endpoint& destination) const {
  std::shared_ptr<const policy::DestinationIndex> index;
  {
    const std::lock_guard lock(mutex_);
    index = index_;
  }
  return policy::decide_connect(policy, *index, destination);
}

bool Destinations::refresh(const policy::Policy& policy, Resolver& resolver, int stop) {
  names_.expire(std::chrono::steady_clock::now());
  if (const auto names = names_.due(std::chrono::steady_clock::now()); !names.empty()) {
    const auto results = resolve(policy, resolver, names, stop);
    const auto now = std::chrono::steady_clock::now();
    for (std::size_t i = 0; i < names.size(); ++i) names_.take(names[i], results[i], now);
    // Before it counts: what has been refused once is not to be allowed by the next worker.
    keep();
  }
  if (!names_.take_change()) return false;
  put_into_effect(policy);
  return true;
}

void Destinations::put_into_effect(const policy::Policy& policy) {
  static_cast<void>(names_.take_change());
  // Made beside the one in use: nobody who decides waits for more than the exchange of two pointers.
  auto index = std::make_shared<const policy::DestinationIndex>(policy, names_.allowed(), names_.denied());
  const std::lock_guard lock(mutex_);
  index_.swap(index);
}

}  // namespace tidewaiter::supervisor
