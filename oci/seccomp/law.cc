#include "oci/seccomp/law.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>

#include "oci/seccomp/architecture.h"
#include "oci/seccomp/decision_diagram.h"
#include "oci/seccomp/filter_context.h"
#include "oci/seccomp/symbolic.h"

namespace tidewaiter::seccomp {
namespace {

using Function = DecisionDiagrams::Function;

constexpr ProfileAction kAsProfile{ActionKind::kAllow, 0};
constexpr ProfileAction kNotify{ActionKind::kNotify, 0};

// Of a register: what an int argument has, and all that libseccomp looks at on 32-bit ABIs.
constexpr std::uint64_t kLowerHalf = 0xffffffff;

// Beyond these a syscall becomes residual: a filter has 4096 instructions (BPF_MAXINSNS), the profile's own
// rules for some 400 calls on three ABIs take up to half of them, and every call pays for those before its
// own.
constexpr std::size_t kMaxRules = 64;
constexpr std::size_t kMaxInstructions = 2000;

// The filter law itself.
ProfileAction answer_by_law(ProfileAction profile, ProfileAction policy) {
  if (!profile.allows()) return profile;
  return policy == kAsProfile ? profile : policy;
}

std::uint32_t law_on_values(std::uint32_t profile, std::uint32_t policy) {
  return return_value(answer_by_law(action_of(profile), action_of(policy)));
}

bool has_effect(const SyscallDemand& demand) {
  return demand.otherwise != kAsProfile ||
         std::any_of(demand.cases.begin(), demand.cases.end(),
                     [](const SyscallDemand::Case& one) { return one.action != kAsProfile; });
}

bool may_refuse(const SyscallDemand& demand) {
  return !demand.otherwise.allows() ||
         std::any_of(demand.cases.begin(), demand.cases.end(),
                     [](const SyscallDemand::Case& one) { return !one.action.allows(); });
}

// What a demand wants, as a function of the arguments.
Function wanted(const SyscallDemand& demand, DecisionDiagrams& diagrams) {
  Function wanted = diagrams.constant(return_value(demand.otherwise));
  for (auto one = demand.cases.rbegin(); one != demand.cases.rend(); ++one) {
    Function matches = diagrams.constant(DecisionDiagrams::kTrue);
    for (const policy::ArgumentTest& test : one->tests)
      matches = diagrams.select(diagrams.holds(test), matches, diagrams.constant(DecisionDiagrams::kFalse));
    wanted = diagrams.select(matches, diagrams.constant(return_value(one->action)), wanted);
  }
  return wanted;
}

// The rules of the profile that a runtime makes for one syscall, in order.
class OwnRules {
 public:
  OwnRules(const Profile& profile, const std::string& syscall) : default_action_(profile.default_action) {
    for (const ProfileRule& rule : profile.rules) {
      if (rule.action == profile.default_action) continue;  // runtimes skip it
      if (std::find(rule.names.begin(), rule.names.end(), syscall) == rule.names.end()) continue;
      for (ProfileRule& one : as_separate_rules({{syscall}, rule.action, rule.args}))
        rules_.push_back(std::move(one));
    }
  }

  [[nodiscard]] const std::vector<ProfileRule>& rules() const { return rules_; }

  // The answer when it does not depend on the arguments: libseccomp drops the conditional rules of a call
  // that has an unconditional one, and keeps the first of those. A rule whose tests look at no bit is one
  // too, and which bits count depends on the architecture: nothing is said about calls that have such.
  [[nodiscard]] std::optional<ProfileAction> constant() const {
    if (std::any_of(rules_.begin(), rules_.end(), may_test_nothing)) return std::nullopt;
    for (const ProfileRule& rule : rules_)
      if (rule.args.empty()) return rule.action;
    if (rules_.empty()) return default_action_;
    return std::nullopt;
  }

