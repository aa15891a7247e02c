#include "supervisor/names/address_book.h"

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <utility>

#include "oci/policy/address.h"

namespace tidewaiter::supervisor {
namespace {

using policy::IpAddress;

// Addresses that a name may have at once, or have had: a DNS answer holds about four thousand, and its owner
// may give others every time.
constexpr std::size_t kMostAddresses = 1024;
constexpr std::size_t kMostDenied = 8192;

bool contains(const std::vector<IpAddress>& addresses, const IpAddress& address) {
  return std::find(addresses.begin(), addresses.end(), address) != addresses.end();
}

template <typename T>
void keep_last(std::vector<T>& list, std::size_t most) {
  if (list.size() > most) list.erase(list.begin(), list.end() - static_cast<std::ptrdiff_t>(most));
}

// The clock is the machine's (CLOCK_MONOTONIC), and so the same for every process.
std::int64_t ticks(AddressBook::Time time) { return time.time_since_epoch().count(); }

nlohmann::json texts_of(const std::vector<IpAddress>& addresses) {
  auto texts = nlohmann::json::array();
  for (const IpAddress& address : addresses) texts.push_back(policy::to_string(address));
  return texts;
}

// The integer that is one and fits: the library would make one of anything that is a number.
template <typename Number>
std::optional<Number> integer(const nlohmann::json& value) {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (std::in_range<Number>(number)) return static_cast<Number>(number);
  } else if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (std::in_range<Number>(number)) return static_cast<Number>(number);
  }
  return std::nullopt;
}

// These throw as the library does.
AddressBook::Time time_of(const nlohmann::json& ticks) {
  return AddressBook::Time(AddressBook::Time::duration(integer<std::int64_t>(ticks).value()));
}
IpAddress address_of(const nlohmann::json& text) {
  return policy::parse_address(text.get<std::string>()).value();
}
std::vector<IpAddress> addresses_of(const nlohmann::json& texts) {
  std::vector<IpAddress> addresses;
  for (const auto& text : texts) addresses.push_back(address_of(text));
  return addresses;
}

}  // namespace

AddressBook::AddressBook(const policy::NetworkPolicy& network, const Pace& pace) : pace_(pace) {
  for (const auto& rule : network.deny) {
    if (const auto* host = std::get_if<policy::HostName>(&rule.host)) names_[host->name].in_deny = true;
  }
  if (!network.allow) return;
  for (const auto& rule : *network.allow) {
    if (const auto* host = std::get_if<policy::HostName>(&rule.host)) names_[host->name].in_allow = true;
  }
}

std::string AddressBook::save() const {
  auto saved = nlohmann::json::object();
  for (const auto& [text, name] : names_) {
    auto former = nlohmann::json::array();
    for (const Former& each : name.former) {
      former.push_back({policy::to_string(each.address), ticks(each.until)});
    }
    saved[text] = {{"present", texts_of(name.present)},
                   {"former", std::move(former)},
                   {"all", texts_of(name.all)},
                   {"due", ticks(name.due)},
                   {"failures", name.failures}};
  }
  return saved.dump();
}

bool AddressBook::restore(std::string_view saved) {
  auto restored = names_;
  try {
    const auto document = nlohmann::json::parse(saved);
    for (auto& [text, name] : restored) {
      const auto found = document.find(text);
      if (found == document.end()) continue;
      name.present = addresses_of(found->at("present"));
      name.all = addresses_of(found->at("all"));
      name.former.clear();
      for (const auto& each : found->at("former")) {
        name.former.push_back({address_of(each.at(0)), time_of(each.at(1))});
      }
      name.due = time_of(found->at("due"));
      name.failures = integer<unsigned>(found->at("failures")).value();
    }
  } catch (const std::exception&) {
    return false;
  }
  names_ = std::move(restored);
  changed_ = true;
  return true;
}

std::vector<std::string> AddressBook::due(Time now) const {
  std::vector<std::string> due;
  for (const auto& [text, name] : names_) {
    if (name.due <= now) due.push_back(text);
  }
  return due;
}

std::optional<AddressBook::Time> AddressBook::next() const {
  std::optional<Time> next;
  const auto at = [&](Time time) { next = next ? std::min(*next, time) : time; };
  for (const auto& [text, name] : names_) {
    at(name.due);
    if (!name.former.empty()) at(name.former.front().until);
  }
  return next;
}

void AddressBook::take(const std::string& text, const Result<Resolution>& result, Time now) {
  const auto found = names_.find(text);
  if (found == names_.end()) return;
  Name& name = found->second;
  if (!result) {
    const auto doubled = pace_.first_retry * (std::int64_t{1} << std::min(name.failures++, 16U));
    name.due = now + std::min<Pace::Duration>(doubled, pace_.last_retry);
    return;
  }
  name.failures = 0;
  Pace::Duration ttl = pace_.without_ttl;
  if (result->ttl) ttl = std::clamp<Pace::Duration>(*result->ttl, pace_.shortest_ttl, pace_.longest_ttl);
  name.due = now + ttl;
  std::vector<IpAddress> addresses = result->addresses;
  addresses.resize(std::min(addresses.size(), kMostAddresses));
  replace(name, std::move(addresses), now);
}

void AddressBook::replace(Name& name, std::vector<IpAddress> addresses, Time now) {
  const bool same = addresses.size() == name.present.size() &&
                    std::all_of(addresses.begin(), addresses.end(),
                                [&](const IpAddress& address) { return contains(name.present, address); });
  if (same) return;  // another order is no news: many servers give each answer in another
  changed_ = true;
  std::erase_if(name.former, [&](const Former& former) { return contains(addresses, former.address); });
  for (const IpAddress& address : name.present) {
    if (!contains(addresses, address)) name.former.push_back({address, now + pace_.grace});
  }
  keep_last(name.former, kMostAddresses);
  name.present = std::move(addresses);
  if (!name.in_deny) return;
  std::erase_if(name.all, [&](const IpAddress& address) { return contains(name.present, address); });
  name.all.insert(name.all.end(), name.present.begin(), name.present.end());
  keep_last(name.all, kMostDenied);
}

void AddressBook::expire(Time now) {
  for (auto& [text, name] : names_) {
    const auto gone = std::erase_if(name.former, [&](const Former& former) { return former.until <= now; });
    changed_ = changed_ || gone > 0;
  }
}

bool AddressBook::take_change() { return std::exchange(changed_, false); }

policy::ResolvedHosts AddressBook::allowed() const {
  policy::ResolvedHosts hosts = present();
  for (const auto& [text, name] : names_) {
    if (!name.in_allow) continue;
    for (const Former& former : name.former) hosts[text].push_back(former.address);
  }
  return hosts;
}

policy::ResolvedHosts AddressBook::denied() const {
  policy::ResolvedHosts hosts;
  for (const auto& [text, name] : names_) {
    if (name.in_deny) hosts[text] = name.all;
  }
  return hosts;
}

policy::ResolvedHosts AddressBook::present() const {
  policy::ResolvedHosts hosts;
  for (const auto& [text, name] : names_) {
    if (name.in_allow) hosts[text] = name.present;
  }
  return hosts;
}

}  // namespace tidewaiter::supervisor
