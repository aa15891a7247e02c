#include "shim/options.h"

#include <span>

#include "oci/base/system.h"
#include "shim/command_tables.h"

namespace tidewaiter::shim {
namespace {

constexpr std::string_view kOurOption = "tidewaiter-config";

bool named(const Option& option, std::string_view name) { return name == option.name; }

const Option* find_exact(std::span<const Option> options, std::string_view name) {
  for (const Option& option : options) {
    if (named(option, name)) return &option;
  }
  return nullptr;
}

const Option* find_letter(std::span<const Option> options, char letter) {
  for (const Option& option : options) {
    if (option.letter != 0 && option.letter == letter) return &option;
  }
  return nullptr;
}

// As getopt_long: the name itself, or one that begins with it. Where several do, the runtime refuses, or, as
// crun for "--ro", takes the first of its own; all that counts is then whether a value follows.
const Option* find_abbreviated(std::span<const Option> options, std::string_view name) {
  if (const Option* exact = find_exact(options, name)) return exact;
  const Option* found = nullptr;
  for (const Option& option : options) {
    if (!std::string_view(option.name).starts_with(name)) continue;
    if (found != nullptr && found->value != option.value) return nullptr;
    if (found == nullptr) found = &option;
  }
  return found;
}

struct Found {
  const Option* option = nullptr;          // null: unknown, taken for a flag
  std::optional<std::string_view> value;   // what is attached
  [[nodiscard]] bool wants_next() const {  // its value is the next argument
    return option != nullptr && option->value == Value::kRequired && !value;
  }
};

struct NameAndValue {
  std::string_view name;
  std::optional<std::string_view> value;
};

NameAndValue split_at_equals(std::string_view text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string_view::npos) return {text, std::nullopt};
  return {text.substr(0, equals), text.substr(equals + 1)};
}

// "-abVALUE": only the last letter can have a value. Of flags alone it is the last one as well.
Found read_letters(std::span<const Option> options, std::string_view letters) {
  const Option* flag = nullptr;
  for (std::size_t i = 0; i < letters.size(); ++i) {
    const Option* option = find_letter(options, letters[i]);
    if (option == nullptr) return {};
    if (option->value == Value::kNone) {
      flag = option;
      continue;
    }
    const std::string_view rest = letters.substr(i + 1);
    return {option, rest.empty() ? std::nullopt : std::optional(rest)};
  }
  return {flag, std::nullopt};
}

// REQUIRES: `argument` begins with '-' and is neither "-" nor "--".
Found read_option(std::span<const Option> options, Spelling spelling, std::string_view argument) {
  const bool two_dashes = argument.starts_with("--");
  const std::string_view text = argument.substr(two_dashes ? 2 : 1);
  if (spelling == Spelling::kGetopt && !two_dashes) return read_letters(options, text);
  const auto [name, value] = split_at_equals(text);
  if (spelling == Spelling::kGetopt) return {find_abbreviated(options, name), value};
  if (const Option* option = find_exact(options, name)) return {option, value};
  return {name.size() == 1 ? find_letter(options, name.front()) : nullptr, value};
}

// Global options are read before it is known which runtime they are for. `-root R` is Go's alone: for getopt
// it would be letters that no runtime has.
Found read_global_option(std::string_view argument) {
  if (!argument.starts_with("--")) {
    const Found go = read_option(kGlobalOptions, Spelling::kGo, argument);
    if (go.option != nullptr) return go;
  }
  return read_option(kGlobalOptions, Spelling::kGetopt, argument);
}

bool is_option(std::string_view argument) { return argument.size() > 1 && argument.front() == '-'; }

std::span<const Option> options_of(std::string_view command) {
  if (command == "exec") return kExecOptions;
  if (command == "delete") return kDeleteOptions;
  if (command == "restore") return kRestoreOptions;
  if (command == "start") return kStartOptions;
  if (command == "update") return kUpdateOptions;
  return kCreateOptions;
}

}  // namespace

Result<CommandLine> read_command_line(int argc, char** argv) {
  CommandLine line;
  const std::span<char*> arguments(argv, static_cast<std::size_t>(argc));
  line.argv.reserve(arguments.size() + 1);
  line.argv.push_back(arguments[0]);

  std::size_t i = 1;
  for (; i < arguments.size() && is_option(arguments[i]); ++i) {
    if (std::string_view(arguments[i]) == "--") {
      line.argv.push_back(arguments[i++]);
      break;
    }
    const Found found = read_global_option(arguments[i]);
    const bool ours = found.option != nullptr && named(*found.option, kOurOption);
    std::string_view value = found.value.value_or("");
    if (!ours) line.argv.push_back(arguments[i]);
    if (found.wants_next()) {
      if (i + 1 < arguments.size()) {
        value = arguments[++i];
        if (!ours) line.argv.push_back(arguments[i]);
      }
    }
    // Not what a variable that is unset leaves: another policy would apply.
    if (ours && value.empty()) return fail("--tidewaiter-config needs the path of a configuration file");
    if (found.option == nullptr) continue;
    if (ours) line.config_file = value;
    if (named(*found.option, "root")) line.root = value;
    if (named(*found.option, "log")) line.log = value;
    if (named(*found.option, "log-format")) line.log_format = value;
    if (named(*found.option, "cgroup-manager")) line.cgroup_manager = value;
  }

  if (i < arguments.size()) {
    line.command_index = line.argv.size();
    line.command = arguments[i];
  }
  for (; i < arguments.size(); ++i) line.argv.push_back(arguments[i]);
  line.argv.push_back(nullptr);
  return line;
}

ContainerOptions read_container_options(const CommandLine& line, Spelling spelling) {
  const std::span<const Option> options = options_of(line.command);
  const bool rest_is_program = line.command == "exec";
  ContainerOptions result;
  bool only_arguments = false;  // behind "--"
  const auto count = static_cast<std::size_t>(line.argc());
  for (std::size_t i = line.command_index + 1; i < count; ++i) {
    const std::string_view argument = line.argv[i];
    if (only_arguments || !is_option(argument)) {
      result.id = argument;
      if (!rest_is_program) continue;
      result.id_index = i;
      break;
    }
    if (argument == "--") {
      only_arguments = true;
      continue;
    }
    result.given.emplace_back(argument.substr(0, argument.find('=')));
    const Found found = read_option(options, spelling, argument);
    std::string_view value = found.value.value_or(std::string_view());
    if (found.wants_next() && i + 1 < count) value = line.argv[++i];
    result.has_unknown = result.has_unknown || found.option == nullptr;
    if (found.option == nullptr) continue;
    if (named(*found.option, "bundle")) result.bundle = value;
    if (named(*found.option, "config")) result.config = value;
    if (named(*found.option, "cgroup")) result.cgroups.emplace_back(value);
    if (value.data() == nullptr) continue;
    const ValuePlace place{i, static_cast<std::size_t>(value.data() - line.argv[i])};
    if (named(*found.option, "process")) result.process = place;
    if (named(*found.option, "resources")) result.resources = place;
  }
  return result;
}

Result<BundlePlace> locate_bundle(const ContainerOptions& options) {
  constexpr std::string_view kDefaultConfig = "config.json";
  BundlePlace place;
  place.directory = TRY(in_context("bundle", sys::realpath(options.bundle.value_or("."))));
  const std::string config = options.config.value_or(std::string(kDefaultConfig));
  place.config_file = config == kDefaultConfig ? place.directory + "/" + config
                                               : TRY(in_context("--config", sys::realpath(config)));
  return place;
}

}  // namespace tidewaiter::shim
