#include "supervisor/node/kept_files.h"

#include <charconv>
#include <system_error>

#include "oci/base/log.h"

namespace tidewaiter::supervisor {

void KeptFiles::keep(const std::string& name, int fd) {
  names_.insert(name);
  if (const Status kept = manager_.keep(fd, prefix_ + name); !kept) {
    log::error("a descriptor is not kept; a container would not survive a restart",
               {{"name", prefix_ + name}, {"error", kept.error().message()}});
  }
}

void KeptFiles::drop(const std::string& name) {
  names_.erase(name);
  (void)manager_.drop(prefix_ + name);
}

void KeptFiles::drop_all() {
  while (!names_.empty()) {
    const std::string name = *names_.begin();
    drop(name);
  }
}

KeptProcess::~KeptProcess() {
  process_.reset();
  (void)manager_.drop(name_);
}

std::optional<KeptName> split_kept_name(const std::string& text) {
  if (text.size() < 2) return std::nullopt;
  KeptName name{text.front(), 0, {}};
  const char* const end = text.data() + text.size();
  const auto [after, error] = std::from_chars(text.data() + 1, end, name.number);
  if (error != std::errc{}) return std::nullopt;
  if (name.kind == 'p' && after == end) return name;
  if (name.kind != 'c' || after == end || *after != '.') return std::nullopt;
  name.rest.assign(after + 1, end);
  return name;
}

}  // namespace tidewaiter::supervisor
