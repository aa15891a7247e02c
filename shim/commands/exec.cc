#include <fcntl.h>

#include <cerrno>
#include <cstdlib>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/record.h"
#include "oci/spec/config.h"
#include "oci/spec/init_mount.h"
#include "shim/commands/commands.h"
#include "shim/failure.h"
#include "shim/runtime.h"
#include "shim/supervised.h"

// `exec`: the runtime loads the container's filter into the new process by itself, and hands its descriptor
// to the agent, which therefore has to be there. Where file rules hold, tidewaiter-init goes before the new
// program as it went before the container's own.

namespace tidewaiter::shim {
namespace {

using container::Record;

// As runc has it, so that a failure is not taken for the program's own.
constexpr int kExecFailed = 255;

constexpr std::size_t kMaxProcessBytes = 16U << 20U;

// The runtime's command line, changed. The strings are its arguments'.
struct Rewritten {
  CommandLine line;
  std::vector<std::string> words;  // reserved for all that will be in it: they must not move
  UniqueFd process;                // the runtime opens it by its number
};

// The process of --process, with tidewaiter-init before its program, in a file that only the runtime sees:
// what somebody else could change meanwhile, a file by a name, is not handed on.
Result<UniqueFd> rewrite_process(const std::string& path, const std::vector<std::string>& init) {
  const std::string text = TRY(in_context("--process", sys::read_file(path, kMaxProcessBytes)));
  spec::Json process = TRY(spec::parse_json(text, path));
  TRY(in_context(path, spec::check_process_key_case(process)));
  TRY(in_context(path, spec::put_before(process, init)));
  UniqueFd file = TRY(sys::inherited_memory("process", spec::dump_json(process, -1)));
  // --preserve-fds hands the lowest numbers on to the container.
  constexpr int kLeastNumber = 200;
  UniqueFd high(::fcntl(file.get(), F_DUPFD, kLeastNumber));
  if (!high.valid()) return fail(errno, "fcntl F_DUPFD");
  return high;
}

// Puts tidewaiter-init before the program, be it named on the command line or in a file.
Result<Rewritten> put_init_before(const CommandLine& line, const ContainerOptions& options,
                                  const std::vector<std::string>& init) {
  Rewritten changed;
  changed.line = line;
  changed.words.reserve(init.size() + 1);
  auto& argv = changed.line.argv;
  const auto insert = [&](std::size_t at, std::string word) {
    changed.words.push_back(std::move(word));
    argv.insert(argv.begin() + static_cast<std::ptrdiff_t>(at), changed.words.back().data());
  };
  // From the back, so that the places in front stay what they are.
  if (options.id_index + 1 < static_cast<std::size_t>(line.argc())) {
    for (auto word = init.rbegin(); word != init.rend(); ++word) insert(options.id_index + 1, *word);
  }
  if (options.process) {
    changed.process = TRY(rewrite_process(*options.process, init));
    // Of two the last one counts, for both runtimes.
    insert(options.options_end, "--process=/proc/self/fd/" + std::to_string(changed.process.get()));
  }
  return changed;
}

// Where an option is unknown, its value may have been taken for the id. Nothing is executed then in a
// container that an argument names and whose file rules hold.
Status refuse_guess(const Invocation& invocation) {
  for (std::size_t i = invocation.line.command_index + 1;
       i < static_cast<std::size_t>(invocation.line.argc()); ++i) {
    const auto folder = invocation.state_folder(invocation.line.argv[i]);
    if (!folder || !sys::stat(*folder)) continue;
    if (TRY(container::read_record(*folder)).init.empty()) continue;
    return fail(
        "an option of this `exec` is not known here, so where the program begins is not either, and " +
        std::string(invocation.line.argv[i]) + " has file rules that hold for it");
  }
  return {};
}

// Sees to it that the agent is there. Returns what has to stand before the program.
Result<std::vector<std::string>> prepare(const Invocation& invocation, const ContainerOptions& options) {
  if (options.has_unknown) TRY(refuse_guess(invocation));
  const auto state_folder = invocation.state_folder(options.id);
  // An id that cannot be ours is the runtime's to refuse.
  if (!state_folder || !sys::stat(*state_folder)) return std::vector<std::string>{};
  TRY(refuse_bypass(invocation));
  auto read = container::read_record(*state_folder);
  // A record goes when its container has gone: then the runtime refuses.
  if (!read && read.error().code != ENOENT) return tl::unexpected(read.error());
  Record record = read ? std::move(*read) : Record{};
  if (record.supervised)
    TRY(container::ensure_agent(TRY(container::agent_path(invocation.settings.agent)), *state_folder));
  return std::move(record.init);
}

Error become(const Invocation& invocation, const ContainerOptions& options) {
  std::vector<std::string> init;
  if (!options.id.empty()) {
    auto prepared = prepare(invocation, options);
    if (!prepared) return prepared.error();
    init = std::move(*prepared);
  }
  if (init.empty()) return become_runtime(invocation.runtime, invocation.line);
  const auto changed = put_init_before(invocation.line, options, init);
  return changed ? become_runtime(invocation.runtime, changed->line) : changed.error();
}

}  // namespace

int exec(const Invocation& invocation) {
  const ContainerOptions options = read_container_options(invocation.line, invocation.spelling());
  report_failure(invocation.line, options.id, become(invocation, options));
  return kExecFailed;
}

}  // namespace tidewaiter::shim
