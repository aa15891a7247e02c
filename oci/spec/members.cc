#include "oci/spec/members.h"

#include <limits>

namespace tidewaiter::spec {
namespace {

tl::unexpected<Error> wrong(const std::string& place, const char* key, const char* expected,
                            const Json& found) {
  return fail(place + "/" + key + ": expected " + expected + ", found " +
              (found.is_structured() ? found.type_name() : dump_json(found, -1)));
}

}  // namespace

const Json* member(const Json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

Result<Json*> object_in(Json& parent, const char* key, const std::string& place) {
  Json& found = parent[key];
  if (found.is_null()) found = Json::object();
  if (!found.is_object()) return wrong(place, key, "an object", found);
  return &found;
}

Result<std::optional<std::int64_t>> signed_in(const Json& object, const char* key, const std::string& place) {
  const Json* found = member(object, key);
  if (found == nullptr) return std::nullopt;
  const bool too_large =
      found->is_number_unsigned() &&
      found->get<std::uint64_t>() > std::uint64_t{std::numeric_limits<std::int64_t>::max()};
  if (!found->is_number_integer() || too_large) return wrong(place, key, "a whole number of 64 bits", *found);
  return found->get<std::int64_t>();
}

Result<std::optional<std::uint64_t>> unsigned_in(const Json& object, const char* key,
                                                 const std::string& place) {
  const Json* found = member(object, key);
  if (found == nullptr) return std::nullopt;
  if (!found->is_number_unsigned()) return wrong(place, key, "a whole number that is not negative", *found);
  return found->get<std::uint64_t>();
}

}  // namespace tidewaiter::spec
