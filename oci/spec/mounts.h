#pragma once

#include <string>
#include <string_view>

#include "oci/spec/config.h"

// What the entries of /mounts have in common (runtime-spec, config.md).

namespace tidewaiter::spec {

// The string member `key` of an object; empty when there is none.
std::string text_member(const Json& object, const char* key);

// Whether `wanted` is among the mount's options.
bool has_option(const Json& mount, std::string_view wanted);

// Whether the entry is a bind mount: by its type, or by its options, as runtimes see it.
bool is_bind(const Json& mount);

// The path as the runtime understands it: from the root, without "." and "..", or slashes that say nothing:
// "/etc/hosts/", "//etc/hosts" and "etc/hosts" are all "/etc/hosts".
std::string absolute(const std::string& path);

}  // namespace tidewaiter::spec