  // Whether some call may get an answer for which `matches` holds.
  template <typename Predicate>
  [[nodiscard]] bool may_answer(Predicate matches) const {
    if (const auto only = constant()) return matches(*only);
    return matches(default_action_) ||
           std::any_of(rules_.begin(), rules_.end(),
                       [&](const ProfileRule& rule) { return matches(rule.action); });
  }
  [[nodiscard]] bool may_allow() const {
    return may_answer([](const ProfileAction& action) { return action.allows(); });
  }

 private:
  static bool may_test_nothing(const ProfileRule& rule) {
    return !rule.args.empty() &&
           std::all_of(rule.args.begin(), rule.args.end(), [](const policy::ArgumentTest& test) {
             return test.comparison == policy::Comparison::kMaskedEqual && (test.mask & kLowerHalf) == 0;
           });
  }

  ProfileAction default_action_;
  std::vector<ProfileRule> rules_;
};

bool may_allow(const Profile& profile, const std::string& syscall) {
  return OwnRules(profile, syscall).may_allow();
}

bool is_known(const std::string& syscall) {
  return syscall_number(native_architecture(), syscall).has_value();
}

// One merge. `native_` and `second_` are the architectures of the compiled filter, wherever the profile
// lists them; architectures that leave go from `second_` to `merged_.dropped_architectures`.
class Merge {
 public:
  Merge(const Profile& profile, const Demands& demands) : profile_(profile), demands_(demands) {}

  Result<Merged> run() {
    TRY(check_profile());
    // First, for the reason that is told is the first: what no wording of the policy's conditions would
    // change.
    for (const auto& [syscall, demand] : demands_)
      if (demand.native_only) leave_where_not_held(syscall, demand);
    TRY(check_together(profile_));
    for (const auto& [syscall, demand] : demands_)
      TRY(in_context("syscall " + syscall, hold(syscall, demand)));
    return assemble();
  }

 private:
  Status check_profile() {
    const auto notifies = [](const ProfileAction& action) { return action.kind == ActionKind::kNotify; };
    if (notifies(profile_.default_action))
      return fail(
          "/defaultAction: the profile notifies (SCMP_ACT_NOTIFY): it brings a supervisor of its own, and "
          "a container can have only one");
    for (std::size_t i = 0; i < profile_.rules.size(); ++i)
      if (notifies(profile_.rules[i].action))
        return fail(
            "/syscalls/" + std::to_string(i) +
            "/action: the profile notifies (SCMP_ACT_NOTIFY): it brings a supervisor of its own, and a "
            "container can have only one");

    native_ = {TRY(architecture_name(native_architecture())), native_architecture()};
    for (const std::string& spelled : profile_.architectures) {
      const auto token = architecture_token(spelled);
      if (!token) return fail("/architectures: libseccomp does not know " + spelled);
      const auto same = [&](const Architecture& known) { return known.token == *token; };
      if (same(native_) || std::any_of(second_.begin(), second_.end(), same)) continue;
      second_.push_back({spelled, *token});
    }
    return {};
  }

  // Puts one demand into merged_ and rules_.
  Status hold(const std::string& syscall, const SyscallDemand& demand) {
    if (!has_effect(demand)) return {};
    if (!is_known(syscall)) {
      // The runtimes skip a name they cannot resolve: the default action answers.
      if (!profile_.default_action.allows() || !may_refuse(demand)) return {};
      return fail(
          "this libseccomp does not know the call, so no filter can refuse it, and the profile allows what "
          "it "
          "does not name");
    }
    TRY(check_native(syscall, demand));
    leave_where_not_held(syscall, demand);

    const OwnRules own(profile_, syscall);
    const std::vector<Architecture> having = those_having(syscall);
    if (having.empty() || !own.may_allow()) return {};
    if (const auto profile_says = own.constant(); profile_says && demand.unconditional()) {
      touched_.emplace(
          syscall, std::vector<ProfileRule>{{{syscall}, answer_by_law(*profile_says, demand.otherwise), {}}});
      return {};
    }
    if (TRY(prove(syscall, demand, own, having))) return {};
    return make_residual(syscall, demand, own);
  }

