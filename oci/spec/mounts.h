#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "oci/spec/config.h"

// What the entries of /mounts have in common (runtime-spec, config.md).

namespace tidewaiter::spec {

// The string member `key` of an object; empty when there is none.
std::string text_member(const Json& object, const char* key);

// The entry's options, in their order; what is no string is left out.
std::vector<std::string> options_of(const Json& mount);
bool has_option(const Json& mount, std::string_view wanted);

// Whether the entry is a bind mount: by its type, or by its options, as runtimes see it.
bool is_bind(const Json& mount);

// Whether it takes along what is mounted below its source. crun takes the options that set propagation
// recursively, such as "rprivate", for that as well.
bool is_recursive(const Json& mount);

// The path as the runtime understands it: from the root, without "." and "..", or slashes that say nothing:
// "/etc/hosts/", "//etc/hosts" and "etc/hosts" are all "/etc/hosts".
std::string absolute(const std::string& path);

// Whether `path` is `folder` or lies below it. Both absolute and without a slash at the end.
bool is_below(std::string_view path, std::string_view folder);

// The last entry at `destination`, absolute() and without a slash at the end: it is what the container sees
// there. nullptr: there is none, or /mounts is no array.
Json* mount_at(Json& config, std::string_view destination);

// An entry that binds the file `source`, of a state folder, read-only.
Json bind_of_file(const std::string& destination, const std::string& source);

// /linux/cgroupsPath; empty: the bundle names none.
std::string cgroup_of(const Json& config);

// What the runtime binds into the container, as the bundle has it: the sources of bind mounts, and the root
// file system. Relative ones are the bundle's.
std::vector<std::string> bind_sources(const Json& config);

}  // namespace tidewaiter::spec
