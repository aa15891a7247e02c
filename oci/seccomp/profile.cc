#include "oci/seccomp/profile.h"

#include <seccomp.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace tidewaiter::seccomp {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kArguments = 6;

// The runtime-spec leaves the errno to the runtime; runc and crun both take EPERM, for SCMP_ACT_TRACE too.
constexpr std::uint16_t kDefaultErrno = EPERM;

struct ActionName {
  std::string_view name;
  ActionKind kind;
};

// The first name of a kind is the one that is written. SCMP_ACT_KILL is SCMP_ACT_KILL_THREAD in seccomp.h.
constexpr ActionName kActions[] = {
    {"SCMP_ACT_KILL_THREAD", ActionKind::kKillThread},
    {"SCMP_ACT_KILL", ActionKind::kKillThread},
    {"SCMP_ACT_KILL_PROCESS", ActionKind::kKillProcess},
    {"SCMP_ACT_TRAP", ActionKind::kTrap},
    {"SCMP_ACT_ERRNO", ActionKind::kErrno},
    {"SCMP_ACT_TRACE", ActionKind::kTrace},
    {"SCMP_ACT_ALLOW", ActionKind::kAllow},
    {"SCMP_ACT_LOG", ActionKind::kLog},
    {"SCMP_ACT_NOTIFY", ActionKind::kNotify},
};

struct ComparisonName {
  std::string_view name;
  policy::Comparison comparison;
};

constexpr ComparisonName kComparisons[] = {
    {"SCMP_CMP_EQ", policy::Comparison::kEqual},
    {"SCMP_CMP_NE", policy::Comparison::kNotEqual},
    {"SCMP_CMP_LT", policy::Comparison::kLess},
    {"SCMP_CMP_LE", policy::Comparison::kLessOrEqual},
    {"SCMP_CMP_GT", policy::Comparison::kGreater},
    {"SCMP_CMP_GE", policy::Comparison::kGreaterOrEqual},
    {"SCMP_CMP_MASKED_EQ", policy::Comparison::kMaskedEqual},
};

bool carries_data(ActionKind kind) { return kind == ActionKind::kErrno || kind == ActionKind::kTrace; }

tl::unexpected<Error> wrong(const std::string& pointer, const std::string& what) {
  return fail(pointer + ": " + what);
}

// The member `key`, or nullptr. null counts as absent: Go's encoder writes it for an empty list.
const Json* member(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

// A list, empty when absent.
Result<const Json*> list_member(const Json& object, const char* key, const std::string& pointer) {
  static const Json kEmpty = Json::array();
  const Json* value = member(object, key);
  if (value == nullptr) return &kEmpty;
  if (!value->is_array())
    return wrong(pointer, std::string("a list is expected, found ") + value->type_name());
  return value;
}

Result<std::string> string_value(const Json* value, const std::string& pointer) {
  if (value == nullptr) return wrong(pointer, "is missing");
  if (!value->is_string())
    return wrong(pointer, std::string("a string is expected, found ") + value->type_name());
  return value->get<std::string>();
}

// An unsigned integer up to `limit`; `absent` when there is none, as both runtimes read it.
Result<std::uint64_t> number_value(const Json* value, const std::string& pointer, std::uint64_t limit,
                                   std::uint64_t absent) {
  if (value == nullptr) return absent;
  // A literal that fits a signed integer is held as one when the document was not parsed but built.
  const bool unsigned_integer =
      value->is_number_unsigned() || (value->is_number_integer() && value->get<std::int64_t>() >= 0);
  if (!unsigned_integer || value->get<std::uint64_t>() > limit)
    return wrong(pointer,
                 "an integer from 0 to " + std::to_string(limit) + " is expected, found " + value->dump());
  return value->get<std::uint64_t>();
}

Result<ProfileAction> action_value(const Json& object, const char* name_key, const char* errno_key,
                                   const std::string& pointer) {
  const std::string name = TRY(string_value(member(object, name_key), pointer + "/" + name_key));
  const auto* row = std::find_if(std::begin(kActions), std::end(kActions),
                                 [&](const ActionName& candidate) { return candidate.name == name; });
  if (row == std::end(kActions))
    return wrong(pointer + "/" + name_key,
                 "\"" + name + "\" is not an action (SCMP_ACT_ALLOW, SCMP_ACT_ERRNO, …)");
  const std::uint64_t data = TRY(number_value(member(object, errno_key), pointer + "/" + errno_key,
                                              std::numeric_limits<std::uint16_t>::max(), kDefaultErrno));
  return ProfileAction{row->kind,
                       carries_data(row->kind) ? static_cast<std::uint16_t>(data) : std::uint16_t{0}};
}

Result<policy::ArgumentTest> argument_value(const Json& object, const std::string& pointer) {
  if (!object.is_object())
    return wrong(pointer, std::string("an object is expected, found ") + object.type_name());
  constexpr auto kAnyRegister = std::numeric_limits<std::uint64_t>::max();
  const std::uint64_t index =
      TRY(number_value(member(object, "index"), pointer + "/index", kArguments - 1, 0));
  const std::uint64_t value = TRY(number_value(member(object, "value"), pointer + "/value", kAnyRegister, 0));
  const std::uint64_t value_two =
      TRY(number_value(member(object, "valueTwo"), pointer + "/valueTwo", kAnyRegister, 0));
  const std::string op = TRY(string_value(member(object, "op"), pointer + "/op"));
  const auto* row = std::find_if(std::begin(kComparisons), std::end(kComparisons),
                                 [&](const ComparisonName& candidate) { return candidate.name == op; });
  if (row == std::end(kComparisons))
    return wrong(pointer + "/op", "\"" + op + "\" is not a comparison (SCMP_CMP_EQ, SCMP_CMP_MASKED_EQ, …)");

  policy::ArgumentTest test;
  test.index = static_cast<unsigned>(index);
  test.comparison = row->comparison;
  test.value = value;
  if (test.comparison == policy::Comparison::kMaskedEqual) {
    // `value` is the mask, `valueTwo` the datum. libseccomp masks the datum too, so bits of it that the mask
    // does not have ask for nothing.
    test.mask = value;
    test.value = value_two & value;
  }
  return test;
}

Result<ProfileRule> rule_value(const Json& object, const std::string& pointer) {
  if (!object.is_object())
    return wrong(pointer, std::string("an object is expected, found ") + object.type_name());
  ProfileRule rule;
  const Json* names = TRY(list_member(object, "names", pointer + "/names"));
  for (std::size_t i = 0; i < names->size(); ++i) {
    std::string name = TRY(string_value(&(*names)[i], pointer + "/names/" + std::to_string(i)));
    rule.names.push_back(std::move(name));
  }
  rule.action = TRY(action_value(object, "action", "errnoRet", pointer));
  const Json* args = TRY(list_member(object, "args", pointer + "/args"));
  // crun reads the first six only and runc all of them, so that a longer list has no one meaning.
  if (args->size() > kArguments)
    return wrong(pointer + "/args", "a call has six arguments, found more tests");
  for (std::size_t i = 0; i < args->size(); ++i) {
    rule.args.push_back(TRY(argument_value((*args)[i], pointer + "/args/" + std::to_string(i))));
  }
  return rule;
}

std::string_view action_name(ActionKind kind) {
  for (const ActionName& row : kActions)
    if (row.kind == kind) return row.name;
  return "SCMP_ACT_KILL_PROCESS";  // not reached: the table names every kind
}

std::string_view comparison_name(policy::Comparison comparison) {
  for (const ComparisonName& row : kComparisons)
    if (row.comparison == comparison) return row.name;
  return "SCMP_CMP_EQ";  // not reached: the table names every comparison
}

Json argument_json(const policy::ArgumentTest& test) {
  const bool masked = test.comparison == policy::Comparison::kMaskedEqual;
  Json object = Json::object();
  object["index"] = test.index;
  object["value"] = masked ? test.mask : test.value;
  if (masked) object["valueTwo"] = test.value;
  object["op"] = comparison_name(test.comparison);
  return object;
}

}  // namespace