  Status check_native(const std::string& syscall, const SyscallDemand& demand) const {
    const std::string_view through = native_.multiplexer(syscall);
    if (through.empty() || !may_refuse(demand)) return {};
    if (!may_allow_through(syscall, std::string(through))) return {};
    return fail("on " + native_.name + " the call can be made through " + std::string(through) +
                " too, with arguments in memory that no filter sees");
  }

  // Whether the profile may allow the call, be it as one of what a multiplexer does. libseccomp turns a rule
  // on a call into one on its multiplexer as well.
  bool may_allow_through(const std::string& syscall, const std::string& multiplexer) const {
    if (may_allow(profile_, syscall) || may_allow(profile_, multiplexer)) return true;
    const auto reached = reached_through(syscall);
    return std::any_of(reached.begin(), reached.end(),
                       [&](const std::string& one) { return may_allow(profile_, one); });
  }

  void leave(const Architecture& architecture, std::string reason) {
    merged_.dropped_architectures.emplace(architecture.name, std::move(reason));
  }

  void forget_those_that_left() {
    std::erase_if(second_,
                  [&](const Architecture& one) { return merged_.dropped_architectures.contains(one.name); });
  }

  void leave_where_not_held(const std::string& syscall, const SyscallDemand& demand) {
    for (const Architecture& architecture : second_)
      if (auto reason = why_not_held(architecture, syscall, demand); !reason.empty())
        leave(architecture, std::move(reason));
    forget_those_that_left();
  }

  // Why a demand cannot be held on a second ABI, as far as that is known without compiling. Empty otherwise.
  std::string why_not_held(const Architecture& architecture, const std::string& syscall,
                           const SyscallDemand& demand) const {
    if (const std::string_view through = architecture.multiplexer(syscall); !through.empty()) {
      if (may_allow_through(syscall, std::string(through)))
        return syscall + " can be made through " + std::string(through) +
               " there, with arguments in memory that no filter sees";
      return {};
    }
    if (architecture.number(syscall) && may_allow(profile_, syscall)) {
      if (demand.native_only)
        return syscall + " is decided from memory that is read in the native ABI's layout only";
      if (!demand.unconditional() && !architecture.compares_64_bits())
        return "the policy's conditions on " + syscall + " mean something else in an ABI of 32 bits";
    }
    if (may_refuse(demand)) {
      for (const std::string& other : other_spellings(syscall)) {
        // What the native ABI has too, the policy could be expected to name.
        if (native_.number(other) || !architecture.number(other) || !may_allow(profile_, other)) continue;
        const auto also = demands_.find(other);
        if (also == demands_.end() || !may_refuse(also->second))
          return std::string(syscall)
              .append(" can be made as ")
              .append(other)
              .append(" there, which the policy does not refuse");
      }
    }
    return {};
  }

  // The architectures of the filter that have the call, native first.
  [[nodiscard]] std::vector<Architecture> those_having(const std::string& syscall) const {
    std::vector<Architecture> having;
    if (native_.number(syscall)) having.push_back(native_);
    std::copy_if(second_.begin(), second_.end(), std::back_inserter(having),
                 [&](const Architecture& one) { return one.number(syscall).has_value(); });
    return having;
  }

