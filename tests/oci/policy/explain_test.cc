#include "oci/policy/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <sstream>

namespace tidewaiter::policy {
namespace {

using testing::HasSubstr;
using testing::Not;

Plan sample() {
  Plan plan;
  plan.notified = {"connect", "ptrace"};
  plan.residual = {"socket"};
  plan.dropped_architectures = {{"SCMP_ARCH_X86", "connect can be made through socketcall there"}};
  plan.rows = {
      {"/syscalls/0", "ptrace, bpf: fails with EPERM", Mechanism::kAgent, "one notification per refused call",
       "a refusal is logged by the agent"},
      {"/network/allow/11",
       "connect to a-rather-long-host-name.with-several-labels.example.com:443,8443,9000-9005: allowed",
       Mechanism::kAgent, "one notification per connect", "resolved when the container starts"},
      {"/syscalls/1", "mount: kills the process", Mechanism::kFilter, "none", ""},
      {"", "execve: told to the agent", Mechanism::kAgent, "one notification per execve",
       "the first is the runtime's", Origin::kStart},
      {"", "/etc/hosts, with a.example", Mechanism::kRuntime, "none", "brought up to date", Origin::kNames},
      {"", "io_uring: fails with ENOSYS", Mechanism::kFilter, "none", "its operations pass every filter",
       Origin::kBaseline, "io_uring"},
      {"", "raw sockets", Mechanism::kNobody, "none", "take CAP_NET_RAW away", Origin::kLeftOpen},
  };
  return plan;
}

const PlanOrigin kOrigin{"web", Mode::kEnforce, "/run/bundle", "crun"};

TEST(ExplainText, SaysEveryPartOfThePlan) {
  const std::string text = explain_text(sample(), kOrigin);
  for (const char* part :
       {"Policy web (enforce) for the bundle /run/bundle, under crun.", "It is asked about connect, ptrace.",
        "/syscalls/0", "ptrace, bpf: fails with EPERM", "one notification per",
        "(a refusal is logged by the agent)", "mount: kills the process",
        "Added, so that the runtime can start the container:\n  - execve: told to the agent: the first is",
        "Added, so that these names resolve without DNS:\n  - /etc/hosts, with a.example: brought up to date",
        ("Added, so that the rules hold; a [name] in the policy's unsafe_allow gives back:\n"
         "  - io_uring: fails with ENOSYS [io_uring]: its operations pass every filter"),
        "  - SCMP_ARCH_X86: connect can be made through socketcall there", "own profile for socket",
        "Left open:\n  - raw sockets: take CAP_NET_RAW away"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(ExplainText, SaysWhatThisMachineCannotHold) {
  PlanOrigin origin = kOrigin;
  EXPECT_THAT(explain_text(sample(), origin), Not(HasSubstr("On this machine")));
  EXPECT_TRUE(explain_json(sample(), origin)["not_here"].is_null());
  origin.not_here = "/limits/memory: no cgroup";
  EXPECT_THAT(
      explain_text(sample(), origin),
      HasSubstr("On this machine, to you, the container would be refused: /limits/memory: no cgroup."));
  EXPECT_EQ(explain_json(sample(), origin)["not_here"], "/limits/memory: no cgroup");
}

TEST(ExplainText, KeepsToItsWidth) {
  for (const std::size_t width : {60U, 80U, 100U, 140U}) {
    std::istringstream lines(explain_text(sample(), kOrigin, width));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), width) << line;
      EXPECT_FALSE(line.ends_with(' ')) << line;
    }
  }
}

TEST(ExplainText, PutsTheCellsOfARowBelowTheirTitles) {
  std::istringstream lines(explain_text(sample(), kOrigin));
  std::string titles;
  while (!titles.starts_with("rule")) ASSERT_TRUE(std::getline(lines, titles));
  std::string row;
  while (!row.starts_with("/syscalls/1")) ASSERT_TRUE(std::getline(lines, row));
  EXPECT_EQ(row.find("mount"), titles.find("what"));
  EXPECT_EQ(row.find("filter"), titles.find("by"));
  EXPECT_EQ(row.find("none"), titles.find("cost"));
}

TEST(ExplainText, SaysWhenNothingIsSupervised) {
  const std::string text = explain_text({}, {"calm", Mode::kAudit, "", "runc"});
  EXPECT_THAT(text, HasSubstr("Policy calm (audit) for a container without a seccomp profile, under runc."));
  EXPECT_THAT(text, HasSubstr("no agent is started"));
  EXPECT_THAT(text, Not(HasSubstr("Left open")));
}

TEST(ExplainJson, HasTheSameForPrograms) {
  const nlohmann::ordered_json json = explain_json(sample(), kOrigin);
  EXPECT_EQ(json["policy"], "web");
  EXPECT_EQ(json["mode"], "enforce");
  EXPECT_EQ(json["bundle"], "/run/bundle");
  EXPECT_EQ(json["runtime"], "crun");
  EXPECT_EQ(json["supervised"], true);
  EXPECT_EQ(json["rules"].size(), 3U);
  EXPECT_EQ(json["rules"][0].dump(),
            R"({"pointer":"/syscalls/0","what":"ptrace, bpf: fails with EPERM","mechanism":"agent",)"
            R"("cost":"one notification per refused call","note":"a refusal is logged by the agent"})");
  EXPECT_EQ(
      json["start"].dump(),
      R"([{"what":"execve: told to the agent","mechanism":"agent","cost":"one notification per execve",)"
      R"("note":"the first is the runtime's"}])");
  EXPECT_EQ(json["names"].dump(), R"([{"what":"/etc/hosts, with a.example","mechanism":"OCI","cost":"none",)"
                                  R"("note":"brought up to date"}])");
  EXPECT_EQ(json["baseline"].dump(),
            R"([{"name":"io_uring","what":"io_uring: fails with ENOSYS","mechanism":"filter","cost":"none",)"
            R"("note":"its operations pass every filter"}])");
  EXPECT_EQ(json["left_open"].dump(), R"([{"what":"raw sockets","note":"take CAP_NET_RAW away"}])");
  EXPECT_EQ(json["notified"].dump(), R"(["connect","ptrace"])");
  EXPECT_EQ(json["residual"].dump(), R"(["socket"])");
  EXPECT_EQ(json["dropped_architectures"]["SCMP_ARCH_X86"], "connect can be made through socketcall there");
  EXPECT_TRUE(explain_json({}, {"calm", Mode::kAudit, "", "runc"})["bundle"].is_null());
}

}  // namespace
}  // namespace tidewaiter::policy
