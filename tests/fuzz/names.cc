#include <chrono>
#include <string>
#include <vector>

#include "oci/policy/address.h"
#include "oci/policy/policy.h"
#include "supervisor/names/address_book.h"
#include "tests/fuzz/fuzz.h"

// What one worker leaves for the next of the policy's host names. DNS answers themselves c-ares decodes.

namespace tidewaiter::supervisor {
namespace {

using std::chrono::seconds;

policy::NetworkPolicy names() {
  policy::NetworkRule rule;
  rule.host = policy::HostName{"a.example"};
  policy::NetworkPolicy network;
  network.allow.emplace(1, rule);
  network.deny.push_back(rule);
  rule.host = policy::HostName{"b.example"};
  network.allow->push_back(rule);
  return network;
}

void check(std::string_view saved) {
  static const policy::NetworkPolicy network = names();
  AddressBook book(network, {});
  const std::string empty = book.save();
  const bool restored = book.restore(saved);
  fuzz::note(restored);
  if (!restored) {
    MUST(book.save() == empty);
    return;
  }
  MUST(book.take_change());
  const std::string again = book.save();
  AddressBook other(network, {});
  MUST(other.restore(again) && other.save() == again);

  // And goes on from there.
  const AddressBook::Time now(seconds(1000));
  static_cast<void>(book.due(now));
  static_cast<void>(book.next());
  book.take("a.example", fail("no answer"), now);
  book.take("b.example", Resolution{{*policy::parse_address("192.0.2.1")}, seconds(60)}, now);
  book.expire(now + seconds(1000));
  static_cast<void>(book.denied());
  const auto allowed = book.allowed();
  MUST(!allowed.at("b.example").empty() && book.present().at("b.example").size() == 1);
  const std::string later = book.save();
  MUST(other.restore(later) && other.save() == later);
  MUST(other.allowed() == allowed && other.denied() == book.denied());
}

}  // namespace
}  // namespace tidewaiter::supervisor

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::supervisor::check(tidewaiter::fuzz::Input(data, size).rest());
  return 0;
}
