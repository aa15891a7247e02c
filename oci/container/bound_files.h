#pragma once

#include <map>
#include <string>

#include "oci/base/result.h"
#include "oci/container/record.h"

namespace tidewaiter::container {

// Writes what the bundle binds from its container's state folder, names and contents: for everyone to read,
// whatever the umask, since the container's user is anyone. Nobody in the container writes to them: they are
// mounted read-only, and the folder is shut.
Status write_bound_files(const std::string& state_folder, const std::map<std::string, std::string>& files);

// The same of the hosts file, where no agent keeps it. REQUIRES: record.hosts.
Status write_hosts_file(const std::string& state_folder, const Record& record);

}  // namespace tidewaiter::container
