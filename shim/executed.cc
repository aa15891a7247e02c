#include "shim/executed.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "oci/base/system.h"
#include "oci/container/bundle.h"
#include "oci/policy/check_identity.h"
#include "oci/policy/check_limits.h"
#include "oci/policy/compile_identity.h"
#include "oci/runtime/surroundings.h"
#include "oci/spec/config.h"
#include "oci/spec/init_mount.h"
#include "oci/spec/members.h"
#include "oci/spec/open_files.h"
#include "shim/inherited_file.h"
#include "shim/supervised.h"

namespace tidewaiter::shim {
namespace {

constexpr std::size_t kMaxProcessFile = 16U << 20U;

Status lower_own_limit(decltype(RLIMIT_NOFILE) resource, std::uint64_t most) {
  struct rlimit limit {};
  if (::getrlimit(resource, &limit) != 0) return fail(errno, "getrlimit");
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_cur, most);
  limit.rlim_max = std::min<rlim_t>(limit.rlim_max, most);
  if (::setrlimit(resource, &limit) != 0) return fail(errno, "setrlimit");
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

// Without --process runc takes user and variables of the bundle as it is now, and crun root and no variables.
Status refuse_unnamed(const container::Record& record) {
  const policy::Policy policy = TRY(recorded_policy(record));
  if (!policy::gives_identity(policy) || (!policy.identity->env && !policy.identity->user)) return {};
  return fail(
      std::string(policy.identity->user ? "/identity/user" : "/identity/env") +
      ": without --process the runtime takes another one than the policy's: describe the process in a file, "
      "and name it by --process");
}

}  // namespace

Status ExecutedLine::hold_process(const ValuePlace& place, const container::Record& record) {
  char*& argument = line_.argv[place.argument];
  const std::string path = argument + place.offset;
  const std::string text = TRY(in_context("--process", sys::read_file(path, kMaxProcessFile)));
  spec::Json process = TRY(spec::parse_json(text, path));
  TRY(in_context(path, spec::check_process_key_case(process, "")));
  if (record.shuts_real_time) TRY(in_context(path, policy::check_executed_in_real_time(process, "")));
  if (record.open_files) {
    TRY(in_context("/limits/open_files: " + path, spec::lower_open_files(process, *record.open_files, "")));
  }
  if (record.holds_process) {
    const policy::Policy policy = TRY(recorded_policy(record));
    if (policy::gives_identity(policy))
      TRY(in_context(path, policy::hold_process(*policy.identity, process, "")));
  }
  if (!record.init.empty()) TRY(in_context(path, spec::put_before(process, record.init)));
  const std::string file = TRY(inherited_file(spec::dump_json(process, -1)));
  words_.push_back(std::string(argument, place.offset) + file);
  argument = words_.back().data();
  return {};
}

void ExecutedLine::put_init(std::size_t id_index, const std::vector<std::string>& init) {
  const std::size_t program = id_index + 1;
  if (init.empty() || program >= static_cast<std::size_t>(line_.argc())) return;
  std::vector<char*> arguments;
  arguments.reserve(init.size());
  for (const std::string& each : init) arguments.push_back(words_.emplace_back(each).data());
  line_.argv.insert(line_.argv.begin() + static_cast<std::ptrdiff_t>(program), arguments.begin(),
                    arguments.end());
}

Status ExecutedLine::hold(const Invocation& invocation, const ContainerOptions& options,
                          const container::Record& record) {
  if (!options.process && record.holds_process) TRY(refuse_unnamed(record));
  words_.reserve(record.init.size() + 1);
  put_init(options.id_index, record.init);
  if (options.process) {
    TRY(hold_process(*options.process, record));
  } else if (record.open_files && invocation.runtime_kind == runtime::Kind::kRunc) {
    TRY(in_context("/limits/open_files", check_bundles_process(record.config_path, *record.open_files)));
  } else if (record.open_files && invocation.runtime_kind != runtime::Kind::kCrun) {
    return fail("/limits/open_files: what limit " + std::string(invocation.traits().name) +
                " gives a process without --process is not known: describe it in a file, and name that");
  }
  // What nobody sets is inherited from the runtime, not from the container: by crun
  // (libcrun_container_exec in src/libcrun/container.c) as by runc (newProcess in utils_linux.go).
  if (record.open_files)
    TRY(in_context("/limits/open_files", lower_own_limit(RLIMIT_NOFILE, *record.open_files)));
  if (!record.shuts_real_time) return {};
  if (runtime::runs_in_real_time()) return policy::started_in_real_time();
  return in_context("/limits/cpus", lower_own_limit(RLIMIT_RTPRIO, 0));
}

}  // namespace tidewaiter::shim
