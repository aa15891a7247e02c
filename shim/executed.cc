#include "shim/executed.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "oci/base/system.h"
#include "oci/container/bundle.h"
#include "oci/spec/config.h"
#include "oci/spec/members.h"
#include "oci/spec/open_files.h"

namespace tidewaiter::shim {
namespace {

constexpr std::size_t kMaxProcessFile = 16U << 20U;
// --preserve-fds hands numbers from 3 on to the new process.
constexpr int kAbovePreserved = 512;

// A file in memory that the program we become inherits, by a name under which it can be opened.
Result<std::string> inherited_file(const std::string& text) {
  const UniqueFd file(::memfd_create("process.json", MFD_CLOEXEC));
  if (!file.valid()) return fail(errno, "memfd_create");
  TRY(sys::write_all(file.get(), text));
  int inherited = ::fcntl(file.get(), F_DUPFD, kAbovePreserved);
  if (inherited < 0) inherited = ::fcntl(file.get(), F_DUPFD, 3);  // RLIMIT_NOFILE is lower than that
  if (inherited < 0) return fail(errno, "fcntl F_DUPFD");
  return "/proc/self/fd/" + std::to_string(inherited);
}

Status lower_own_limit(std::uint64_t most) {
  struct rlimit limit {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return fail(errno, "getrlimit");
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, most);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, most);
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) return fail(errno, "setrlimit");
  return {};
}

// Without --process runc takes the process of the bundle as it is now, its limits among the rest. (crun takes
// no limits from anywhere.)
Status check_bundles_process(const std::string& config_path, std::uint64_t most) {
  constexpr const char* kAdvice = ": describe the process in a file, and name it by --process";
  if (config_path.empty()) {
    return fail(std::string("without --process runc takes the limit of the bundle, which is not known here") +
                kAdvice);
  }
  const auto bundle = TRY(container::Bundle::open("", config_path));
  const spec::Json* process = spec::member(bundle.original(), "process");
  const std::uint64_t own = process == nullptr ? 0 : TRY(spec::most_open_files(*process, "/process"));
  if (own <= most) return {};
  return fail("without --process runc takes the limit of the bundle, " + std::to_string(own) +
              ", which is more than the policy's " + std::to_string(most) + kAdvice);
}

}  // namespace

Status ExecutedLine::replace_process(const ValuePlace& place, std::uint64_t most) {
  char*& argument = line_.argv[place.argument];
  const std::string path = argument + place.offset;
  const std::string text = TRY(in_context("--process", sys::read_file(path, kMaxProcessFile)));
  spec::Json process = TRY(spec::parse_json(text, path));
  TRY(in_context(path, spec::check_process_key_case(process, "")));
  TRY(in_context(path, spec::lower_open_files(process, most, "")));
  const std::string file = TRY(inherited_file(spec::dump_json(process, -1)));
  // One word at most is kept, so none of them moves.
  words_.push_back(std::string(argument, place.offset) + file);
  argument = words_.back().data();
  return {};
}

Status ExecutedLine::hold_open_files(const Invocation& invocation, const ContainerOptions& options,
                                     const container::Record& record) {
  const std::uint64_t most = *record.open_files;
  if (options.process) {
    TRY(replace_process(*options.process, most));
  } else if (invocation.runtime_kind == runtime::Kind::kRunc) {
    TRY(check_bundles_process(record.config_path, most));
  } else if (invocation.runtime_kind != runtime::Kind::kCrun) {
    return fail("what limit " + std::string(invocation.traits().name) +
                " gives a process without --process is not known: describe it in a file, and name that");
  }
  // What nobody sets is inherited from the runtime, not from the container: by crun
  // (libcrun_container_exec in src/libcrun/container.c) as by runc (newProcess in utils_linux.go).
  return lower_own_limit(most);
}

}  // namespace tidewaiter::shim