  // Finds rules that obey the law on the first of the architectures that have the call, and lets those leave
  // on which they do not. False when there are none.
  Result<bool> prove(const std::string& syscall, const SyscallDemand& demand, const OwnRules& own,
                     const std::vector<Architecture>& having) {
    diagrams_.clear();
    DecisionDiagrams& diagrams = diagrams_;
    const Function policy_says = wanted(demand, diagrams);
    const BpfProgram before = TRY(compile_alone(own.rules()));
    const auto law = law_on(having.front(), syscall, before, policy_says, diagrams);
    if (!law) return false;

    auto found = prove_rules(having.front(), syscall, *law, keep_shape(demand, own), diagrams);
    if (!found) found = find_rules(having.front(), syscall, *law, diagrams);
    if (!found) return false;

    for (auto architecture = having.begin() + 1; architecture != having.end(); ++architecture) {
      const auto law_there = law_on(*architecture, syscall, before, policy_says, diagrams);
      const auto merged_there = answers(*architecture, syscall, found->program, diagrams);
      if (!law_there || !merged_there || *law_there != *merged_there)
        leave(*architecture,
              "the profile's conditions on " + syscall + " mean something else in an ABI of 32 bits");
    }
    forget_those_that_left();
    instructions_ += found->program.size();
    touched_.emplace(syscall, std::move(found->rules));
    return true;
  }

  struct Alone {
    std::vector<ProfileRule> rules;
    BpfProgram program;
  };

  struct Proved {
    std::vector<ProfileRule> rules;
    BpfProgram program;
  };

  // The rules, if there are any, they answer what is wanted and there is room for them.
  std::optional<Proved> prove_rules(const Architecture& architecture, const std::string& syscall,
                                    Function wanted_answers, std::optional<std::vector<ProfileRule>> rules,
                                    DecisionDiagrams& diagrams) const {
    if (!rules) return std::nullopt;
    auto program = compile_alone(*rules);
    if (!program || instructions_ + program->size() > kMaxInstructions) return std::nullopt;
    if (answers(architecture, syscall, *program, diagrams) != wanted_answers) return std::nullopt;
    return Proved{std::move(*rules), std::move(*program)};
  }

  // Rules made from what is wanted: such as libseccomp gets right, else fewer.
  std::optional<Proved> find_rules(const Architecture& architecture, const std::string& syscall,
                                   Function wanted_answers, DecisionDiagrams& diagrams) const {
    for (const auto tests : {DecisionDiagrams::Tests::kEqualitiesFirst, DecisionDiagrams::Tests::kFewest}) {
      auto found = prove_rules(architecture, syscall, wanted_answers,
                               from_regions(syscall, wanted_answers, tests, diagrams), diagrams);
      if (found) return found;
    }
    return std::nullopt;
  }

  static std::optional<Function> answers(const Architecture& architecture, const std::string& syscall,
                                         const BpfProgram& program, DecisionDiagrams& diagrams) {
    const auto found =
        answers_of(program, architecture.audit_arch(), *architecture.number(syscall), diagrams);
    if (!found) return std::nullopt;
    return *found;
  }

  static std::optional<Function> law_on(const Architecture& architecture, const std::string& syscall,
                                        const BpfProgram& before, Function policy_says,
                                        DecisionDiagrams& diagrams) {
    const auto profile_says = answers(architecture, syscall, before, diagrams);
    if (!profile_says) return std::nullopt;
    const Function law = diagrams.combine(*profile_says, policy_says, law_on_values);
    if (diagrams.exhausted()) return std::nullopt;
    return law;
  }

  // The profile's rules with other actions: the shape that a reader of the bundle knows. Right whenever the
  // policy's answer is the same for all arguments and the default action stays.
  std::optional<std::vector<ProfileRule>> keep_shape(const SyscallDemand& demand, const OwnRules& own) const {
    if (!demand.unconditional()) return std::nullopt;
    std::vector<ProfileRule> rules = own.rules();
    for (ProfileRule& rule : rules) rule.action = answer_by_law(rule.action, demand.otherwise);
    return rules;
  }

  std::optional<std::vector<ProfileRule>> from_regions(const std::string& syscall, Function law,
                                                       DecisionDiagrams::Tests made_of,
                                                       const DecisionDiagrams& diagrams) const {
    const auto regions = diagrams.regions(law, return_value(profile_.default_action), made_of, kMaxRules);
    if (!regions) return std::nullopt;
    std::vector<ProfileRule> rules;
    for (const DecisionDiagrams::Region& region : *regions)
      rules.push_back({{syscall}, action_of(region.value), region.tests});
    // Runtimes skip a rule whose action is the default. The name stays in the profile all the same: runc
    // answers ENOSYS to calls numbered beyond every name that is in it.
    if (rules.empty()) rules.push_back({{syscall}, profile_.default_action, {}});
    return rules;
  }

