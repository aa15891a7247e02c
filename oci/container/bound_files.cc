#include "oci/container/bound_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "oci/base/system.h"
#include "oci/container/hosts_file.h"

namespace tidewaiter::container {
namespace {

Status write_file(const std::string& path, const std::string& text) {
  constexpr mode_t kReadable = 0444;
  const UniqueFd file = TRY(sys::open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, kReadable));
  if (::fchmod(file.get(), kReadable) != 0) return fail(errno, path);
  return in_context(path, sys::write_all(file.get(), text));
}

}  // namespace

Status write_bound_files(const std::string& state_folder, const std::map<std::string, std::string>& files) {
  for (const auto& [name, text] : files)
    TRY(write_file(std::string(state_folder).append("/").append(name), text));
  return {};
}

Status write_hosts_file(const std::string& state_folder, const Record& record) {
  const std::string path = state_folder + "/" + Record::kHostsName;
  auto hosts = TRY(HostsFile::open(path, *record.hosts, record.pinned_hosts));
  return hosts.write({});
}

}  // namespace tidewaiter::container