std::optional<std::uint32_t> architecture_token(std::string_view name) {
  constexpr std::string_view kPrefix = "SCMP_ARCH_";
  if (name.substr(0, kPrefix.size()) == kPrefix) name.remove_prefix(kPrefix.size());
  std::string lower(name);
  std::transform(lower.begin(), lower.end(), lower.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const std::uint32_t token = ::seccomp_arch_resolve_name(lower.c_str());
  if (token == 0) return std::nullopt;
  return token;
}

std::vector<ProfileRule> as_separate_rules(const ProfileRule& rule) {
  std::array<bool, kArguments> seen{};
  bool repeated = false;
  for (const policy::ArgumentTest& test : rule.args) {
    repeated = repeated || seen[test.index];
    seen[test.index] = true;
  }
  if (!repeated) return {rule};
  std::vector<ProfileRule> rules;
  rules.reserve(rule.args.size());
  for (const policy::ArgumentTest& test : rule.args) rules.push_back({rule.names, rule.action, {test}});
  return rules;
}

Result<Profile> parse_profile(const nlohmann::ordered_json& seccomp) {
  if (!seccomp.is_object()) return fail(std::string("an object is expected, found ") + seccomp.type_name());
  Profile profile;
  profile.default_action = TRY(action_value(seccomp, "defaultAction", "defaultErrnoRet", ""));

  const Json* architectures = TRY(list_member(seccomp, "architectures", "/architectures"));
  for (std::size_t i = 0; i < architectures->size(); ++i) {
    const std::string pointer = "/architectures/" + std::to_string(i);
    std::string name = TRY(string_value(&(*architectures)[i], pointer));
    if (!architecture_token(name))
      return wrong(pointer,
                   "\"" + name + "\" is not an architecture that libseccomp knows (SCMP_ARCH_X86_64, …)");
    profile.architectures.push_back(std::move(name));
  }

  const Json* rules = TRY(list_member(seccomp, "syscalls", "/syscalls"));
  profile.rules.reserve(rules->size());
  for (std::size_t i = 0; i < rules->size(); ++i) {
    ProfileRule rule = TRY(rule_value((*rules)[i], "/syscalls/" + std::to_string(i)));
    profile.rules.push_back(std::move(rule));
  }
  return profile;
}

void write_profile(const Profile& profile, nlohmann::ordered_json& seccomp) {
  if (!seccomp.is_object()) seccomp = Json::object();
  seccomp["defaultAction"] = action_name(profile.default_action.kind);
  if (carries_data(profile.default_action.kind))
    seccomp["defaultErrnoRet"] = profile.default_action.data;
  else
    seccomp.erase("defaultErrnoRet");  // crun refuses it beside an action that takes none

  if (!profile.architectures.empty() || seccomp.contains("architectures"))
    seccomp["architectures"] = profile.architectures;

  Json rules = Json::array();
  for (const ProfileRule& rule : profile.rules) {
    Json object = Json::object();
    object["names"] = rule.names;
    object["action"] = action_name(rule.action.kind);
    if (carries_data(rule.action.kind)) object["errnoRet"] = rule.action.data;
    if (!rule.args.empty()) {
      Json args = Json::array();
      for (const policy::ArgumentTest& test : rule.args) args.push_back(argument_json(test));
      object["args"] = std::move(args);
    }
    rules.push_back(std::move(object));
  }
  seccomp["syscalls"] = std::move(rules);
}

}  // namespace tidewaiter::seccomp