  // Other syscalls' rules must not change the answer to this one's, so a filter of its own shows it;
  // check_together() sees to the first.
  Result<BpfProgram> compile_alone(const std::vector<ProfileRule>& rules) const {
    const auto known =
        std::find_if(alone_.begin(), alone_.end(), [&](const Alone& one) { return one.rules == rules; });
    if (known != alone_.end()) return known->program;
    Profile alone{profile_.default_action, {}, rules};
    for (const Architecture& architecture : second_) alone.architectures.push_back(architecture.name);
    BpfProgram program = TRY(compile(alone, scratch_));
    alone_.push_back({rules, program});
    return program;
  }

  // The agent decides from the registers, at least where the filter cannot.
  Status make_residual(const std::string& syscall, const SyscallDemand& demand, const OwnRules& own) {
    const auto unanswerable = [](const ProfileAction& action) {
      return action.kind == ActionKind::kTrap || action.kind == ActionKind::kTrace;
    };
    if (native_.number(syscall) && own.may_answer(unanswerable))
      return fail(
          "the conditions of profile and policy together are more than a filter can hold, and the profile "
          "answers with SCMP_ACT_TRAP or SCMP_ACT_TRACE, which an agent cannot do in its place");
    for (const Architecture& architecture : second_)
      if (architecture.number(syscall))
        leave(architecture, syscall + " is decided by the agent, from the native ABI's registers only");
    forget_those_that_left();
    if (!native_.number(syscall)) return {};

    auto rules = TRY(notify_beyond_usual(syscall, demand, own));
    if (!rules) rules = {{{syscall}, kNotify, {}}};
    touched_.emplace(syscall, std::move(*rules));
    merged_.residual.insert(syscall);
    return {};
  }

  // Rules that obey the law for arguments up to the largest that profile or policy name, and notify beyond.
  // Bits of a register that mean nothing (an int has 32) make conditions long, and calls that set them rare.
  Result<std::optional<std::vector<ProfileRule>>> notify_beyond_usual(const std::string& syscall,
                                                                      const SyscallDemand& demand,
                                                                      const OwnRules& own) {
    diagrams_.clear();
    DecisionDiagrams& diagrams = diagrams_;
    const BpfProgram before = TRY(compile_alone(own.rules()));
    const auto law = law_on(native_, syscall, before, wanted(demand, diagrams), diagrams);
    if (!law) return std::nullopt;
    const Function bounded =
        diagrams.select(usual(demand, own, diagrams), *law, diagrams.constant(return_value(kNotify)));
    auto found = find_rules(native_, syscall, bounded, diagrams);
    if (!found) return std::nullopt;
    instructions_ += found->program.size();
    return std::move(found->rules);
  }

  static Function usual(const SyscallDemand& demand, const OwnRules& own, DecisionDiagrams& diagrams) {
    std::map<unsigned, std::uint64_t> largest;
    const auto note = [&](const std::vector<policy::ArgumentTest>& tests) {
      for (const policy::ArgumentTest& test : tests)
        if (test.comparison != policy::Comparison::kMaskedEqual || (test.mask & kLowerHalf) == kLowerHalf)
          largest[test.index] = std::max(largest[test.index], test.value);
    };
    for (const SyscallDemand::Case& one : demand.cases) note(one.tests);
    for (const ProfileRule& rule : own.rules()) note(rule.args);
    Function usual = diagrams.constant(DecisionDiagrams::kTrue);
    for (const auto& [index, value] : largest)
      usual = diagrams.select(diagrams.exceeds({index}, value), diagrams.constant(DecisionDiagrams::kFalse),
                              usual);
    return usual;
  }

