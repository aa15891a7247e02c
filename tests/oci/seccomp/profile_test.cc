#include "oci/seccomp/profile.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/seccomp/bpf.h"

namespace tidewaiter::seccomp {
namespace {

using Json = nlohmann::ordered_json;
using policy::ArgumentTest;
using policy::Comparison;

Json fixture(const std::string& name) {
  std::ifstream file(std::string(TIDEWAITER_FIXTURES) + "/" + name);
  return Json::parse(file);
}

Json with_rule(const std::string& rule) {
  return Json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [)" + rule + "]}");
}

TEST(ParseProfile, ReadsWhatPodmanWrites) {
  const auto profile = parse_profile(fixture("podman_seccomp.json"));
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(profile->default_action, (ProfileAction{ActionKind::kErrno, 38}));
  EXPECT_THAT(profile->architectures,
              testing::ElementsAre("SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"));
  ASSERT_EQ(profile->rules.size(), 14U);
  EXPECT_EQ(profile->rules[0].action, (ProfileAction{ActionKind::kErrno, 1}));
  EXPECT_TRUE(profile->rules[0].args.empty());
  EXPECT_THAT(profile->rules[1].names, testing::Contains("socketcall"));
  EXPECT_THAT(profile->rules[7].args,
              testing::ElementsAre(ArgumentTest{0, Comparison::kMaskedEqual, 0, 2114060288}));
  EXPECT_THAT(profile->rules[10].args, testing::ElementsAre(ArgumentTest{0, Comparison::kEqual, 16},
                                                            ArgumentTest{2, Comparison::kEqual, 9}));
}

TEST(ParseProfile, FillsInWhatTheRuntimesFillIn) {
  const auto profile = parse_profile(fixture("runc_seccomp.json"));
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(profile->rules[0].action, (ProfileAction{ActionKind::kErrno, EPERM}));
  EXPECT_EQ(profile->rules[1].action, (ProfileAction{ActionKind::kKillThread, 0}));
  EXPECT_EQ(profile->rules[2].args.size(), 2U);

  const auto bare =
      parse_profile(Json::parse(R"({"defaultAction": "SCMP_ACT_TRACE", "architectures": null})"));
  ASSERT_TRUE(bare) << bare.error().message();
  EXPECT_EQ(bare->default_action, (ProfileAction{ActionKind::kTrace, EPERM}));
  EXPECT_TRUE(bare->architectures.empty());
  EXPECT_TRUE(bare->rules.empty());

  // An errno beside an action that has none says nothing.
  const auto killed =
      parse_profile(with_rule(R"({"names": ["a"], "action": "SCMP_ACT_KILL", "errnoRet": 5})"));
  ASSERT_TRUE(killed) << killed.error().message();
  EXPECT_EQ(killed->rules[0].action, (ProfileAction{ActionKind::kKillThread, 0}));
}

TEST(ParseProfile, MasksTheDatumAsLibseccompDoes) {
  const auto profile = parse_profile(with_rule(
      R"({"names": ["clone"], "action": "SCMP_ACT_LOG",
          "args": [{"index": 5, "value": 15, "valueTwo": 18446744073709551605, "op": "SCMP_CMP_MASKED_EQ"}]})"));
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_THAT(profile->rules[0].args, testing::ElementsAre(ArgumentTest{5, Comparison::kMaskedEqual, 5, 15}));
}

TEST(ParseProfile, TakesCrunsShortArchitectureNames) {
  const auto profile = parse_profile(
      Json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["x86", "SCMP_ARCH_AARCH64"]})"));
  ASSERT_TRUE(profile) << profile.error().message();
  EXPECT_EQ(architecture_token("x86"), architecture_token("SCMP_ARCH_X86"));
  EXPECT_FALSE(architecture_token("SCMP_ARCH_NATIVE"));
}

