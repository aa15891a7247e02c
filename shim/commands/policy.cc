#include "shim/commands/policy.h"

#include <cstdlib>
#include <iostream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "oci/base/system.h"
#include "oci/container/bundle.h"
#include "oci/container/directories.h"
#include "oci/container/settings.h"
#include "oci/policy/compile.h"
#include "oci/policy/compile_deny.h"
#include "oci/policy/explain.h"
#include "oci/policy/load.h"
#include "oci/seccomp/bpf.h"
#include "oci/seccomp/profile.h"
#include "oci/spec/mounts.h"
#include "shim/commands/commands.h"
#include "shim/denied_paths.h"
#include "shim/own_options.h"
#include "shim/runtime.h"
#include "shim/terminal_text.h"

namespace tidewaiter::shim {
namespace {

namespace po = boost::program_options;
using nlohmann::ordered_json;
using policy::Mistake;

// Where a container's listener would be: nobody connects to it here.
policy::Listener no_listener(int landlock) {
  return {"/run/tidewaiter/ID/agent.sock", "",       "/run/tidewaiter/ID/hosts",
          "/usr/bin/tidewaiter-init",      landlock, "/run/tidewaiter/ID/denied"};
}

// What a policy may ask of some kernel is no mistake, though this one may not have it.
constexpr int kNewestLandlock = std::numeric_limits<int>::max();

// A container as `podman run` without a seccomp profile makes it.
ordered_json bare_config() {
  // With the namespaces that rules ask for and every container has, and a cgroup by name.
  return ordered_json::parse(
      R"({"process": {}, "linux": {"cgroupsPath": "/ID", "namespaces": [{"type": "mount"}, {"type": "pid"}]}})");
}

std::string as_text(const ordered_json& json) {
  return json.dump(2, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

// --- check ------------------------------------------------------------------------------------------

std::vector<Mistake> mistakes_in(const std::string& file) {
  const auto text = sys::read_file(file);
  if (!text) return {{file, Error{text.error().code, ""}.message()}};
  const auto parsed = policy::parse(*text, file, file);
  if (!parsed) return parsed.error();
  // What no runtime can do is a mistake of the policy; crun is the one with the fewest limits.
  const auto plan = policy::compile(*parsed, bare_config(), runtime::traits(runtime::Kind::kCrun),
                                    no_listener(kNewestLandlock), runtime::Surroundings::of_a_full_machine());
  if (!plan) return {{file, plan.error().message()}};
  return {};
}

ordered_json to_json(const std::string& file, const std::vector<Mistake>& mistakes) {
  ordered_json list = ordered_json::array();
  for (const Mistake& mistake : mistakes)
    list.push_back({{"where", mistake.where}, {"message", mistake.message}});
  return {{"file", file}, {"ok", mistakes.empty()}, {"mistakes", std::move(list)}};
}

// A command line as the verbs below read it, with help in front.
struct CommandHelp {
  const char* usage;
  const char* text;
};

constexpr CommandHelp kCheckHelp{
    "tidewaiter policy check FILE... [--json]",
    "Names every mistake in each policy FILE, with its place and what would be valid.",
};
constexpr CommandHelp kExplainHelp{
    "tidewaiter policy explain FILE [--bundle DIR] [--runtime crun|runc|youki|PATH] [--json | --pfc]",
    "Shows for each rule of the policy FILE what enforces it and what that costs, for the bundle in DIR or\n"
    "a container without a seccomp profile, and what the policy leaves open.",
};

void print_help(const CommandHelp& help, const po::options_description& options) {
  std::cout << help.usage << "\n\n" << help.text << "\n\n" << options;
}

Result<bool> run_check(int argc, char** argv) {
  po::options_description described("Options");
  described.add_options()("json", "print a JSON array")("help,h", "print this");
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
  return check_policies({values["file"].as<std::vector<std::string>>(), values.contains("json")}, std::cout,
                        std::cerr);
}

// --- explain ----------------------------------------------------------------------------------------

// The runtime that containers here would run under; when there is none, what every runtime can do.
runtime::Kind runtime_in_use() {
  const auto directories = container::Directories::locate();
  if (!directories) return runtime::Kind::kUnknown;
  const auto settings = container::Settings::load(directories->config_file, directories->config_named);
  if (!settings) return runtime::Kind::kUnknown;
  const auto path = find_runtime(*settings);
  return path ? runtime::identify(*path).value_or(runtime::Kind::kUnknown) : runtime::Kind::kUnknown;
}

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
  if (values.contains("json") && values.contains("pfc")) return fail("--json and --pfc exclude each other");
  PolicyExplainOptions options;
  options.file = values["file"].as<std::string>();
  if (values.contains("bundle")) options.bundle = values["bundle"].as<std::string>();
  options.runtime =
      values.contains("runtime") ? TRY(runtime_named(values["runtime"].as<std::string>())) : runtime_in_use();
  options.json = values.contains("json");
  options.pseudo_code = values.contains("pfc");
  return explain_policy(options, std::cout);
}

}  // namespace

bool check_policies(const PolicyCheckOptions& options, std::ostream& out, std::ostream& err) {
  ordered_json list = ordered_json::array();
  bool good = true;
  for (const std::string& file : options.files) {
    const std::vector<Mistake> mistakes = mistakes_in(file);
    good = good && mistakes.empty();
    if (options.json) {
      list.push_back(to_json(file, mistakes));
      continue;
    }
    if (mistakes.empty()) out << terminal_text(file) << ": ok\n";
    for (const Mistake& mistake : mistakes) {
      err << terminal_text(mistake.where, 4096) << ": " << terminal_text(mistake.message, 4096) << "\n";
    }
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
  const runtime::Traits& traits = runtime::traits(options.runtime);
  runtime::Surroundings around = runtime::look_around(container::is_initial_root());
  runtime::look_at_sources(runtime::own_files(), bundle, spec::bind_sources(config), around);
  policy::Listener listener = no_listener(sys::landlock_version());
  if (options.bundle && policy::covers(policy)) {
    listener.denied_files =
        TRY(in_context(options.file, find_denied_files(policy.files->deny, config, bundle)));
  }
  const policy::Plan plan =
      TRY(in_context(options.file, policy::compile(policy, config, traits, listener, around)));
  policy::PlanOrigin origin{policy.name, policy.mode, bundle, std::string(traits.name)};
  const Status held = policy::check_machine(policy, config, traits, around);
  if (!held) origin.not_here = held.error().message();
  if (options.pseudo_code) return print_pseudo_code(plan, out);
  out << (options.json ? as_text(policy::explain_json(plan, origin)) : policy::explain_text(plan, origin));
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