  // libseccomp keeps what the conditions of several calls have in common only once, and 2.5.4 sometimes goes
  // on from there with those of the wrong call. What is proved of each call alone is therefore proved of them
  // together: of the profile, whose answers the law is about, and of what was made of it. An architecture
  // where they differ leaves; natively, no filter can be had.
  //
  // Nothing is said about a multiplexer, to which the rules of others apply, and about conditions that are
  // too large to compare, which are the profile's own.
  Status check_together(const Profile& profile) {
    std::set<std::string, std::less<>> conditional;
    for (const ProfileRule& rule : profile.rules)
      if (!rule.args.empty() && rule.action != profile.default_action)
        conditional.insert(rule.names.begin(), rule.names.end());
    std::erase_if(conditional, [&](const std::string& name) {
      return OwnRules(profile, name).constant() || !reached_through(name).empty();
    });
    if (conditional.size() < 2) return {};

    std::optional<std::string> mixed_up;
    for (bool again = true; again;) {
      const BpfProgram together = TRY(compile_together(profile, conditional));
      diagrams_.clear();
      mixed_up.reset();
      for (const std::string& name : conditional) {
        const auto alone = compile_alone(OwnRules(profile, name).rules());
        if (!alone) continue;  // it takes some calls on x86 only beside others
        for (const Architecture& architecture : those_having(name)) {
          if (!differs(architecture, name, *alone, together)) continue;
          if (architecture.token == native_.token)
            mixed_up = name;
          else
            leave(architecture,
                  "libseccomp mixes up the conditions on " + name + " there with those on other calls");
        }
      }
      const auto before = second_.size();
      forget_those_that_left();
      again = second_.size() != before;
    }
    if (!mixed_up) return {};
    return fail(
        "/syscalls: libseccomp mixes up the conditions on " + *mixed_up +
        " with those on other calls: in one filter they answer otherwise than by themselves. Expected "
        "conditions that it compiles rightly: one test for each argument, or tests for equality");
  }

  // Whether the call's answers are others in `together` than in `alone`; not where these are too large.
  bool differs(const Architecture& architecture, const std::string& syscall, const BpfProgram& alone,
               const BpfProgram& together) {
    const auto look = [&] {
      const auto expected = answers(architecture, syscall, alone, diagrams_);
      return expected && answers(architecture, syscall, together, diagrams_) != expected;
    };
    if (look_alike(alone, together, architecture.audit_arch(), *architecture.number(syscall))) return false;
    const bool different = look();
    if (!diagrams_.exhausted()) return different;
    // By what came before, maybe. To forget that each time would take longer than all else here.
    diagrams_.clear();
    return look();
  }

  // What a runtime compiles for `syscalls`, on the architectures that stay. Unconditional rules, which are
  // most of a profile and of the time, have nothing to be mixed up.
  Result<BpfProgram> compile_together(const Profile& profile,
                                      const std::set<std::string, std::less<>>& syscalls) const {
    Profile part = part_for(profile, syscalls);
    for (const Architecture& one : second_) part.architectures.push_back(one.name);
    auto together = compile(part, scratch_);
    if (together) return together;
    part.rules = profile.rules;
    return compile(part, scratch_);
  }

  // Untouched rules as they were, then the rules of touched syscalls, those of the same answer together.
  [[nodiscard]] std::vector<ProfileRule> assemble_rules() const {
    std::vector<ProfileRule> rules;
    for (const ProfileRule& rule : profile_.rules) {
      ProfileRule rest = rule;
      std::erase_if(rest.names, [&](const std::string& name) { return touched_.contains(name); });
      if (!rest.names.empty()) rules.push_back(std::move(rest));
    }
    const auto untouched = static_cast<std::ptrdiff_t>(rules.size());
    for (const auto& [syscall, replacements] : touched_) {
      for (const ProfileRule& rule : replacements) {
        const auto same = std::find_if(rules.begin() + untouched, rules.end(), [&](const ProfileRule& known) {
          return rule.args.empty() && known.args.empty() && known.action == rule.action;
        });
        if (same == rules.end())
          rules.push_back(rule);
        else
          same->names.push_back(syscall);
      }
    }
    return rules;
  }

