#include "shim/commands/policy.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/base/text_diff.h"
#include "oci/container/agent_launcher.h"
#include "oci/container/bundle.h"
#include "oci/container/directories.h"
#include "oci/container/settings.h"
#include "oci/policy/compile.h"
#include "oci/policy/compile_copies.h"
#include "oci/policy/compile_deny.h"
#include "oci/policy/compile_files.h"
#include "oci/policy/explain.h"
#include "oci/policy/load.h"
#include "oci/policy/review.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/profile.h"
#include "oci/spec/mounts.h"
#include "oci/spec/readable.h"
#include "shim/bundle_review.h"
#include "shim/commands/commands.h"
#include "shim/copied_folders.h"
#include "shim/denied_paths.h"
#include "shim/init_place.h"
#include "shim/name_review.h"
#include "shim/own_options.h"
#include "shim/runtime.h"
#include "shim/terminal_text.h"

namespace tidewaiter::shim {
namespace {

namespace po = boost::program_options;
using nlohmann::ordered_json;
using policy::Mistake;

// Where a container's listener would be: nobody connects to it here. `init`: tidewaiter-init; that there is
// none on this machine is said beside the rules (check_init_here).
policy::Listener no_listener(int landlock, const std::string& init) {
  policy::Listener listener{"/run/tidewaiter/ID/agent.sock",
                            "",
                            "/run/tidewaiter/ID/hosts",
                            init.empty() ? "/usr/bin/tidewaiter-init" : init,
                            landlock,
                            "/run/tidewaiter/ID/denied"};
  listener.copies_folder = "/var/lib/tidewaiter/changes/ID";
  listener.copies_program = "/usr/bin/tidewaiter";
  return listener;
}

Status check_init_here(const policy::Policy& policy, const policy::Listener& listener,
                       const std::string& init) {
  return policy::needs_init(policy, listener) ? policy::check_init(init) : Status();
}

// What a policy may ask of some kernel is no mistake, though this one may not have it.
constexpr int kNewestLandlock = std::numeric_limits<int>::max();

// A container as `podman run` without a seccomp profile makes it, so that all is told that one would get.
ordered_json bare_config() {
  // With the namespaces and the /proc that rules ask for and every container has, and a cgroup by name.
  return ordered_json::parse(R"({
    "process": {},
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc"}],
    "linux": {"cgroupsPath": "/ID", "namespaces": [{"type": "mount"}, {"type": "pid"}]}
  })");
}

// The same, with a volume wherever the policy copies one.
void add_volumes(const policy::Policy& policy, ordered_json& config) {
  if (!policy.files) return;
  for (const policy::CopyRule& rule : policy.files->copy_on_write) {
    config["mounts"].push_back({{"destination", rule.path},
                                {"type", "bind"},
                                {"source", "/VOLUME" + rule.path},
                                {"options", {"rbind", "rw"}}});
  }
}

// Where this user's copies would lie.
Result<std::string> own_changes_folder() {
  const auto directories = TRY(container::Directories::locate());
  const auto settings = TRY(container::Settings::load(directories.config_file, directories.config_named));
  return container::changes_folder(settings, directories);
}

std::string as_text(const ordered_json& json) {
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// Many lines for a terminal.
std::string terminal_lines(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    result += terminal_text(text.substr(0, end), std::string_view::npos) + "\n";
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

// --- check ------------------------------------------------------------------------------------------

using policy::Remark;

// What a policy is checked against.
struct Background {
  ordered_json config;
  runtime::Kind runtime;
  runtime::Surroundings around;
  std::optional<container::Bundle> bundle = std::nullopt;  // none: any
  std::string folder = {};                                 // of the bundle, canonical
  std::string init = {};                                   // tidewaiter-init; empty: there is none
};

Result<Background> background_of(const PolicyCheckOptions& options) {
  if (!options.bundle)
    return Background{bare_config(), options.runtime, runtime::Surroundings::of_a_full_machine()};
  const std::string folder = TRY(sys::realpath(*options.bundle));
  auto bundle = TRY(container::Bundle::open(folder));
  Background background{bundle.original(), options.runtime,
                        runtime::look_around(container::is_initial_root())};
  runtime::look_at_sources(runtime::own_files(), folder, spec::bind_sources(background.config),
                           background.around);
  background.bundle = std::move(bundle);
  background.folder = folder;
  background.init = options.init;
  return background;
}

// What `create` asks of the bundle's root file system before file rules are mounted into it.
Status check_places(const policy::Policy& policy, const policy::Plan& plan, const Background& background) {
  const std::string& folder = background.folder;
  if (policy::covers(policy)) TRY(find_denied_files(policy.files->deny, background.config, folder));
  if (policy::copies(policy))
    TRY(find_copied_folders(policy.files->copy_on_write, background.config, folder,
                            TRY(own_changes_folder())));
  return plan.init.empty() ? Status() : check_init_place(background.config, folder, plan.init.front());
}

// What is to be said of one file.
struct Findings {
  std::vector<Mistake> mistakes;
  std::vector<Mistake> warnings;
};

void add(const std::string& file, std::vector<Remark> remarks, Findings& findings) {
  for (Remark& remark : remarks) {
    std::string where = remark.pointer.empty() ? file : file + ": " + remark.pointer;
    (remark.weight == Remark::Weight::kMistake ? findings.mistakes : findings.warnings)
        .push_back({std::move(where), std::move(remark.message)});
  }
}

Result<Findings> findings_in(const std::string& file, Background& background,
                             const std::optional<std::string>& resolver) {
  Findings findings;
  const auto text = sys::read_file(file, policy::kMaxPolicyBytes);
  if (!text) {
    const int code = text.error().code;
    findings.mistakes = {
        {file, code == EFBIG ? "expected a policy of at most 16 MiB" : Error{code, ""}.message()}};
    return findings;
  }
  const auto parsed = policy::parse(*text, file, policy::name_of(file));
  if (!parsed) {
    findings.mistakes = parsed.error();
    return findings;
  }
  add(file, policy::review(*parsed), findings);
  if (resolver) add(file, TRY(review_names(*parsed, *resolver)), findings);
  if (background.bundle && policy::names_processors(*parsed))
    runtime::look_at_processors(runtime::own_files(), spec::cgroup_of(background.config), background.around);
  // What no runtime can do, or not with this bundle, is a mistake as well.
  const runtime::Traits& traits = runtime::traits(background.runtime);
  ordered_json config = background.config;
  if (!background.bundle) add_volumes(*parsed, config);
  const auto plan = policy::compile(*parsed, config, traits, no_listener(kNewestLandlock, background.init),
                                    background.around);
  if (!plan) findings.mistakes.push_back({file, plan.error().message()});
  if (!background.bundle) return findings;
  add(file, review_in_bundle(*parsed, *background.bundle, plan ? plan->config : background.config), findings);
  if (const Status placed = plan ? check_places(*parsed, *plan, background) : Status(); !placed)
    findings.mistakes.push_back({file, placed.error().message()});
  const policy::Listener here = no_listener(sys::landlock_version(), background.init);
  Status restricted = plan ? policy::check_files(*parsed, here) : Status();
  if (plan && restricted) restricted = check_init_here(*parsed, here, background.init);
  if (!restricted)
    findings.warnings.push_back(
        {file, "on this machine the container would be refused: " + restricted.error().message()});
  if (const Status held = policy::check_machine(*parsed, background.config, traits, background.around); !held)
    findings.warnings.push_back(
        {file, "on this machine, to you, the container would be refused: " + held.error().message()});
  return findings;
}

ordered_json to_json(const std::vector<Mistake>& mistakes) {
  ordered_json list = ordered_json::array();
  for (const Mistake& mistake : mistakes)
    list.push_back({{"where", mistake.where}, {"message", mistake.message}});
  return list;
}

ordered_json to_json(const std::string& file, const Findings& findings) {
  return {{"file", file},
          {"ok", findings.mistakes.empty()},
          {"mistakes", to_json(findings.mistakes)},
          {"warnings", to_json(findings.warnings)}};
}

void print(const std::vector<Mistake>& mistakes, std::string_view kind, std::ostream& err) {
  for (const Mistake& mistake : mistakes) {
    err << terminal_text(mistake.where, 4096) << ": " << kind << terminal_text(mistake.message, 4096) << "\n";
  }
}

// A command line as the verbs below read it, with help in front.
struct CommandHelp {
  const char* usage;
  const char* text;
};

constexpr CommandHelp kCheckHelp{
    "tidewaiter policy check FILE... [--bundle DIR] [--runtime crun|runc|youki|PATH] [--resolve] [--json]",
    "Names every mistake in each policy FILE, with its place and what would be valid, and warns of rules\n"
    "that can never take effect; with a bundle also of paths that its root file system does not have.",
};
constexpr CommandHelp kExplainHelp{
    "tidewaiter policy explain FILE [--bundle DIR] [--runtime crun|runc|youki|PATH] [--json] [--pfc | "
    "--diff]",
    "Shows for each rule of the policy FILE what enforces it and what that costs, for the bundle in DIR or\n"
    "a container without a seccomp profile, and what the policy leaves open.",
};

void print_help(const CommandHelp& help, const po::options_description& options) {
  std::cout << help.usage << "\n\n" << help.text << "\n\n" << options;
}

// The agent that containers here would get, for it resolves their names; a node's is the same program.
Result<std::string> agent_in_use() {
  const auto directories = TRY(container::Directories::locate());
  const auto settings = TRY(container::Settings::load(directories.config_file, directories.config_named));
  return container::agent_path(settings.agent);
}

// The runtime that containers here would run under.
Result<runtime::Kind> runtime_in_use() {
  const auto directories = TRY(container::Directories::locate());
  const auto settings = TRY(container::Settings::load(directories.config_file, directories.config_named));
  return runtime::identify(TRY(find_runtime(settings)));
}

// The one that the command line names, or the one in use; where that cannot be told, `otherwise`, of which a
// line on stderr says why.
Result<runtime::Kind> chosen_runtime(const po::variables_map& values, const char* verb,
                                     runtime::Kind otherwise) {
  if (values.contains("runtime")) return runtime_named(values["runtime"].as<std::string>());
  const auto kind = runtime_in_use();
  if (kind) return *kind;
  const bool unknown = otherwise == runtime::Kind::kUnknown;
  std::cerr << "tidewaiter: policy " << verb << ": the runtime in use cannot be told, so this is for "
            << (unknown ? "an unknown one" : runtime::traits(otherwise).name) << ": "
            << terminal_text(kind.error().message(), 4096) << "\n";
  return otherwise;
}

Result<bool> run_check(int argc, char** argv) {
  po::options_description described("Options");
  described.add_options()                                                                            //
      ("bundle,b", po::value<std::string>(), "the folder of a bundle (config.json)")                 //
      ("runtime", po::value<std::string>(), "crun, runc, youki or a path; default: the one in use")  //
      ("resolve", "say which host names do not resolve here")                                        //
      ("json", "print a JSON array")                                                                 //
      ("help,h", "print this");
  po::options_description all;
  all.add(described).add_options()("file", po::value<std::vector<std::string>>());
  po::positional_options_description arguments;
  arguments.add("file", -1);
  const po::variables_map values = TRY(read_own_options(argc, argv, all, arguments));
  if (values.contains("help")) {
    print_help(kCheckHelp, described);
    return true;
  }
  if (!values.contains("file")) return fail("names no file; see --help");
  PolicyCheckOptions options;
  options.files = values["file"].as<std::vector<std::string>>();
  options.json = values.contains("json");
  if (values.contains("bundle")) options.bundle = values["bundle"].as<std::string>();
  options.runtime = TRY(chosen_runtime(values, "check", options.runtime));
  if (values.contains("resolve")) options.resolver = TRY(agent_in_use());
  return check_policies(options, std::cout, std::cerr);
}

// --- explain ----------------------------------------------------------------------------------------

Status print_pseudo_code(const policy::Plan& plan, std::ostream& out) {
  const auto linux_part = plan.config.find("linux");
  if (linux_part == plan.config.end() || !linux_part->contains("seccomp")) {
    return fail("there is no filter: the policy needs none, and the bundle brings none");
  }
  out << TRY(seccomp::pseudo_code(TRY(seccomp::parse_profile((*linux_part)["seccomp"]))));
  return {};
}

Status run_explain(int argc, char** argv) {
  po::options_description described("Options");
  described.add_options()                                                                            //
      ("bundle,b", po::value<std::string>(), "the folder of a bundle (config.json)")                 //
      ("runtime", po::value<std::string>(), "crun, runc, youki or a path; default: the one in use")  //
      ("json", "print JSON")                                                                         //
      ("pfc", "print the seccomp filter as pseudo code instead")                                     //
      ("diff", "print what becomes of config.json instead; with --json, add before and after")       //
      ("help,h", "print this");
  po::options_description all;
  all.add(described).add_options()("file", po::value<std::string>());
  po::positional_options_description arguments;
  arguments.add("file", 1);
  const po::variables_map values = TRY(read_own_options(argc, argv, all, arguments));
  if (values.contains("help")) {
    print_help(kExplainHelp, described);
    return {};
  }
  if (!values.contains("file")) return fail("names no file; see --help");
  for (const char* other : {"json", "diff"}) {
    if (values.contains(other) && values.contains("pfc"))
      return fail("--" + std::string(other) + " and --pfc exclude each other");
  }
  PolicyExplainOptions options;
  options.file = values["file"].as<std::string>();
  if (values.contains("bundle")) options.bundle = values["bundle"].as<std::string>();
  options.runtime = TRY(chosen_runtime(values, "explain", options.runtime));
  options.json = values.contains("json");
  options.pseudo_code = values.contains("pfc");
  options.diff = values.contains("diff");
  return explain_policy(options, std::cout);
}

}  // namespace

Result<bool> check_policies(const PolicyCheckOptions& options, std::ostream& out, std::ostream& err) {
  Background background = TRY(in_context("bundle", background_of(options)));
  ordered_json list = ordered_json::array();
  bool good = true;
  for (const std::string& file : options.files) {
    const Findings findings = TRY(findings_in(file, background, options.resolver));
    good = good && findings.mistakes.empty();
    if (options.json) {
      list.push_back(to_json(file, findings));
      continue;
    }
    if (findings.mistakes.empty()) out << terminal_text(file) << ": ok\n";
    print(findings.mistakes, "", err);
    print(findings.warnings, "warning: ", err);
  }
  if (options.json) out << as_text(list);
  return good;
}

Status explain_policy(const PolicyExplainOptions& options, std::ostream& out) {
  const policy::Policy policy = TRY(policy::load(options.file));
  ordered_json config = bare_config();
  std::string bundle;
  if (options.bundle) {
    bundle = TRY(sys::realpath(*options.bundle));
    config = TRY(container::Bundle::open(bundle)).original();
  }
  if (!options.bundle) add_volumes(policy, config);
  const runtime::Traits& traits = runtime::traits(options.runtime);
  runtime::Surroundings around = runtime::look_around(container::is_initial_root());
  runtime::look_at_sources(runtime::own_files(), bundle, spec::bind_sources(config), around);
  if (policy::names_processors(policy))
    runtime::look_at_processors(runtime::own_files(), spec::cgroup_of(config), around);
  policy::Listener listener = no_listener(sys::landlock_version(), options.init);
  if (options.bundle && policy::covers(policy)) {
    listener.denied_files =
        TRY(in_context(options.file, find_denied_files(policy.files->deny, config, bundle)));
  }
  if (options.bundle && policy.files && policy.files->restricts())
    listener.snapshots = TRY(has_snapshots(config, bundle));
  if (options.bundle && policy::copies(policy)) {
    listener.dry_run = TRY(container::is_dry_run(config));
    listener.copied_folders =
        TRY(in_context(options.file, find_copied_folders(policy.files->copy_on_write, config, bundle,
                                                         TRY(own_changes_folder()))));
  }
  const policy::Plan plan =
      TRY(in_context(options.file, policy::compile(policy, config, traits, listener, around)));
  policy::PlanOrigin origin{policy.name, policy.mode, bundle, std::string(traits.name)};
  Status held = policy::check_machine(policy, config, traits, around);
  if (held) held = check_init_here(policy, listener, options.init);
  if (!held) origin.not_here = held.error().message();
  if (options.pseudo_code) return print_pseudo_code(plan, out);
  const std::string diff = options.diff
                               ? unified_diff(spec::readable(config), spec::readable(plan.config),
                                              "config.json", "config.json under the policy " + policy.name)
                               : "";
  if (options.json) {
    ordered_json json = policy::explain_json(plan, origin);
    if (options.diff) {
      json["before"] = config;
      json["after"] = plan.config;
      json["diff"] = diff;
    }
    out << as_text(json);
  } else if (options.diff) {
    out << terminal_lines(diff);
  } else {
    out << policy::explain_text(plan, origin);
  }
  return {};
}

Result<runtime::Kind> runtime_named(const std::string& word) {
  if (word.find('/') != std::string::npos) return runtime::identify(word);
  for (const runtime::Kind kind : {runtime::Kind::kCrun, runtime::Kind::kRunc, runtime::Kind::kYouki}) {
    if (runtime::traits(kind).name == word) return kind;
  }
  return fail("--runtime is \"" + word + "\": valid are crun, runc, youki and a path");
}

int policy(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "check") {
    const auto good = run_check(argc - 1, argv + 1);
    if (!good) return exit_code("policy check", tl::unexpected(good.error()));
    return *good ? EXIT_SUCCESS : EXIT_FAILURE;
  }
  if (verb == "explain") return exit_code("policy explain", run_explain(argc - 1, argv + 1));
  if (verb == "--help" || verb == "-h") {
    std::cout << kCheckHelp.usage << "\n" << kExplainHelp.usage << "\n";
    return EXIT_SUCCESS;
  }
  return exit_code("policy", fail(verb.empty() ? "takes a verb: check or explain"
                                               : "\"" + verb + "\" is no verb: valid are check and explain"));
}

}  // namespace tidewaiter::shim
