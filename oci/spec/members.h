#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "oci/base/result.h"
#include "oci/spec/config.h"

// The members of a config's objects, for whoever rewrites them. What is of another kind than the runtime-spec
// says is an error in words; `place` is the object's own JSON pointer, "/linux". null is taken for missing,
// as the runtimes do.

namespace tidewaiter::spec {

// nullptr when it is missing, or `object` is none.
const Json* member(const Json& object, const char* key);

// The object `key` of the object `parent`, made where it is missing.
Result<Json*> object_in(Json& parent, const char* key, const std::string& place);

// A whole number. int64 in the runtime-spec: one beyond that is an error as well.
Result<std::optional<std::int64_t>> signed_in(const Json& object, const char* key, const std::string& place);
Result<std::optional<std::uint64_t>> unsigned_in(const Json& object, const char* key,
                                                 const std::string& place);

}  // namespace tidewaiter::spec
