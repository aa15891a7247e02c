#include "oci/policy/load/read_events.h"

#include <array>
#include <iterator>
#include <string_view>

#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kEventsKeys[] = {"log"};
constexpr ObjectKind kEventsObject{
    .where = Where::kEvents, .keys = kEventsKeys, .example = R"({"log": ["denied"]})"};
constexpr std::string_view kEvents[] = {"denied", "exec", "network"};

}  // namespace

void read_events(Reader& reader, const Place& place, EventsPolicy& events) {
  reader.each_member(kEventsObject, place, [&](std::string_view, const Place& member) {
    std::array<bool, std::size(kEvents)> wanted{};
    reader.each_element(member, one_of(kEvents), [&](const Place& element) {
      const auto event = reader.read_word(element, kEvents, Choice::kEvent);
      if (!event) return;
      if (wanted[*event]) reader.wrong(element, quote(kEvents[*event]) + " is in the list twice");
      wanted[*event] = true;
    });
    events = {.denied = wanted[0], .exec = wanted[1], .network = wanted[2]};
  });
  reader.require(place, "log", "write \"log\": [] to log nothing");
}

}  // namespace tidewaiter::policy