  Result<Merged> assemble() {
    merged_.profile.default_action = profile_.default_action;
    merged_.profile.rules = assemble_rules();
    avoid_unloaded_numbers();
    TRY(check_together(merged_.profile));
    for (const std::string& name : profile_.architectures) {
      const auto token = architecture_token(name);
      const bool stays = *token == native_.token ||
                         std::any_of(second_.begin(), second_.end(),
                                     [&](const Architecture& one) { return one.token == *token; });
      if (stays) merged_.profile.architectures.push_back(name);
    }
    return std::move(merged_);
  }

  // libseccomp 2.5.4 forgets to load the syscall number, so that an architecture's part of the filter
  // compares with something else and the default action answers everything, in one shape: there are rules on
  // calls that the architecture does not have, and every rule on a call that it has is conditional.
  [[nodiscard]] bool leaves_number_unloaded(const Architecture& architecture) const {
    bool absent = false;
    bool conditional = false;
    for (const ProfileRule& rule : merged_.profile.rules) {
      if (rule.action == profile_.default_action) continue;
      for (const std::string& name : rule.names) {
        if (!is_known(name)) continue;
        const bool here = architecture.number(name) || !architecture.multiplexer(name).empty();
        if (here && rule.args.empty()) return false;
        (here ? conditional : absent) = true;
      }
    }
    return absent && conditional;
  }

  void avoid_unloaded_numbers() {
    const bool natively = leaves_number_unloaded(native_);
    for (const Architecture& architecture : second_)
      if (natively || leaves_number_unloaded(architecture))
        leave(architecture,
              "libseccomp would compile the rules of this ABI, or of the native one beside it, wrongly");
    forget_those_that_left();
    if (!natively) return;
    // With the other ABIs gone, rules on calls that only they had mean nothing and can go too.
    for (ProfileRule& rule : merged_.profile.rules)
      std::erase_if(rule.names, [&](const std::string& name) {
        return !native_.number(name) && native_.multiplexer(name).empty();
      });
    std::erase_if(merged_.profile.rules, [](const ProfileRule& rule) { return rule.names.empty(); });
  }

  const Profile& profile_;
  const Demands& demands_;
  Architecture native_;
  std::vector<Architecture> second_;
  std::map<std::string, std::vector<ProfileRule>, std::less<>> touched_;
  std::size_t instructions_ = 0;
  mutable ScratchFile scratch_;
  mutable std::vector<Alone> alone_;  // what has been compiled, maybe for architectures that have left since
  DecisionDiagrams diagrams_;         // of one syscall at a time
  Merged merged_;
};

}  // namespace

Result<Merged> merge(const Profile& profile, const Demands& demands) { return Merge(profile, demands).run(); }

Result<ProfileAction> profile_answer(const BpfProgram& program, const struct seccomp_data& call) {
  return action_of(TRY(evaluate(program, call)));
}

Profile part_for(const Profile& profile, const std::set<std::string, std::less<>>& syscalls) {
  Profile part{profile.default_action, {}, {}};
  for (const ProfileRule& rule : profile.rules) {
    ProfileRule rest{{}, rule.action, rule.args};
    std::copy_if(rule.names.begin(), rule.names.end(), std::back_inserter(rest.names),
                 [&](const std::string& name) { return syscalls.contains(name); });
    if (!rest.names.empty()) part.rules.push_back(std::move(rest));
  }
  return part;
}

Profile unconfined_profile() {
  Profile profile;
  if (auto native = architecture_name(native_architecture()))
    profile.architectures.push_back(std::move(*native));
  for (std::string& name : second_abis()) profile.architectures.push_back(std::move(name));
  return profile;
}

}  // namespace tidewaiter::seccomp
