#include "oci/container/record.h"

#include <string>
#include <tuple>

#include "tests/fuzz/files.h"
#include "tests/fuzz/fuzz.h"

// What the shim leaves for the agent.

namespace tidewaiter::container {
namespace {

bool same(const Record& a, const Record& b) {
  const auto all = [](const Record& record) {
    return std::tie(record.id, record.config_path, record.config_owner, record.runtime, record.root,
                    record.policy_name, record.policy_text, record.own_seccomp, record.residual,
                    record.exempts_start, record.told_of_execs, record.agent, record.open_files,
                    record.shuts_real_time, record.sees_others, record.snapshots, record.bounds_memory,
                    record.processors, record.holds_process, record.pinned_hosts, record.init,
                    record.init_file, record.hosts, record.log_directory, record.log_max_bytes,
                    record.log_total_bytes, record.restart_seconds);
  };
  return all(a) == all(b);
}

void check(std::string_view text) {
  static const fuzz::Folder folder;
  static const fuzz::Folder other;
  folder.write(Record::kFileName, text);
  const auto record = read_record(folder.path());
  fuzz::note(record.has_value());
  if (!record) {
    MUST(record.error().message().starts_with(folder.path()));
    return;
  }
  MUST(write_record(other.path(), *record));
  const auto again = read_record(other.path());
  MUST(again && same(*again, *record));
}

}  // namespace
}  // namespace tidewaiter::container

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::container::check(tidewaiter::fuzz::Input(data, size).rest());
  return 0;
}
