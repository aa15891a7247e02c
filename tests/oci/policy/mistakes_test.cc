#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/load.h"
#include "oci/policy/wording.h"

// What is wrong with a policy file, in the exact words that a person reads.

namespace tidewaiter::policy {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

struct Case {
  std::string_view text;
  std::vector<std::string> mistakes;
};

// "where: message" for each mistake; empty when the policy is taken.
std::vector<std::string> mistakes_of(std::string_view text) {
  std::vector<std::string> lines;
  const auto policy = parse(text, "p.json", "p");
  if (policy) return lines;
  for (const Mistake& mistake : policy.error()) lines.push_back(mistake.where + ": " + mistake.message);
  return lines;
}

void expect_mistakes(const std::vector<Case>& cases) {
  for (const Case& row : cases) EXPECT_EQ(mistakes_of(row.text), row.mistakes) << row.text;
}

// A policy whose only rule is `rule`, in network.LIST.
std::string with_rule(std::string_view list, std::string_view rule) {
  return R"({"version": 1, "network": {")" + std::string(list) + R"(": [")" + std::string(rule) + R"("]}})";
}

struct RuleCase {
  std::string_view rule;
  std::string message;
};

void expect_rule_mistakes(const std::string& list, const std::vector<RuleCase>& cases) {
  for (const RuleCase& row : cases) {
    const std::vector<std::string> expected = {"p.json: /network/" + list + "/0: " + row.message};
    EXPECT_EQ(mistakes_of(with_rule(list, row.rule)), expected) << row.rule;
  }
}

TEST(ParsePolicy, SaysWhatIsWrongWithExecRules) {
  const struct {
    std::string_view rule;
    std::string_view place;
    std::string message;
  } cases[] = {
      {R"("git")", "",
       R"(expected an absolute path, or a glob over one, as in "/usr/bin/git" or "/usr/lib/**", found "git")"},
      {R"("*")", "",
       R"(expected an absolute path, or a glob over one, as in "/usr/bin/git" or "/usr/lib/**", found "*")"},
      {R"("")", "",
       R"(expected an absolute path, or a glob over one, as in "/usr/bin/git" or "/usr/lib/**", found "")"},
      {R"("/usr/bin/")", "",
       R"("/usr/bin/" names a directory; for every program below it, write "/usr/bin/**")"},
      {R"("/usr/./sh")", "",
       R"("/usr/./sh" can never match: a program's path is compared without "//", "." and "..")"},
      {R"("/usr/..")", "",
       R"("/usr/.." can never match: a program's path is compared without "//", "." and "..")"},
      {R"("//sh")", "", R"("//sh" can never match: a program's path is compared without "//", "." and "..")"},
      {R"("/x/***")", "", R"(expected "*" (which stops at "/") or "**" (which does not), found "/x/***")"},
      {R"(true)", "",
       R"(expected a path, as in "/usr/bin/git", or an object with "path" and "argv", found true)"},
      {R"({"path": 1})", "/path", R"(expected a path, as in "/usr/bin/git", found 1)"},
      {R"({"argv": ["git"]})", "",
       R"(missing key "path"; expected the program's path, as in "/usr/bin/git")"},
      {R"({"path": "/bin/sh", "arg": []})", "/arg", R"(unknown key "arg"; did you mean "argv"?)"},
      {R"({"path": "/bin/sh", "argv": "sh"})", "/argv",
       R"(expected an array of arguments, as in ["git", "clone", "*"], found "sh")"},
      {R"({"path": "/bin/sh", "argv": ["sh", 1]})", "/argv/1",
       R"(expected an argument, or a glob over one, as in "*", found 1)"},
      {R"({"path": "/bin/sh", "argv": []})", "/argv",
       R"(expected at least the program's own name, as in ["git", "clone", "*"]: every program gets one (argv[0]))"},
      {R"({"path": "/bin/sh", "argv": ["sh", "**", "x"]})", "/argv",
       R"("**", for any number of arguments, can only be the last element; "*" stands for one argument)"},
  };
  for (const auto& row : cases) {
    const std::string text = R"({"version": 1, "exec": {"allow": [)" + std::string(row.rule) + "]}}";
    const std::vector<std::string> expected = {"p.json: /exec/allow/0" + std::string(row.place) + ": " +
                                               row.message};
    EXPECT_EQ(mistakes_of(text), expected) << row.rule;
  }
  expect_mistakes({
      {R"({"version": 1, "exec": []})", {R"(p.json: /exec: expected an object, found an array)"}},
      {R"({"version": 1, "exec": {"alow": []}})",
       {R"(p.json: /exec/alow: unknown key "alow"; did you mean "allow"?)"}},
      {R"({"version": 1, "exec": {"deny": {}}})",
       {R"(p.json: /exec/deny: expected an array of exec rules, as in ["/usr/bin/git"], found an object)"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithFiles) {
  const std::string name(256, 'a');
  const std::string path = "/" + std::string(5000, 'a');
  expect_mistakes({
      {R"({"version": 1, "files": []})", {R"(p.json: /files: expected an object, found an array)"}},
      {R"({"version": 1, "files": {"writes": []}})",
       {R"(p.json: /files/writes: unknown key "writes"; did you mean "write"?)"}},
      {R"({"version": 1, "files": {"deny": ["etc/shadow", "/"]}})",
       {R"(p.json: /files/deny/0: expected an absolute path, as in "/usr", found "etc/shadow")",
        R"(p.json: /files/deny/1: "/" is everything, the container's program too)"}},
      {R"({"version": 1, "files": {"read": ["/etc", "/srv/a/b"], "exec": ["/srv/a"], "deny": ["/srv/a", "/etc/shadow"]}})",
       {R"(p.json: /files/read/1: "/srv/a/b" is denied by /files/deny/0, "/srv/a", which beats it: take one of them out)",
        R"(p.json: /files/exec/0: "/srv/a" is denied by /files/deny/0, "/srv/a", which beats it: take one of them out)"}},
      {R"({"version": 1, "files": {"deny": ["/srv/a", "/srv", "/srv2"]}})",
       {R"(p.json: /files/deny/0: "/srv/a" is denied by /files/deny/1 already)"}},
      {R"({"version": 1, "files": {"read": "/usr"}})",
       {R"(p.json: /files/read: expected an array of paths, as in ["/usr", "/etc"], found "/usr")"}},
      {R"({"version": 1, "files": {"read": [1, "usr", ""]}})",
       {R"(p.json: /files/read/0: expected an absolute path, as in "/usr", found 1)",
        R"(p.json: /files/read/1: expected an absolute path, as in "/usr", found "usr")",
        R"(p.json: /files/read/2: expected an absolute path, as in "/usr", found "")"}},
      {R"({"version": 1, "files": {"write": ["/tmp/", "//tmp", "/a//b", "/./a", "/a/b/..", "/.."]}})",
       {R"(p.json: /files/write/0: expected "/tmp", as the path is without "//", ".", ".." and a slash at its end, found "/tmp/")",
        R"(p.json: /files/write/1: expected "/tmp", as the path is without "//", ".", ".." and a slash at its end, found "//tmp")",
        R"(p.json: /files/write/2: expected "/a/b", as the path is without "//", ".", ".." and a slash at its end, found "/a//b")",
        R"(p.json: /files/write/3: expected "/a", as the path is without "//", ".", ".." and a slash at its end, found "/./a")",
        R"(p.json: /files/write/4: expected "/a", as the path is without "//", ".", ".." and a slash at its end, found "/a/b/..")",
        R"(p.json: /files/write/5: expected "/", as the path is without "//", ".", ".." and a slash at its end, found "/..")"}},
      {R"({"version": 1, "files": {"exec": ["/usr/bin/*", "/usr/**/x", "/*"]}})",
       {R"(p.json: /files/exec/0: there are no globs here, for a path covers all that lies below it; write "/usr/bin", found "/usr/bin/*")",
        R"(p.json: /files/exec/1: there are no globs here, for a path covers all that lies below it; write "/usr", found "/usr/**/x")",
        R"(p.json: /files/exec/2: there are no globs here, for a path covers all that lies below it; write "/", found "/*")"}},
      {R"({"version": 1, "files": {"exec": ["/usr", "/bin", "/usr"]}})",
       {R"(p.json: /files/exec/2: "/usr" is in the list twice)"}},
      {R"({"version": 1, "files": {"exec": ["/)" + name + R"("]}})",
       {R"(p.json: /files/exec/0: a name in a path has at most 255 bytes, found )" + quote("/" + name)}},
      {R"({"version": 1, "files": {"exec": [")" + path + R"("]}})",
       {R"(p.json: /files/exec/0: a path has at most 4095 bytes, found 5001)"}},
      {R"({"version": 1, "files": {"best_effort": 1}})",
       {R"(p.json: /files/best_effort: expected true or false, found 1)"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithTheDocument) {
  expect_mistakes({
      {R"([])", {R"(p.json: expected an object, found an array)"}},
      {R"("allow")", {R"(p.json: expected an object, found "allow")"}},
      {R"(null)", {R"(p.json: expected an object, found null)"}},
      {R"({})", {R"(p.json: missing key "version"; write "version": 1)"}},
      {R"({"version": 2})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found 2)"}},
      {R"({"version": "1"})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found "1")"}},
      {R"({"version": 1.0})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found 1.0)"}},
      {R"({"version": null})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found null)"}},
      {R"({"version": 1, "netwrok": {}})",
       {R"(p.json: /netwrok: unknown key "netwrok"; did you mean "network"?)"}},
      {R"({"version": 1, "colour": 1})",
       {R"(p.json: /colour: unknown key "colour"; expected "version", "description", "network", "exec", "files", "limits", "syscalls", "unsafe_allow", "events" or "mode")"}},
      {R"({"version": 1, "a/b~c\n": 1})",
       {R"(p.json: /a~1b~0c\n: unknown key "a/b~c\n"; expected "version", "description", "network", "exec", "files", "limits", "syscalls", "unsafe_allow", "events" or "mode")"}},
      {R"({"version": 1, "identity": {}})",
       {R"(p.json: /identity: "identity" is not supported yet; without it, everything it would restrict is open)"}},
      {R"({"version": 1, "description": 1})", {R"(p.json: /description: expected a string, found 1)"}},
      {R"({"version": 1, "mode": "audlt"})",
       {R"(p.json: /mode: expected "enforce" or "audit", found "audlt"; did you mean "audit"?)"}},
      {R"({"version": 1, "mode": "permissive"})",
       {R"(p.json: /mode: expected "enforce" or "audit", found "permissive")"}},
      {R"({"version": 1, "mode": true})", {R"(p.json: /mode: expected "enforce" or "audit", found true)"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithLimits) {
  const std::string later = " is not supported yet; without it, everything it would restrict is open";
  const std::string size =
      "expected a number of bytes, as in 268435456, or text as in \"256M\" or \"1.5G\", found ";
  const std::string units = "; units are K, M, G and T, powers of 1024";
  const std::string least = "expected at least 6M (6291456 bytes), without which no container starts, found ";
  const std::string processes = "expected a whole number from 1 to 4194304, found ";
  const std::string cpus = "expected a number of processors from 0.01 to 8192, as in 1.5, found ";
  const std::string files = "expected a whole number from 64 to 2147483584, found ";
  const struct {
    std::string_view limits;
    std::string_view place;
    std::string message;
  } cases[] = {
      {"[]", "", "expected an object, found an array"},
      {"null", "", "expected an object, found null"},
      {R"("256M")", "", R"(expected an object, found "256M")"},
      {R"({"timeout": 60})", "/timeout", "\"timeout\"" + later},
      {R"({"disk": "1G"})", "/disk", "\"disk\"" + later},
      {R"({"memmory": "1G"})", "/memmory", R"(unknown key "memmory"; did you mean "memory"?)"},
      {R"({"cpu": 1})", "/cpu", R"(unknown key "cpu"; did you mean "cpus"?)"},
      {R"({"openfiles": 64})", "/openfiles", R"(unknown key "openfiles"; did you mean "open_files"?)"},
      {R"({"pids": 100})", "/pids",
       R"(unknown key "pids"; expected "memory", "processes", "cpus" or "open_files")"},
      {R"({"memory": 0})", "/memory", least + "0"},
      {R"({"memory": 256})", "/memory", least + R"(256; a number is in bytes: for 256 MiB write "256M")"},
      {R"({"memory": "5M"})", "/memory", least + R"("5M")"},
      {R"({"memory": "0"})", "/memory", least + R"("0")"},
      {R"({"memory": -1})", "/memory", size + "-1"},
      {R"({"memory": 268435456.5})", "/memory", size + "268435456.5"},
      {R"({"memory": null})", "/memory", size + "null"},
      {R"({"memory": ["256M"]})", "/memory", size + "an array"},
      {R"({"memory": "256X"})", "/memory", size + R"("256X")" + units},
      {R"({"memory": "256 MB"})", "/memory", size + R"("256 MB")" + units},
      {R"({"memory": "unlimited"})", "/memory", size + R"("unlimited")" + units},
      {R"({"memory": "1.0000001G"})", "/memory", R"("1.0000001G" is no whole number of bytes)"},
      {R"({"memory": "8388608T"})", "/memory", R"("8388608T" is more than can be counted (2^63 - 1 bytes))"},
      {R"({"memory": 9223372036854775808})", "/memory",
       "9223372036854775808 is more than can be counted (2^63 - 1 bytes)"},
      {R"({"processes": 0})", "/processes", processes + "0"},
      {R"({"processes": -1})", "/processes", processes + "-1"},
      {R"({"processes": 1.5})", "/processes", processes + "1.5"},
      {R"({"processes": "100"})", "/processes", processes + R"("100")"},
      {R"({"processes": 4194305})", "/processes", processes + "4194305"},
      {R"({"cpus": 0})", "/cpus", cpus + "0"},
      {R"({"cpus": -1.5})", "/cpus", cpus + "-1.5"},
      {R"({"cpus": 0.001})", "/cpus", cpus + "0.001"},
      {R"({"cpus": 150000})", "/cpus", cpus + "150000"},
      {R"({"cpus": "1.5"})", "/cpus", cpus + R"("1.5")"},
      {R"({"cpus": "0-3"})", "/cpus", cpus + R"("0-3")"},
      {R"({"open_files": 0})", "/open_files", files + "0"},
      {R"({"open_files": 63})", "/open_files", files + "63"},
      {R"({"open_files": "1024:2048"})", "/open_files", files + R"("1024:2048")"},
      {R"({"open_files": 18446744073709551615})", "/open_files", files + "18446744073709551615"},
  };
  for (const auto& row : cases) {
    const std::string text = R"({"version": 1, "limits": )" + std::string(row.limits) + "}";
    const std::vector<std::string> expected = {"p.json: /limits" + std::string(row.place) + ": " +
                                               row.message};
    EXPECT_EQ(mistakes_of(text), expected) << row.limits;
  }
}

TEST(ParsePolicy, SaysWhatIsWrongWithEvents) {
  expect_mistakes({
      {R"({"version": 1, "events": []})", {R"(p.json: /events: expected an object, found an array)"}},
      {R"({"version": 1, "events": {}})",
       {R"(p.json: /events: missing key "log"; write "log": [] to log nothing)"}},
      {R"({"version": 1, "events": {"lgo": []}})",
       {R"(p.json: /events/lgo: unknown key "lgo"; did you mean "log"?)",
        R"(p.json: /events: missing key "log"; write "log": [] to log nothing)"}},
      {R"({"version": 1, "events": {"log": "denied"}})",
       {R"(p.json: /events/log: expected an array of "denied", "exec" or "network", found "denied")"}},
      {R"({"version": 1, "events": {"log": ["denied", "denied"]}})",
       {R"(p.json: /events/log/1: "denied" is in the list twice)"}},
      {R"({"version": 1, "events": {"log": ["allowed"]}})",
       {R"(p.json: /events/log/0: expected "denied", "exec" or "network", found "allowed")"}},
      {R"({"version": 1, "events": {"log": [1]}})",
       {R"(p.json: /events/log/0: expected "denied", "exec" or "network", found 1)"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithUnsafeAllow) {
  // A policy with this list, and everything that has a baseline.
  const auto with = [](const std::string& list) {
    return R"({"version": 1, "network": {"allow": [], "bind": []}, "exec": {"allow": []}, "unsafe_allow": )" +
           list + "}";
  };
  const auto mistakes = [&](const std::string& list) { return mistakes_of(with(list)); };
  using Lines = std::vector<std::string>;
  EXPECT_EQ(mistakes(R"([])"), Lines{});
  EXPECT_EQ(mistakes(R"(["ptrace", "namespaces", "clone3"])"), Lines{});
  EXPECT_EQ(
      mistakes(R"("ptrace")"),
      Lines{
          R"(p.json: /unsafe_allow: expected an array of names of what the baseline refuses, as in ["ptrace"], found "ptrace")"});
  ASSERT_EQ(mistakes(R"(["ptrcae"])").size(), 1U);
  EXPECT_THAT(mistakes(R"(["ptrcae"])").front(),
              AllOf(StartsWith(R"(p.json: /unsafe_allow/0: expected "io_uring", )"),
                    EndsWith(R"(, found "ptrcae"; did you mean "ptrace"?)")));
  EXPECT_EQ(mistakes(R"(["bpf", "bpf"])"), Lines{R"(p.json: /unsafe_allow/1: "bpf" is in the list twice)"});
  EXPECT_EQ(
      mistakes(R"(["socketcall"])"),
      Lines{
          R"(p.json: /unsafe_allow/0: programs of other ABIs (x86, x32) cannot be given back, since the agent reads what calls of the native ABI point to, and a filter sees nothing of what socketcall does)"});
  EXPECT_EQ(mistakes(R"(["second_abis", "x32"])").size(), 2U);
  EXPECT_EQ(
      mistakes(R"(["clone3"])"),
      Lines{
          R"(p.json: /unsafe_allow/0: "clone3" makes namespaces, and no filter sees which; write "namespaces" beside it, or leave it out)"});
}

TEST(ParsePolicy, SaysWhenThereIsNothingToGiveBack) {
  const auto line = [](std::string_view name, std::string_view where) {
    return std::vector<std::string>{"p.json: /unsafe_allow/0: \"" + std::string(name) +
                                    "\" is not refused here, so there is nothing to give back; it is where " +
                                    std::string(where) + " restricts something"};
  };
  EXPECT_EQ(mistakes_of(R"({"version": 1, "unsafe_allow": ["ptrace"]})"),
            line("ptrace", R"("exec", "network" or "limits")"));
  EXPECT_EQ(mistakes_of(R"({"version": 1, "network": {}, "unsafe_allow": ["ptrace"]})"),
            line("ptrace", R"("exec", "network" or "limits")"));
  EXPECT_EQ(mistakes_of(R"({"version": 1, "network": {"allow": []}, "unsafe_allow": ["port_range"]})"),
            line("port_range", R"("network.bind")"));
  EXPECT_EQ(mistakes_of(R"({"version": 1, "network": {"bind": []}, "unsafe_allow": ["fast_open"]})"),
            line("fast_open", R"("network.allow" or "network.deny")"));
  EXPECT_EQ(mistakes_of(R"({"version": 1, "exec": {"allow": []}, "unsafe_allow": ["sctp"]})"),
            line("sctp", R"("network")"));
  EXPECT_EQ(mistakes_of(R"({"version": 1, "limits": {"open_files": 64}, "unsafe_allow": ["namespaces"]})"),
            line("namespaces", R"("exec", "network" or "limits")"));
  EXPECT_EQ(mistakes_of(R"({"version": 1, "limits": {"processes": 5}, "unsafe_allow": ["packet_rings"]})"),
            line("packet_rings", R"("limits.memory")"));
  // In mode audit nothing is refused yet; the list is for the day it is.
  EXPECT_EQ(
      mistakes_of(R"({"version": 1, "mode": "audit", "exec": {"deny": ["/x"]}, "unsafe_allow": ["bpf"]})"),
      std::vector<std::string>{});
  // What is restricted cannot be told while something else is wrong.
  EXPECT_EQ(mistakes_of(R"({"version": 1, "network": {"alow": []}, "unsafe_allow": ["ptrace"]})").size(), 1U);
}

TEST(ParsePolicy, SaysWhatIsWrongWithNetwork) {
  expect_mistakes({
      {R"({"version": 1, "network": []})", {R"(p.json: /network: expected an object, found an array)"}},
      {R"({"version": 1, "network": {"alow": []}})",
       {R"(p.json: /network/alow: unknown key "alow"; did you mean "allow"?)"}},
      {R"({"version": 1, "network": {"allow": "*"}})",
       {R"(p.json: /network/allow: expected an array of network rules, as in ["api.example.com:443"], found "*")"}},
      {R"({"version": 1, "network": {"allow": [5]}})",
       {R"(p.json: /network/allow/0: expected a network rule, as in "api.example.com:443", found 5)"}},
      {R"({"version": 1, "network": {"deny": {}}})",
       {R"(p.json: /network/deny: expected an array of network rules, as in ["api.example.com:443"], found an object)"}},
      {R"({"version": 1, "network": {"deny": ["*:0"]}})",
       {R"(p.json: /network/deny/0: port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)"}},
      {R"({"version": 1, "network": {"bind": 80}})",
       {R"(p.json: /network/bind: expected an array of ports, as in ["8080", "9000-9005"], found 80)"}},
      {R"({"version": 1, "network": {"bind": [80]}})",
       {R"(p.json: /network/bind/0: expected ports in a string, as in "8080" or "9000-9005", found 80)"}},
      {R"({"version": 1, "network": {"errno": "EACCESS"}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "EACCESS"; did you mean "EACCES"?)"}},
      {R"({"version": 1, "network": {"errno": 0}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 0)"}},
      {R"({"version": 1, "network": {"errno": 4096}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 4096)"}},
      {R"({"version": 1, "network": {"errno": -1}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found -1)"}},
      {R"({"version": 1, "network": {"errno": 13.0}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 13.0)"}},
      {R"({"version": 1, "network": {"errno": null}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found null)"}},
      {R"({"version": 1, "network": {"errno": "13"}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "13")"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithANetworkRule) {
  expect_rule_mistakes(
      "allow",
      {
          {R"()", R"(expected a host name, an IP address, a CIDR or "*", found "")"},
          {R"(tcp://)", R"(expected a host name, an IP address, a CIDR or "*", found "tcp://")"},
          {R"(unix:)",
           R"(expected an absolute path, a glob over one, or "@" and an abstract name after "unix:", as in "unix:/run/pg/*" or "unix:@name", found "unix:")"},
          {R"(unix:run/pg)",
           R"(expected an absolute path, a glob over one, or "@" and an abstract name after "unix:", as in "unix:/run/pg/*" or "unix:@name", found "unix:run/pg")"},
          {R"(unix:///run/pg)",
           R"(expected "unix:" and a path, found "unix:///run/pg"; write "unix:/run/pg")"},
          {R"(unix:@)",
           R"(expected an abstract name after "unix:@", or "unix:@*" for all of them, found "unix:@")"},
          {R"(unix:/run/pg/)",
           R"("/run/pg/" names a directory; for every socket below it, write "/run/pg/**")"},
          {R"(unix:/run/../pg)",
           R"("/run/../pg" can never match: a socket's path is compared without "//", "." and "..")"},
          {R"(icmp://10.0.0.1:7)", R"(ICMP has no ports; leave out ":7")"},
          {R"(icmp://a.example:*)", R"(ICMP has no ports; leave out ":*")"},
          {R"(icmp://[::1]:7)", R"(ICMP has no ports; leave out ":7")"},
          {R"(icmp://)", R"(expected a host name, an IP address, a CIDR or "*", found "icmp://")"},
          {R"(https://api.example.com)",
           R"(expected "tcp://", "udp://", "icmp://", "unix:" or no scheme for TCP and UDP, found "https://")"},
          {R"(TCP://a)",
           R"(expected "tcp://", "udp://", "icmp://", "unix:" or no scheme for TCP and UDP, found "TCP://")"},
          {R"(127.1)",
           R"("127.1" is a short or octal form of an IPv4 address, which programs read differently; write "127.0.0.1" if you mean that)"},
          {R"(0177.0.0.1)",
           R"("0177.0.0.1" is a short or octal form of an IPv4 address, which programs read differently; write "127.0.0.1" if you mean that)"},
          {R"(0x7f.1)",
           R"("0x7f.1" is a short or octal form of an IPv4 address, which programs read differently; write "127.0.0.1" if you mean that)"},
          {R"(2130706433)",
           R"("2130706433" is a short or octal form of an IPv4 address, which programs read differently; write "127.0.0.1" if you mean that)"},
          {R"(1.2.3.4.5)",
           R"("1.2.3.4.5" is not an IPv4 address; write four decimal numbers from 0 to 255, as in "192.0.2.1")"},
          {R"(1.2.3.256)",
           R"("1.2.3.256" is not an IPv4 address; write four decimal numbers from 0 to 255, as in "192.0.2.1")"},
          {R"(1.2.3.04)",
           R"("1.2.3.04" is a short or octal form of an IPv4 address, which programs read differently; write "1.2.3.4" if you mean that)"},
          {R"(127.0.0.1.)",
           R"("127.0.0.1." is not an IPv4 address; write four decimal numbers from 0 to 255, as in "192.0.2.1")"},
          {R"(10.0.0.0/33)", R"(expected a prefix length from 0 to 32, found "33")"},
          {R"(10.0.0.0/)", R"(expected a prefix length from 0 to 32, found "")"},
          {R"(10.0.0.0/08)", R"(expected a prefix length from 0 to 32, found "08")"},
          {R"(10.0.0.0/255.0.0.0)", R"(expected a prefix length from 0 to 32, found "255.0.0.0")"},
          {R"(10/8)",
           R"("10" is not an IPv4 address; write four decimal numbers from 0 to 255, as in "192.0.2.1")"},
          {R"(10.1.2.3/8)",
           R"("10.1.2.3/8" has bits set beyond its prefix length; write "10.0.0.0/8" for the network, or "10.1.2.3" for the one address)"},
          {R"(2001:db8::1/32)",
           R"("2001:db8::1/32" has bits set beyond its prefix length; write "2001:db8::/32" for the network, or "2001:db8::1" for the one address)"},
          {R"(::ffff:10.0.0.1/104)",
           R"("::ffff:10.0.0.1/104" has bits set beyond its prefix length; write "::ffff:10.0.0.0/104" for the network, or "::ffff:10.0.0.1" for the one address)"},
          {R"(0.0.0.0)", R"("0.0.0.0" as a destination means this host; write "127.0.0.1")"},
          {R"(0.0.0.0/32)", R"("0.0.0.0" as a destination means this host; write "127.0.0.1")"},
          {R"(::)", R"("::" as a destination means this host; write "::1")"},
          {R"([::]:80)", R"("::" as a destination means this host; write "::1")"},
          {R"(::ffff:0.0.0.0)", R"("0.0.0.0" as a destination means this host; write "127.0.0.1")"},
          {R"(fe80::1%eth0)", R"(a scope id cannot be part of a rule; leave out "%eth0")"},
          {R"([fe80::1%2]:80)", R"(a scope id cannot be part of a rule; leave out "%2")"},
          {R"([::1)", R"(the bracket in "[::1" is not closed)"},
          {R"([::1]80)", R"(expected ":" and ports, or nothing, after the bracket, found "80")"},
          {R"([10.0.0.1]:80)", R"(brackets are for IPv6 addresses, found "10.0.0.1")"},
          {R"([example.com]:80)", R"(brackets are for IPv6 addresses, found "example.com")"},
          {R"([fd00::]/8)", R"(the prefix length belongs inside the brackets; write "[fd00::/8]")"},
          {R"([fd00::]/8:443)", R"(the prefix length belongs inside the brackets; write "[fd00::/8]:443")"},
          {R"([::g])",
           R"(expected an IPv6 address, in brackets when ports follow, as in "[2001:db8::1]:443", found "[::g]")"},
          {R"(::1:443)",
           R"("::1:443" is an address that no host has; write "[::1]:443" for an address and a port)"},
          {R"(1::2::3)",
           R"(expected an IPv6 address, in brackets when ports follow, as in "[2001:db8::1]:443", found "1::2::3")"},
          {R"(a:b:c)",
           R"(expected an IPv6 address, in brackets when ports follow, as in "[2001:db8::1]:443", found "a:b:c")"},
          {R"(a..b)", R"(the host name "a..b" has an empty part; expected one as in "api.example.com")"},
          {R"(.)", R"(the host name "." has an empty part; expected one as in "api.example.com")"},
          {R"(-a)", R"(a part of a host name cannot begin or end with "-", found "-a")"},
          {R"(a-)", R"(a part of a host name cannot begin or end with "-", found "a-")"},
          {R"(a b)",
           R"(expected a host name, an IP address, a CIDR or "*", found "a b", which contains " ")"},
          {R"(user@host)",
           R"(expected a host name, an IP address, a CIDR or "*", found "user@host", which contains "@")"},
          {R"(*.example.com)",
           R"(expected a whole host name or "*", found "*.example.com"; a "*" within a name is not supported)"},
          {R"(example.com/path)", R"(expected an IP address before the "/" of a CIDR, found "example.com")"},
          {R"(bücher.example)",
           R"(expected a host name in ASCII, found "bücher.example"; write its punycode form (xn--…))"},
          {R"(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)",
           R"(a part of a host name has at most 63 characters, found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")"},
          {R"(a:)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "")"},
          {R"(a:http)", R"(expected a port from 0 to 65535 in decimal, found "http")"},
          {R"(a:0)", R"(port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)"},
          {R"(a:0-5)", R"(port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)"},
          {R"(a:65536)", R"(expected a port from 0 to 65535 in decimal, found "65536")"},
          {R"(a:080)", R"(expected a port from 0 to 65535 in decimal, found "080")"},
          {R"(a:9-1)", R"(the range "9-1" is empty; write "1-9")"},
          {R"(a:80,)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "80,")"},
          {R"(a:80,,81)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "80,,81")"},
          {R"(a:1-2-3)", R"(expected a port from 0 to 65535 in decimal, found "2-3")"},
          {R"(a:-1)", R"(expected a port from 0 to 65535 in decimal, found "")"},
          {R"( a)", R"(expected a host name, an IP address, a CIDR or "*", found " a", which contains " ")"},
          {R"(a:80 )", R"(expected a port from 0 to 65535 in decimal, found "80 ")"},
      });
}

TEST(ParsePolicy, SaysWhatIsWrongWithABindRule) {
  expect_rule_mistakes(
      "bind", {
                  {R"()", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "")"},
                  {R"(http)", R"(expected a port from 0 to 65535 in decimal, found "http")"},
                  {R"(127.0.0.1:80)", R"(expected a port from 0 to 65535 in decimal, found "127.0.0.1:80")"},
                  {R"(70000)", R"(expected a port from 0 to 65535 in decimal, found "70000")"},
                  {R"(9-1)", R"(the range "9-1" is empty; write "1-9")"},
                  {R"(80,)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "80,")"},
                  {R"(tcp://80)", R"(expected a port from 0 to 65535 in decimal, found "tcp://80")"},
              });
}

TEST(ParsePolicy, SaysWhatIsWrongWithASyscallRule) {
  expect_mistakes({
      {R"({"version": 1, "syscalls": {}})",
       {R"(p.json: /syscalls: expected an array of rules, as in [{"names": ["ptrace"], "action": "errno"}], found an object)"}},
      {R"({"version": 1, "syscalls": ["ptrace"]})",
       {R"(p.json: /syscalls/0: expected an object, found "ptrace")"}},
      {R"({"version": 1, "syscalls": [{}]})",
       {R"(p.json: /syscalls/0: missing key "names"; expected the syscalls that the rule is about, as in ["ptrace"])",
        R"(p.json: /syscalls/0: missing key "action"; expected "errno", "allow", "log" or "kill")"}},
      {R"({"version": 1, "syscalls": [{"names": ["ptrace"]}]})",
       {R"(p.json: /syscalls/0: missing key "action"; expected "errno", "allow", "log" or "kill")"}},
      {R"({"version": 1, "syscalls": [{"action": "errno"}]})",
       {R"(p.json: /syscalls/0: missing key "names"; expected the syscalls that the rule is about, as in ["ptrace"])"}},
      {R"({"version": 1, "syscalls": [{"names": [], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names: expected at least one syscall name, found an empty array: the rule would never match)"}},
      {R"({"version": 1, "syscalls": [{"names": "ptrace", "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names: expected an array of syscall names, found "ptrace")"}},
      {R"({"version": 1, "syscalls": [{"names": [1], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: expected the name of a syscall, found 1)"}},
      {R"({"version": 1, "syscalls": [{"names": ["ptrac"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: unknown syscall "ptrac"; did you mean "ptrace"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["PTRACE"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: unknown syscall "PTRACE"; did you mean "ptrace"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["ptrace\u0000"], "action": "errno"}]})",
       {R"(p.json: line 1, column 53: a string with \u0000, at which a runtime written in C would cut it off)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf", "bpf"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/1: "bpf" is in the list twice)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "deny"}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found "deny")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found "SCMP_ACT_ERRNO"; did you mean "errno"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "kill_process"}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found "kill_process"; did you mean "kill"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "emulate"}]})",
       {R"(p.json: /syscalls/0/action: "emulate" is not supported yet; expected "errno", "allow", "log" or "kill")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": 1}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found 1)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno", "errnoRet": 1}]})",
       {R"(p.json: /syscalls/0/errnoRet: unknown key "errnoRet"; did you mean "errno"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "kill", "errno": "EPERM"}]})",
       {R"(p.json: /syscalls/0/errno: "errno" goes with action "errno" only, found action "kill")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "allow", "errno": 1}]})",
       {R"(p.json: /syscalls/0/errno: "errno" goes with action "errno" only, found action "allow")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "log", "errno": 1}]})",
       {R"(p.json: /syscalls/0/errno: "errno" goes with action "errno" only, found action "log")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno", "errno": "perm"}]})",
       {R"(p.json: /syscalls/0/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "perm"; did you mean "EPERM"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["execve"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: "execve" cannot be refused: no program starts without it, the container's first one included)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf", "exit_group"], "action": "kill"}]})",
       {R"(p.json: /syscalls/0/names/1: "exit_group" cannot be refused: no program could end)"}},
      {R"({"version": 1, "syscalls": [{"names": ["exit"], "action": "errno", "args": []}]})",
       {R"(p.json: /syscalls/0/names/0: "exit" cannot be refused: no program could end)"}},
      {R"({"version": 1, "syscalls": [{"names": ["rt_sigreturn"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: "rt_sigreturn" cannot be refused: no program could return from a signal handler)"}},
      {R"({"version": 1, "syscalls": [{"names": ["close"], "action": "log"}]})",
       {R"(p.json: /syscalls/0/names/0: "close" cannot be observed: a signal could interrupt it, programs do not retry it, and a descriptor left open makes pipelines hang)"}},
      {R"({"version": 1, "syscalls": [{"names": ["vfork"], "action": "log"}]})",
       {R"(p.json: /syscalls/0/names/0: "vfork" cannot be observed: a signal could interrupt it, and programs do not expect that of it)"}},
      {R"({"version": 1, "syscalls": [{"names": ["exit_group"], "action": "log"}]})",
       {R"(p.json: /syscalls/0/names/0: "exit_group" cannot be observed: a signal could interrupt it, and it would come back to code that does not go on)"}},
      {R"({"version": 1, "syscalls": [{"names": ["restart_syscall"], "action": "log"}]})",
       {R"(p.json: /syscalls/0/names/0: "restart_syscall" cannot be observed: it is part of how the kernel delivers signals and must not be interrupted by one)"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithAnArgumentTest) {
  expect_mistakes(
      {
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": {}}]})",
           {R"(p.json: /syscalls/0/args: expected an array of tests, as in [{"index": 0, "op": "eq", "value": 1}], found an object)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [1]}]})",
           {R"(p.json: /syscalls/0/args/0: expected an object, found 1)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{}]}]})",
           {R"(p.json: /syscalls/0/args/0: missing key "index"; expected the place of the argument, 0 to 5)",
            R"(p.json: /syscalls/0/args/0: missing key "op"; expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq")",
            R"(p.json: /syscalls/0/args/0: missing key "value"; expected what the argument is compared with)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 6, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found 6)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": -1, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found -1)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": "0", "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found "0")"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "=", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/op: expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq", found "=")"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "SCMP_CMP_EQ", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/op: expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq", found "SCMP_CMP_EQ"; did you mean "eq"?)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": 1, "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/op: expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq", found 1)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1.5}]}]})",
           {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found 1.5)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": "AF_PAKET"}]}]})",
           {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found "AF_PAKET"; did you mean "AF_PACKET"?)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": "0x"}]}]})",
           {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found "0x")"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": "0x10000000000000000"}]}]})",
           {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found "0x10000000000000000")"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": [1]}]}]})",
           {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found an array)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1, "mask": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/mask: "mask" goes with op "masked_eq" only, found op "eq")"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1, "valueTwo": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/valueTwo: unknown key "valueTwo"; did you mean "value"?)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "masked_eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0: missing key "mask"; masked_eq compares (argument & mask) with value)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "masked_eq", "value": 2, "mask": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/value: the value has bits that the mask has not, so the test never holds)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "masked_eq", "value": 0, "mask": 0}]}]})",
           {R"(p.json: /syscalls/0/args/0/mask: a mask of 0 looks at no bit, so the test always holds; leave it out)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "lt", "value": 0}]}]})",
           {R"(p.json: /syscalls/0/args/0: no argument is less than 0, so the test never holds: arguments are compared as unsigned numbers)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "gt", "value": -1}]}]})",
           {R"(p.json: /syscalls/0/args/0: no argument is greater than this value, so the test never holds: arguments are compared as unsigned numbers)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1}, {"index": 0, "op": "eq", "value": 2}]}]})",
           {R"(p.json: /syscalls/0/args/1: this and another test of argument 0 cannot both hold, and all tests of a rule must; for "either", write two rules)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "lt", "value": 1}, {"index": 0, "op": "eq", "value": 2}]}]})",
           {R"(p.json: /syscalls/0/args/0: this and another test of argument 0 cannot both hold, and all tests of a rule must; for "either", write two rules)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket", "mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 0 has 32 bits in "socket" and 64 in "mmap"; write a rule for each)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 4294967296}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 0 of "socket" has 32 bits, so it never has the value 4294967296)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "masked_eq", "value": 0, "mask": "0xffffffff00000000"}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 0 of "socket" has 32 bits, and the mask looks at none of them)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "gt", "value": -1}]}]})", {R"(p.json: /syscalls/0/args/0: no argument is greater than this value, so the test never holds: arguments are compared as unsigned numbers)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "gt", "value": "0xffffffff"}]}]})",
           {R"(p.json: /syscalls/0/args/0: no number of 32 bits is greater than this value, so the test never holds)"}},
          {R"({"version": 1, "syscalls": [{"names": ["chmod"], "action": "errno", "args": [{"index": 1, "op": "eq", "value": 65536}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 1 of "chmod" has 16 bits, so it never has the value 65536)"}},
          {R"({"version": 1, "syscalls": [{"names": ["chmod"], "action": "errno", "args": [{"index": 1, "op": "masked_eq", "value": 0, "mask": "0x10000"}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 1 of "chmod" has 16 bits, and the mask looks at none of them)"}},
          {R"({"version": 1, "syscalls": [{"names": ["chmod"], "action": "errno", "args": [{"index": 1, "op": "gt", "value": 65535}]}]})",
           {R"(p.json: /syscalls/0/args/0: no number of 16 bits is greater than this value, so the test never holds)"}},
          {R"({"version": 1, "syscalls": [{"names": ["open", "access", "chmod"], "action": "errno", "args": [{"index": 1, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 1 has 32 bits in "open" and 16 in "chmod"; write a rule for each)"}},
          {R"({"version": 1, "syscalls": [{"names": ["fcntl", "mprotect"], "action": "errno", "args": [{"index": 2, "op": "masked_eq", "mask": 1, "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 2 has 32 or 64 bits in "fcntl" and 32 in "mprotect"; write a rule for each)"}},
          {R"({"version": 1, "syscalls": [{"names": ["prctl"], "action": "errno", "args": [{"index": 1, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 1 of "prctl" has 32 or 64 bits, as the other arguments say, so "op" has to be "masked_eq"; the mask "0xffffffff" compares 32)"}},
          {R"({"version": 1, "syscalls": [{"names": ["getpid"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 0}]}]})",
           {R"(p.json: /syscalls/0/args/0: "getpid" has no argument 0, so a program may put any number there; without the test, the rule is about every such call)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 3, "op": "eq", "value": 0}]}]})",
           {R"(p.json: /syscalls/0/args/0: "socket" has no argument 3, so a program may put any number there; without the test, the rule is about every such call)"}},
          {R"({"version": 1, "syscalls": [{"names": ["preadv"], "action": "errno", "args": [{"index": 4, "op": "eq", "value": 0}]}]})",
           {R"(p.json: /syscalls/0/args/0: "preadv" has no argument 4, so a program may put any number there; without the test, the rule is about every such call)"}},
          {R"({"version": 1, "syscalls": [{"names": ["create_module"], "action": "errno", "args": [{"index": 1, "op": "eq", "value": 0}]}]})",
           {R"(p.json: /syscalls/0/args/0: how many bits the arguments of "create_module" have is not known, so a program might get round the test; without "args", the rule is about every such call)"}},
      });
}

TEST(ParsePolicy, CollectsEveryMistakeInTheOrderOfTheFile) {
  expect_mistakes({
      {R"({"version": 1, "mode": 1, "network": {"allow": ["a:0", "ok", "b:0"], "errno": 0}, "exec": 1})",
       {R"(p.json: /mode: expected "enforce" or "audit", found 1)",
        R"(p.json: /network/allow/0: port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)",
        R"(p.json: /network/allow/2: port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)",
        R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 0)",
        R"(p.json: /exec: expected an object, found 1)"}},
  });
}

// What exactly is said is the JSON library's choice; the place is ours.
TEST(ParsePolicy, NamesLineAndColumnOfTextThatIsNotJson) {
  const struct {
    std::string_view text;
    const char* start;
  } cases[] = {
      {"", "p.json: line 1, column 1: "},
      {"{", "p.json: line 1, column 2: "},
      {"{\n\"version\": 1,}", "p.json: line 2, column 14: "},
      {R"({"version": 1, "version": 1})",
       "p.json: line 1, column 24: the key \"version\" appears a second time in one object"},
      {R"({"version": 99999999999999999999})",
       "p.json: line 1, column 33: the integer 99999999999999999999 does not fit 64 bits"},
      {R"({"version": 1}x)", "p.json: line 1, column 15: "},
  };
  for (const auto& row : cases) {
    const auto found = mistakes_of(row.text);
    ASSERT_EQ(found.size(), 1U) << row.text;
    EXPECT_THAT(found[0], StartsWith(row.start)) << row.text;
  }
}

// The version of libseccomp is part of the message.
TEST(ParsePolicy, SaysThatNoArchitectureHasASyscall) {
  for (const std::string name : {"launch_missiles_now", ""}) {
    const auto found =
        mistakes_of(R"({"version": 1, "syscalls": [{"names": [")" + name + R"("], "action": "errno"}]})");
    ASSERT_EQ(found.size(), 1U) << name;
    EXPECT_THAT(found[0],
                StartsWith("p.json: /syscalls/0/names/0: unknown syscall \"" + name + "\"; libseccomp 2."));
  }
}

TEST(ParsePolicy, KeepsAMistakeInOneLine) {
  const auto found = mistakes_of("{\"version\": 1, \"a\\nb\": 1, \"mode\": \"x\\r\\ny\"}");
  ASSERT_EQ(found.size(), 2U);
  for (const std::string& line : found) EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos) << line;
}

}  // namespace
}  // namespace tidewaiter::policy