TEST(ParseProfile, SaysWhereAndWhatIsWrong) {
  struct Case {
    std::string text;
    std::string pointer;
    std::string what;
  };
  const auto rule = [](const std::string& members) {
    return R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"], )" + members + "}]}";
  };
  const auto arg = [&](const std::string& members) {
    return rule(R"("action": "SCMP_ACT_LOG", "args": [{)" + members + "}]");
  };
  const std::vector<Case> kCases{
      {"[]", "", "an object is expected, found array"},
      {"{}", "/defaultAction", "is missing"},
      {R"({"defaultAction": 1})", "/defaultAction", "a string is expected, found number"},
      {R"({"defaultAction": "SCMP_ACT_MAYBE"})", "/defaultAction", "\"SCMP_ACT_MAYBE\" is not an action"},
      {R"({"defaultAction": "ALLOW"})", "/defaultAction", "\"ALLOW\" is not an action"},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": -1})", "/defaultErrnoRet", "found -1"},
      {R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 65536})", "/defaultErrnoRet", "0 to 65535"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": "x86"})", "/architectures",
       "a list is expected"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_PDP11"]})", "/architectures/0",
       "SCMP_ARCH_PDP11"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}})", "/syscalls",
       "a list is expected, found object"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [3]})", "/syscalls/0", "an object is expected"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [1], "action": "SCMP_ACT_LOG"}]})",
       "/syscalls/0/names/0", "a string is expected"},
      {R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["a"]}]})", "/syscalls/0/action",
       "is missing"},
      {rule(R"("action": "SCMP_ACT_ERRNO", "errnoRet": 1.5)"), "/syscalls/0/errnoRet", "found 1.5"},
      {arg(R"("index": 6, "value": 1, "op": "SCMP_CMP_EQ")"), "/syscalls/0/args/0/index", "0 to 5"},
      {arg(R"("index": 0, "value": -1, "op": "SCMP_CMP_EQ")"), "/syscalls/0/args/0/value", "found -1"},
      {arg(R"("index": 0, "value": 1)"), "/syscalls/0/args/0/op", "is missing"},
      {arg(R"("index": 0, "value": 1, "op": "EQ")"), "/syscalls/0/args/0/op", "\"EQ\" is not a comparison"},
      {rule(R"("action": "SCMP_ACT_LOG", "args": [{}, {}, {}, {}, {}, {}, {}])"), "/syscalls/0/args",
       "six arguments"},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.text);
    const auto refused = parse_profile(Json::parse(one.text));
    ASSERT_FALSE(refused);
    if (!one.pointer.empty()) {
      EXPECT_THAT(refused.error().message(), testing::StartsWith(one.pointer + ": "));
    }
    EXPECT_THAT(refused.error().message(), testing::HasSubstr(one.what));
  }
}

TEST(WriteProfile, KeepsWhatItDoesNotKnowInItsPlace) {
  Json seccomp = fixture("runc_seccomp.json");
  const Json before = seccomp;
  const auto profile = parse_profile(seccomp);
  ASSERT_TRUE(profile);
  write_profile(*profile, seccomp);
  std::vector<std::string> keys;
  for (const auto& item : seccomp.items()) keys.push_back(item.key());
  EXPECT_THAT(keys, testing::ElementsAre("defaultAction", "architectures", "flags", "x-unknown", "syscalls"));
  EXPECT_EQ(seccomp["flags"], before["flags"]);
  EXPECT_EQ(seccomp["x-unknown"], before["x-unknown"]);
}

TEST(WriteProfile, WritesWhatReadsTheSame) {
  for (const char* name : {"podman_seccomp.json", "runc_seccomp.json"}) {
    SCOPED_TRACE(name);
    const auto first = parse_profile(fixture(name));
    ASSERT_TRUE(first);
    Json written;
    write_profile(*first, written);
    const auto second = parse_profile(Json::parse(written.dump()));
    ASSERT_TRUE(second) << second.error().message();
    Json again;
    write_profile(*second, again);
    EXPECT_EQ(written, again);
    const auto one = compile(*first);
    const auto other = compile(*second);
    ASSERT_TRUE(one && other);
    ASSERT_EQ(one->size(), other->size());
    for (std::size_t i = 0; i < one->size(); ++i) EXPECT_EQ((*one)[i].k, (*other)[i].k);
  }
}

TEST(WriteProfile, PutsMaskAndDatumWhereTheRuntimesLookForThem) {
  Json seccomp;
  write_profile({{ActionKind::kAllow, 0},
                 {},
                 {{{"clone"},
                   {ActionKind::kErrno, 13},
                   {{1, Comparison::kMaskedEqual, 4, 6}, {2, Comparison::kNotEqual, 9}}}}},
                seccomp);
  EXPECT_EQ(seccomp, Json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
      {"names": ["clone"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13, "args": [
        {"index": 1, "value": 6, "valueTwo": 4, "op": "SCMP_CMP_MASKED_EQ"},
        {"index": 2, "value": 9, "op": "SCMP_CMP_NE"}]}]})"));
}

TEST(WriteProfile, TakesBackAnErrnoThatNoLongerBelongs) {
  Json seccomp = Json::parse(
      R"({"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "architectures": ["SCMP_ARCH_X86"]})");
  write_profile({{ActionKind::kAllow, 0}, {}, {}}, seccomp);
  EXPECT_EQ(seccomp,
            Json::parse(R"({"defaultAction": "SCMP_ACT_ALLOW", "architectures": [], "syscalls": []})"));
}

}  // namespace
}  // namespace tidewaiter::seccomp
