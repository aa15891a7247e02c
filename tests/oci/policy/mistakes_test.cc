#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <seccomp.h>

#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/load.h"
#include "oci/policy/meant.h"
#include "oci/policy/wording.h"

// What is wrong with a policy file, in the exact words that a person reads.

namespace tidewaiter::policy {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::StartsWith;

struct Case {
  std::string text;
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
  for (const Case& row : cases) {
    const std::vector<std::string> found = mistakes_of(row.text);
    EXPECT_EQ(found, row.mistakes) << row.text;
    for (const std::string& line : found) EXPECT_EQ(line.find_first_of("\r\n"), std::string::npos) << line;
  }
}

// The native syscall of that number.
std::string number_one() {
  char* const name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, 1);
  std::string text = name == nullptr ? "" : name;
  ::free(name);
  return text;
}

// A policy whose only rule is `rule`, in network.LIST.
std::string with_rule(std::string_view list, std::string_view rule) {
  return R"({"version": 1, "network": {")" + std::string(list) + R"(": [")" + std::string(rule) + R"("]}})";
}

struct RuleCase {
  std::string_view rule;
  std::string message;
};

// What a message says to write is right: as the rule, as its ports, or as the path of a socket.
void expect_advice_is_good(const std::string& list, const std::string& message) {
  constexpr std::string_view kWrite = "write \"";
  for (std::size_t at = message.find(kWrite); at != std::string::npos; at = message.find(kWrite, at)) {
    at += kWrite.size();
    const std::string advice = message.substr(at, message.find('"', at) - at);
    bool good = false;
    for (const std::string& rule : {advice, "a:" + advice, "unix:" + advice})
      good = good || mistakes_of(with_rule(list, rule)).empty();
    EXPECT_TRUE(good) << message;
  }
}

void expect_rule_mistakes(const std::string& list, const std::vector<RuleCase>& cases) {
  for (const RuleCase& row : cases) {
    const std::vector<std::string> expected = {"p.json: /network/" + list + "/0: " + row.message};
    EXPECT_EQ(mistakes_of(with_rule(list, row.rule)), expected) << row.rule;
    expect_advice_is_good(list, row.message);
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
       R"(expected an array of arguments, as in ["git", "clone", "*"], found "sh"; write ["sh"])"},
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
      {R"({"version": 1, "exec": []})",
       {R"(p.json: /exec: expected an object, as in {"allow": ["/usr/bin/git"]}, found an array)"}},
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
      {R"({"version": 1, "files": []})",
       {R"(p.json: /files: expected an object, as in {"read": ["/usr"], "write": ["/tmp"]}, found an array)"}},
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
      {R"({"version": 1, "files": {"copy_on_write": "/work"}})",
       {R"(p.json: /files/copy_on_write: expected an array of folders, as in ["/work"], found "/work")"}},
      {R"({"version": 1, "files": {"copy_on_write": [1, "work", "/", "/work/", "/a", "/a"]}})",
       {R"(p.json: /files/copy_on_write/0: expected an object, as in {"path": "/work", "on_success": "commit"}, found 1)",
        R"(p.json: /files/copy_on_write/1: expected an absolute path, as in "/usr", found "work")",
        R"(p.json: /files/copy_on_write/2: "/" is the container's root, which no bind mount is; name a folder that is one)",
        R"(p.json: /files/copy_on_write/3: expected "/work", as the path is without "//", ".", ".." and a slash at its end, found "/work/")",
        R"(p.json: /files/copy_on_write/5: "/a" is in the list twice)"}},
      {R"({"version": 1, "files": {"copy_on_write": [{"path": "/a", "on_success": "apply", "on_error": "keep"}, {"path": "/b", "on_failure": "discrad"}, {}, {"path": 1}]}})",
       {R"(p.json: /files/copy_on_write/0/on_success: expected "keep", "commit" or "discard", found "apply"; write "commit")",
        R"(p.json: /files/copy_on_write/0/on_error: unknown key "on_error"; write "on_failure")",
        R"(p.json: /files/copy_on_write/1/on_failure: expected "keep", "commit" or "discard", found "discrad"; did you mean "discard"?)",
        R"(p.json: /files/copy_on_write/2: missing key "path"; expected the folder in the container, as in "/work")",
        R"(p.json: /files/copy_on_write/3/path: expected an absolute path, as in "/work", found 1)"}},
      {R"({"version": 1, "files": {"copy_on_write": ["/work/deep", "/work", "/workshop", "/srv/x"], "deny": ["/srv"]}})",
       {R"(p.json: /files/copy_on_write/0: "/work/deep" lies in "/work", which is copied by /files/copy_on_write/1 already: leave one of them out)",
        R"(p.json: /files/copy_on_write/3: "/srv/x" is denied by /files/deny/0, "/srv": nobody can write there; take one of them out)"}},
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
      {R"([])", {R"(p.json: expected an object, as in {"version": 1}, found an array)"}},
      {R"("allow")", {R"(p.json: expected an object, as in {"version": 1}, found "allow")"}},
      {R"(null)", {R"(p.json: expected an object, as in {"version": 1}, found null)"}},
      {R"({})", {R"(p.json: missing key "version"; write "version": 1)"}},
      {R"({"version": 2})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found 2)"}},
      {R"({"version": "1"})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found "1"; write 1 without quotes)"}},
      {R"({"version": 1.0})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found 1.0)"}},
      {R"({"version": null})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found null)"}},
      {R"({"version": 1, "netwrok": {}})",
       {R"(p.json: /netwrok: unknown key "netwrok"; did you mean "network"?)"}},
      {R"({"version": 1, "colour": 1})",
       {R"(p.json: /colour: unknown key "colour"; expected "version", "description", "network", "exec", "files", "limits", "identity", "syscalls", "unsafe_allow", "events" or "mode")"}},
      {R"({"version": 1, "a/b~c\n": 1})",
       {R"(p.json: /a~1b~0c\n: unknown key "a/b~c\n"; expected "version", "description", "network", "exec", "files", "limits", "identity", "syscalls", "unsafe_allow", "events" or "mode")"}},
      {R"({"version": 1, "description": 1})", {R"(p.json: /description: expected a string, found 1)"}},
      {R"({"version": 1, "mode": "audlt"})",
       {R"(p.json: /mode: expected "enforce" or "audit", found "audlt"; did you mean "audit"?)"}},
      {R"({"version": 1, "mode": "permissive"})",
       {R"(p.json: /mode: expected "enforce" or "audit", found "permissive"; write "audit")"}},
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
  const std::string seconds =
      R"(expected a whole number of seconds from 1 to 31536000, or text as in "90s", "10m" or "1h30m", found )";
  const std::string span = R"(expected a time from 1s to 365d, as in "90s", "10m" or "1h30m", found )";
  const std::string none = "; for no limit leave the key out";
  const struct {
    std::string_view limits;
    std::string_view place;
    std::string message;
  } cases[] = {
      {"[]", "", R"(expected an object, as in {"memory": "256M"}, found an array)"},
      {"null", "", R"(expected an object, as in {"memory": "256M"}, found null)"},
      {R"("256M")", "", R"(expected an object, as in {"memory": "256M"}, found "256M")"},
      {R"({"disk": "1G"})", "/disk", "\"disk\"" + later},
      {R"({"memmory": "1G"})", "/memmory", R"(unknown key "memmory"; did you mean "memory"?)"},
      {R"({"cpu": 1})", "/cpu", R"(unknown key "cpu"; did you mean "cpus"?)"},
      {R"({"openfiles": 64})", "/openfiles", R"(unknown key "openfiles"; did you mean "open_files"?)"},
      {R"({"pids": 100})", "/pids", R"(unknown key "pids"; write "processes")"},
      {R"({"memory": 0})", "/memory", least + "0" + none},
      {R"({"memory": 256})", "/memory", least + R"(256; a number is in bytes: for 256 MiB write "256M")"},
      {R"({"memory": 6})", "/memory", least + R"(6; a number is in bytes: for 6 MiB write "6M")"},
      {R"({"memory": 5})", "/memory", least + "5"},
      {R"({"memory": "5M"})", "/memory", least + R"("5M")"},
      {R"({"memory": "0"})", "/memory", least + R"("0")" + none},
      {R"({"memory": -1})", "/memory", size + "-1" + none},
      {R"({"memory": 268435456.5})", "/memory", size + "268435456.5"},
      {R"({"memory": null})", "/memory", size + "null" + none},
      {R"({"memory": ["256M"]})", "/memory", size + "an array"},
      {R"({"memory": "256X"})", "/memory", size + R"("256X")" + units},
      {R"({"memory": "256 MB"})", "/memory", size + R"("256 MB")" + units},
      {R"({"memory": "unlimited"})", "/memory", size + R"("unlimited")" + units + none},
      {R"({"memory": "1.0000001G"})", "/memory", R"("1.0000001G" is no whole number of bytes)"},
      {R"({"memory": "8388608T"})", "/memory", R"("8388608T" is more than can be counted (2^63 - 1 bytes))"},
      {R"({"memory": 9223372036854775808})", "/memory",
       "9223372036854775808 is more than can be counted (2^63 - 1 bytes)"},
      {R"({"processes": 0})", "/processes", processes + "0" + none},
      {R"({"processes": -1})", "/processes", processes + "-1" + none},
      {R"({"processes": 1.5})", "/processes", processes + "1.5"},
      {R"({"processes": "100"})", "/processes", processes + R"("100"; write 100 without quotes)"},
      {R"({"processes": 4194305})", "/processes", processes + "4194305"},
      {R"({"cpus": 0})", "/cpus", cpus + "0" + none},
      {R"({"cpus": -1.5})", "/cpus", cpus + "-1.5"},
      {R"({"cpus": 0.001})", "/cpus", cpus + "0.001"},
      {R"({"cpus": 150000})", "/cpus", cpus + "150000"},
      {R"({"cpus": "1.5"})", "/cpus", cpus + R"("1.5"; write 1.5 without quotes)"},
      {R"({"cpus": "0-3"})", "/cpus", cpus + R"("0-3")"},
      {R"({"open_files": 0})", "/open_files", files + "0" + none},
      {R"({"open_files": 63})", "/open_files", files + "63"},
      {R"({"open_files": "1024:2048"})", "/open_files", files + R"("1024:2048")"},
      {R"({"timeout": 0})", "/timeout", seconds + "0" + none},
      {R"({"timeout": -1})", "/timeout", seconds + "-1" + none},
      {R"({"timeout": 1.5})", "/timeout", seconds + "1.5"},
      {R"({"timeout": 31536001})", "/timeout", seconds + "31536001"},
      {R"({"timeout": null})", "/timeout", seconds + "null" + none},
      {R"({"timeout": {"hours": 1}})", "/timeout", seconds + "an object"},
      {R"({"timeout": "90"})", "/timeout", span + R"("90"; write 90 without quotes)"},
      {R"({"timeout": "0s"})", "/timeout", span + R"("0s")"},
      {R"({"timeout": "90 s"})", "/timeout", span + R"("90 s")"},
      {R"({"timeout": "never"})", "/timeout", span + R"("never")" + none},
      {R"({"timeout": "1.5h"})", "/timeout", span + R"("1.5h")"},
      {R"({"duration": "1h"})", "/duration", R"(unknown key "duration"; write "timeout")"},
      {R"({"time_out": 60})", "/time_out", R"(unknown key "time_out"; did you mean "timeout"?)"},
      {R"({"open_files": 18446744073709551615})", "/open_files", files + "18446744073709551615" + none},
  };
  for (const auto& row : cases) {
    const std::string text = R"({"version": 1, "limits": )" + std::string(row.limits) + "}";
    const std::vector<std::string> expected = {"p.json: /limits" + std::string(row.place) + ": " +
                                               row.message};
    EXPECT_EQ(mistakes_of(text), expected) << row.limits;
  }
}

TEST(ParsePolicy, SaysWhatIsWrongWithTheIdentity) {
  const std::string hostname = R"(expected a host name, as in "build" or "build.example.com", found )";
  const std::string name = R"(expected a host name, as in "db.example.com", found )";
  const std::string address = R"(expected an IP address, as in "10.0.0.5" or "2001:db8::5", found )";
  const std::string cpus =
      R"(expected a whole number of processors from 1 to 8192, or which of them, as in "0-3,8", found )";
  const std::string list =
      R"(expected numbers of processors and ranges, each from 0 to 8191, as in "0-3,8", found )";
  const std::string variable = R"(expected the name of a variable, as in "LANG", found )";
  const std::string image = ": what a name stands for the image would say, in its /etc/passwd and /etc/group";
  const std::string label(64, 'x');
  const struct {
    std::string identity;
    std::string_view place;
    std::string message;
  } cases[] = {
      {"[]", "", R"(expected an object, as in {"hostname": "build"}, found an array)"},
      {"null", "", R"(expected an object, as in {"hostname": "build"}, found null)"},
      {R"({"host": "a"})", "/host", R"(unknown key "host"; write "hostname")"},
      {R"({"hostnam": "a"})", "/hostnam", R"(unknown key "hostnam"; did you mean "hostname"?)"},
      {R"({"colour": "a"})", "/colour",
       R"(unknown key "colour"; expected "hostname", "hosts", "cpus", "env" or "user")"},
      {R"({"extra_hosts": []})", "/extra_hosts",
       R"(unknown key "extra_hosts"; write "hosts", as in {"db.example.com": "10.0.0.5"})"},
      {R"({"cpuset": "0-3"})", "/cpuset", R"(unknown key "cpuset"; write "cpus", as in "0-3,8")"},
      {R"({"runAsUser": 1000})", "/runAsUser",
       R"(unknown key "runAsUser"; write "user", as in {"uid": 1000, "gid": 1000})"},
      {R"({"groups": [10]})", "/groups", R"(unknown key "groups"; write "additional_gids" in "user")"},

      {R"({"hostname": 5})", "/hostname", R"(expected a host name, as in "build", found 5)"},
      {R"({"hostname": ""})", "/hostname", hostname + R"("")"},
      {R"({"hostname": "my build"})", "/hostname", hostname + R"("my build")"},
      {R"({"hostname": "-build"})", "/hostname",
       R"(a part of a host name cannot begin or end with "-", found "-build")"},
      {R"({"hostname": "build..example.com"})", "/hostname",
       R"(the host name "build..example.com" has an empty part; expected one as in "api.example.com")"},
      {R"({"hostname": ")" + label + R"("})", "/hostname",
       R"(a part of a host name has at most 63 characters, found ")" + label + '"'},
      {R"({"hostname": "10.0.0.5"})", "/hostname", hostname + R"("10.0.0.5")"},
      {R"({"hostname": "build.example.com."})", "/hostname",
       hostname + R"("build.example.com."; leave out the dot at the end)"},
      {R"({"hostname": "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"})", "/hostname",
       "a machine's host name has at most 64 characters, found 65"},

      {R"({"hosts": ["10.0.0.5 db"]})", "/hosts",
       R"(expected an object of host names, as in {"db.example.com": "10.0.0.5"}, found an array)"},
      {R"({"hosts": {"10.0.0.5": "db"}})", "/hosts/10.0.0.5", name + R"("10.0.0.5")"},
      {R"({"hosts": {"*.example.com": "10.0.0.5"}})", "/hosts/*.example.com", name + R"("*.example.com")"},
      {R"({"hosts": {"a b": "10.0.0.5"}})", "/hosts/a b", name + R"("a b")"},
      {R"({"hosts": {"db-": "10.0.0.5"}})", "/hosts/db-",
       R"(a part of a host name cannot begin or end with "-", found "db-")"},
      {R"({"hosts": {"": "10.0.0.5"}})", "/hosts/", name + R"("")"},
      {R"({"hosts": {"db": "10.0.0.5", "DB.": "10.0.0.6"}})", "/hosts/DB.",
       R"("db" is there twice: letter case, and a dot at the end, make no difference)"},
      {R"({"hosts": {"db": 5}})", "/hosts/db",
       R"(expected an IP address, as in "10.0.0.5", or an array of them, found 5)"},
      {R"({"hosts": {"db": "other.example.com"}})", "/hosts/db", address + R"("other.example.com")"},
      {R"({"hosts": {"db": "127.1"}})", "/hosts/db", address + R"("127.1")"},
      {R"({"hosts": {"db": "10.0.0.0/8"}})", "/hosts/db", address + R"("10.0.0.0/8")"},
      {R"({"hosts": {"db": []}})", "/hosts/db", "expected at least one IP address, found an empty array"},
      {R"({"hosts": {"db": ["10.0.0.5", "db"]}})", "/hosts/db/1", address + R"("db")"},
      {R"({"hosts": {"db": ["::ffff:10.0.0.5", "10.0.0.5"]}})", "/hosts/db/1",
       R"("10.0.0.5" is in the list twice)"},

      {R"({"cpus": 0})", "/cpus", cpus + "0"},
      {R"({"cpus": -1})", "/cpus", cpus + "-1"},
      {R"({"cpus": 1.5})", "/cpus", cpus + "1.5"},
      {R"({"cpus": 8193})", "/cpus", cpus + "8193"},
      {R"({"cpus": [0, 1]})", "/cpus", cpus + "an array"},
      {R"({"cpus": ""})", "/cpus", list + R"("")"},
      {R"({"cpus": "all"})", "/cpus", list + R"("all")"},
      {R"({"cpus": "0-"})", "/cpus", list + R"("0-")"},
      {R"({"cpus": "3-0"})", "/cpus", list + R"("3-0")"},
      {R"({"cpus": "0,,1"})", "/cpus", list + R"("0,,1")"},
      {R"({"cpus": "0-8192"})", "/cpus", list + R"("0-8192")"},
      {R"({"cpus": "9000"})", "/cpus", list + R"("9000")"},

      {R"({"env": ["A=1"]})", "/env",
       R"(expected an object, as in {"clean": true, "pass": ["PATH"]}, found an array)"},
      {R"({"env": {"unset": ["A"]}})", "/env/unset",
       R"(unknown key "unset"; write "clean": true, and what is kept in "pass")"},
      {R"({"env": {"keep": ["A"]}})", "/env/keep", R"(unknown key "keep"; write "pass")"},
      {R"({"env": {"LANG": "C"}})", "/env/LANG", R"(unknown key "LANG"; expected "clean", "set" or "pass")"},
      {R"({"env": {"clean": 1}})", "/env/clean", "expected true or false, found 1"},
      {R"({"env": {"set": ["A=1"]}})", "/env/set",
       R"(expected an object of variables, as in {"LANG": "C.UTF-8"}, found an array)"},
      {R"({"env": {"set": {"A": 1}}})", "/env/set/A", "expected the variable's value, in a string, found 1"},
      {R"({"env": {"set": {"A=B": "1"}}})", "/env/set/A=B", variable + R"("A=B")"},
      {R"({"env": {"set": {"": "1"}}})", "/env/set/", variable + R"("")"},
      {R"({"env": {"clean": true, "pass": "PATH"}})", "/env/pass",
       R"(expected an array of names of variables, as in ["PATH", "LC_*"], found "PATH")"},
      {R"({"env": {"clean": true, "pass": ["PATH=/bin"]}})", "/env/pass/0", variable + R"("PATH=/bin")"},
      {R"({"env": {"clean": true, "pass": ["A", "A"]}})", "/env/pass/1", R"("A" is in the list twice)"},
      {R"({"env": {"pass": ["PATH"]}})", "/env/pass",
       R"("pass" goes with "clean": true; without it every variable is passed on)"},

      {R"({"user": "www-data"})", "/user",
       R"(expected an object, as in {"uid": 1000, "gid": 1000}, found "www-data")"},
      {R"({"user": 1000})", "/user", R"(expected an object, as in {"uid": 1000, "gid": 1000}, found 1000)"},
      {R"({"user": []})", "/user", R"(expected an object, as in {"uid": 1000, "gid": 1000}, found an array)"},
      {R"({"user": {"uid": 1, "gid": 1, "groups": [5]}})", "/user/groups",
       R"(unknown key "groups"; write "additional_gids")"},
      {R"({"user": {"uid": 1, "gid": 1, "umask": 18}})", "/user/umask",
       R"(unknown key "umask"; that is the bundle's (config.json): a policy has no key for it)"},
      {R"({"user": {"uid": 1000}})", "/user",
       R"(missing key "gid"; expected the number of the user's group, as in "gid": 1000)"},
      {R"({"user": {"gid": 1000}})", "/user",
       R"(missing key "uid"; expected the user's number, as in "uid": 1000)"},
      {R"({"user": {"uid": "www-data", "gid": 33}})", "/user/uid",
       R"(expected the number of a user, found "www-data")" + image},
      {R"({"user": {"uid": 33, "gid": "www-data"}})", "/user/gid",
       R"(expected the number of a group, found "www-data")" + image},
      {R"({"user": {"uid": -1, "gid": 0}})", "/user/uid",
       "expected the number of a user, from 0 to 4294967294, found -1"},
      {R"({"user": {"uid": 4294967295, "gid": 0}})", "/user/uid",
       "expected the number of a user, from 0 to 4294967294, found 4294967295"},
      {R"({"user": {"uid": 1, "gid": 1, "additional_gids": 5}})", "/user/additional_gids",
       "expected an array of numbers of groups, as in [10, 27], found 5"},
      {R"({"user": {"uid": 1, "gid": 1, "additional_gids": [5, 5]}})", "/user/additional_gids/1",
       "5 is in the list twice"},
      {R"({"user": {"uid": 1, "gid": 1, "additional_gids": ["wheel"]}})", "/user/additional_gids/0",
       R"(expected the number of a group, found "wheel")" + image},
  };
  for (const auto& row : cases) {
    const std::string text = R"({"version": 1, "identity": )" + row.identity + "}";
    const std::vector<std::string> expected = {"p.json: /identity" + std::string(row.place) + ": " +
                                               row.message};
    EXPECT_EQ(mistakes_of(text), expected) << row.identity;
  }
  expect_mistakes({
      {R"({"version": 1, "network": {"allow": ["db.test"], "deny": ["10.0.0.1", "db.test"]},
           "identity": {"hosts": {"db.test": "10.0.0.5"}}})",
       {R"(p.json: /network/deny/1: "db.test" stands for the addresses in /identity/hosts/db.test, so the rule would refuse these alone; deny the addresses that are meant, or take it out there)"}},
  });
}

TEST(ParsePolicy, SaysWhatIsWrongWithEvents) {
  expect_mistakes({
      {R"({"version": 1, "events": []})",
       {R"(p.json: /events: expected an object, as in {"log": ["denied"]}, found an array)"}},
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
       {R"(p.json: /events/log/0: expected "denied", "exec" or "network", found "allowed"; "exec" and "network" write what is allowed as well)"}},
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
            line("namespaces", R"("exec", "network", "limits" or "files.deny")"));
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
      {R"({"version": 1, "network": []})",
       {R"(p.json: /network: expected an object, as in {"allow": ["api.example.com:443"]}, found an array)"}},
      {R"({"version": 1, "network": {"alow": []}})",
       {R"(p.json: /network/alow: unknown key "alow"; did you mean "allow"?)"}},
      {R"({"version": 1, "network": {"allow": "*"}})",
       {R"(p.json: /network/allow: expected an array of network rules, as in ["api.example.com:443"], found "*")"}},
      {R"({"version": 1, "network": {"allow": [5]}})",
       {R"(p.json: /network/allow/0: expected a network rule, as in "api.example.com:443", found 5; for this port at every host write "*:5")"}},
      {R"({"version": 1, "network": {"deny": {}}})",
       {R"(p.json: /network/deny: expected an array of network rules, as in ["api.example.com:443"], found an object)"}},
      {R"({"version": 1, "network": {"deny": ["*:0"]}})",
       {R"(p.json: /network/deny/0: port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)"}},
      {R"({"version": 1, "network": {"bind": 80}})",
       {R"(p.json: /network/bind: expected an array of ports, as in ["8080", "9000-9005"], found 80)"}},
      {R"({"version": 1, "network": {"bind": [80]}})",
       {R"(p.json: /network/bind/0: expected ports in a string, as in "8080" or "9000-9005", found 80; write "80")"}},
      {R"({"version": 1, "network": {"errno": "EACCESS"}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "EACCESS"; did you mean "EACCES"?)"}},
      {R"({"version": 1, "network": {"errno": 0}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 0)"}},
      {R"({"version": 1, "network": {"errno": 4096}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 4096)"}},
      {R"({"version": 1, "network": {"errno": -1}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found -1; errors are positive here: write 1)"}},
      {R"({"version": 1, "network": {"errno": 13.0}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 13.0)"}},
      {R"({"version": 1, "network": {"errno": null}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found null)"}},
      {R"({"version": 1, "network": {"errno": "13"}})",
       {R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "13"; write 13 without quotes)"}},
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
           R"(expected "tcp://", "udp://", "icmp://", "unix:" or no scheme for TCP and UDP, found "https://"; write "tcp://api.example.com:443")"},
          {R"(TCP://a)",
           R"(expected "tcp://", "udp://", "icmp://", "unix:" or no scheme for TCP and UDP, found "TCP://"; write "tcp://a")"},
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
          {R"(2001:db8::/32:443)",
           R"(expected a prefix length from 0 to 128, found "32:443"; write "[2001:db8::/32]:443")"},
          {R"(udp://2001:db8::/32:53,123)",
           R"(expected a prefix length from 0 to 128, found "32:53,123"; write "udp://[2001:db8::/32]:53,123")"},
          {R"([2001:db8::/32:443])",
           R"(expected a prefix length from 0 to 128, found "32:443"; write "[2001:db8::/32]:443")"},
          {R"(2001:db8::/32:x)", R"(expected a prefix length from 0 to 128, found "32:x")"},
          {R"(2001:db8::/129:443)", R"(expected a prefix length from 0 to 128, found "129:443")"},
          {R"( 10.0.0.1)", R"(" 10.0.0.1" is not an address; leave out the space)"},
          {R"( 10.0.0.0/8)", R"(" 10.0.0.0" is not an address; leave out the space)"},
          {R"( 2001:db8::/32)", R"(" 2001:db8::" is not an address; leave out the space)"},
          {R"(10.0.0.0 /8)", R"("10.0.0.0 " is not an address; leave out the space)"},
          {R"( 10.0.1)",
           R"(" 10.0.1" is not an IPv4 address; write four decimal numbers from 0 to 255, as in "192.0.2.1")"},
          {R"(10.0.0.0/255.0.0.0)",
           R"(expected a prefix length from 0 to 32, found "255.0.0.0"; write "10.0.0.0/8")"},
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
          {R"([::]:80)", R"("::" as a destination means this host; write "[::1]:80")"},
          {R"([::])", R"("::" as a destination means this host; write "::1")"},
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
           R"(expected a host name, an IP address, a CIDR or "*", found "user@host", which contains "@"; a rule has no user: leave out "user@")"},
          {R"(*.example.com)",
           R"(expected a whole host name or "*", found "*.example.com"; a "*" within a name is not supported)"},
          {R"(example.com/path)",
           R"(expected an IP address before the "/" of a CIDR, found "example.com"; a rule names hosts, not what lies on them)"},
          {R"(bücher.example)",
           R"(expected a host name in ASCII, found "bücher.example"; write its punycode form (xn--…))"},
          {R"(xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx)",
           R"(a part of a host name has at most 63 characters, found "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")"},
          {R"(a:)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "")"},
          {R"(a:http)", R"(expected a port from 0 to 65535 in decimal, found "http"; write "80")"},
          {R"(a:0)", R"(port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)"},
          {R"(a:0-5)", R"(port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)"},
          {R"(a:65536)", R"(expected a port from 0 to 65535 in decimal, found "65536")"},
          {R"(a:080)", R"(expected a port from 0 to 65535 in decimal, found "080"; write "80")"},
          {R"(a:9-1)", R"(the range "9-1" is empty; write "1-9")"},
          {R"(a:80,)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "80,")"},
          {R"(a:80,,81)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "80,,81")"},
          {R"(a:1-2-3)", R"(expected a port from 0 to 65535 in decimal, found "2-3")"},
          {R"(a:-1)", R"(expected a port from 0 to 65535 in decimal, found "")"},
          {R"( a)", R"(expected a host name, an IP address, a CIDR or "*", found " a", which contains " ")"},
          {R"(a:80 )", R"(expected a port from 0 to 65535 in decimal, found "80 "; leave out the space)"},
      });
}

TEST(ParsePolicy, SaysWhatIsWrongWithABindRule) {
  expect_rule_mistakes(
      "bind",
      {
          {R"()", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "")"},
          {R"(http)", R"(expected a port from 0 to 65535 in decimal, found "http"; write "80")"},
          {R"(127.0.0.1:80)",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "127.0.0.1:80"; write "80")"},
          {R"(70000)", R"(expected a port from 0 to 65535 in decimal, found "70000")"},
          {R"(9-1)", R"(the range "9-1" is empty; write "1-9")"},
          {R"(80,)", R"(expected ports as in "443", "80,443", "8000-8010" or "*", found "80,")"},
          {R"(tcp://80)",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "tcp://80"; write "80")"},
      });
}

TEST(ParsePolicy, SaysWhatIsWrongWithASyscallRule) {
  expect_mistakes({
      {R"({"version": 1, "syscalls": {}})",
       {R"(p.json: /syscalls: expected an array of rules, as in [{"names": ["ptrace"], "action": "errno"}], found an object)"}},
      {R"({"version": 1, "syscalls": ["ptrace"]})",
       {R"(p.json: /syscalls/0: expected an object, as in {"names": ["ptrace"], "action": "errno"}, found "ptrace")"}},
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
       {R"(p.json: /syscalls/0/names/0: expected the name of a syscall, found 1; on this machine that is the number of ")" +
        number_one() + "\""}},
      {R"({"version": 1, "syscalls": [{"names": ["ptrac"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: unknown syscall "ptrac"; did you mean "ptrace"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["PTRACE"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: unknown syscall "PTRACE"; write "ptrace")"}},
      {R"({"version": 1, "syscalls": [{"names": ["ptrace\u0000"], "action": "errno"}]})",
       {R"(p.json: line 1, column 53: a string with \u0000, at which a runtime written in C would cut it off)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf", "bpf"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/1: "bpf" is in the list twice)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "deny"}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found "deny"; write "errno")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "SCMP_ACT_ERRNO"}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found "SCMP_ACT_ERRNO"; did you mean "errno"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "kill_process"}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found "kill_process"; did you mean "kill"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "emulate"}]})",
       {R"(p.json: /syscalls/0/action: "emulate" is not supported yet; expected "errno", "allow", "log" or "kill")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": 1}]})",
       {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found 1)"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno", "errnoRet": 1}]})",
       {R"(p.json: /syscalls/0/errnoRet: unknown key "errnoRet"; write "errno")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "kill", "errno": "EPERM"}]})",
       {R"(p.json: /syscalls/0/errno: "errno" goes with action "errno" only, found action "kill")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "allow", "errno": 1}]})",
       {R"(p.json: /syscalls/0/errno: "errno" goes with action "errno" only, found action "allow")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "log", "errno": 1}]})",
       {R"(p.json: /syscalls/0/errno: "errno" goes with action "errno" only, found action "log")"}},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno", "errno": "perm"}]})",
       {R"(p.json: /syscalls/0/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "perm"; did you mean "EPERM"?)"}},
      {R"({"version": 1, "syscalls": [{"names": ["execve"], "action": "errno"}]})",
       {R"(p.json: /syscalls/0/names/0: "execve" cannot be refused: no program starts without it, the container's first one included; which may start is said in "exec")"}},
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
           {R"(p.json: /syscalls/0/args/0: expected an object, as in {"index": 0, "op": "eq", "value": 1}, found 1)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{}]}]})",
           {R"(p.json: /syscalls/0/args/0: missing key "index"; expected the place of the argument, 0 to 5)",
            R"(p.json: /syscalls/0/args/0: missing key "op"; expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq")",
            R"(p.json: /syscalls/0/args/0: missing key "value"; expected what the argument is compared with)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 6, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found 6)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": -1, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found -1)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": "0", "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found "0"; write 0 without quotes)"}},
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "=", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0/op: expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq", found "="; write "eq")"}},
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
           {R"(p.json: /syscalls/0/args/0/valueTwo: unknown key "valueTwo"; of a masked comparison an OCI profile has the mask in "value" and the value in "valueTwo"; write "mask" and "value")"}},
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
          {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "lt", "value": 1}, {"index": 0, "op": "eq", "value": 2}]}]})", {R"(p.json: /syscalls/0/args/0: this and another test of argument 0 cannot both hold, and all tests of a rule must; for "either", write two rules)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket", "mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 1}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 0 has 32 bits in "socket" and 64 in "mmap"; write a rule for each)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 4294967296}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 0 of "socket" has 32 bits, so it never has the value 4294967296)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "masked_eq", "value": 0, "mask": "0xffffffff00000000"}]}]})",
           {R"(p.json: /syscalls/0/args/0: argument 0 of "socket" has 32 bits, and the mask looks at none of them)"}},
          {R"({"version": 1, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "gt", "value": -1}]}]})",
           {R"(p.json: /syscalls/0/args/0: no argument is greater than this value, so the test never holds: arguments are compared as unsigned numbers)"}},
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

// What people write who know other tools, and what each is told. `place` is the pointer, `found` what stands
// there in the message.
struct KeyCase {
  std::string_view policy;
  std::string_view place;
  std::string_view message;
};

void expect_keys(const std::vector<KeyCase>& cases) {
  for (const KeyCase& row : cases) {
    const std::vector<std::string> expected = {"p.json: " + std::string(row.place) + ": " +
                                               std::string(row.message)};
    EXPECT_EQ(mistakes_of(row.policy), expected) << row.policy;
  }
}

TEST(ParsePolicy, SaysWhereAKeyOfAnotherPlaceGoes) {
  expect_keys({
      {R"({"version": 1, "allow": ["*"]})", "/allow",
       R"(unknown key "allow"; it goes into "network" or "exec")"},
      {R"({"version": 1, "deny": []})", "/deny",
       R"(unknown key "deny"; it goes into "network", "exec" or "files")"},
      {R"({"version": 1, "bind": ["80"]})", "/bind", R"(unknown key "bind"; it goes into "network")"},
      {R"({"version": 1, "memory": "1G"})", "/memory", R"(unknown key "memory"; it goes into "limits")"},
      {R"({"version": 1, "cpus": 1})", "/cpus", R"(unknown key "cpus"; it goes into "limits")"},
      {R"({"version": 1, "open_files": 64})", "/open_files",
       R"(unknown key "open_files"; it goes into "limits")"},
      {R"({"version": 1, "errno": "EPERM"})", "/errno",
       R"(unknown key "errno"; it goes into "network", "exec" or a rule of "syscalls")"},
      {R"({"version": 1, "log": ["denied"]})", "/log", R"(unknown key "log"; it goes into "events")"},
      {R"({"version": 1, "action": "errno"})", "/action",
       R"(unknown key "action"; it goes into a rule of "syscalls")"},
      {R"({"version": 1, "exec": {"path": "/bin/sh"}})", "/exec/path",
       R"(unknown key "path"; it goes into a rule, as in {"allow": [{"path": "/usr/bin/git", "argv": ["git", "clone", "*"]}]})"},
      {R"({"version": 1, "exec": {"argv": ["sh"]}})", "/exec/argv",
       R"(unknown key "argv"; it goes into a rule, as in {"allow": [{"path": "/usr/bin/git", "argv": ["git", "clone", "*"]}]})"},
      {R"({"version": 1, "exec": {"allow": [{"path": "/bin/sh", "errno": 1}]}})", "/exec/allow/0/errno",
       R"(unknown key "errno"; "errno" is one for all of "exec")"},
      {R"({"version": 1, "network": {"mode": "audit"}})", "/network/mode",
       R"(unknown key "mode"; "mode" is one for the whole policy)"},
      {R"({"version": 1, "exec": {"mode": "audit"}})", "/exec/mode",
       R"(unknown key "mode"; "mode" is one for the whole policy)"},
  });
}

TEST(ParsePolicy, KnowsTheKeysOfOtherTools) {
  expect_keys({
      {R"({"version": 1, "seccomp": {}})", "/seccomp", R"(unknown key "seccomp"; write "syscalls")"},
      {R"({"version": 1, "syscall": []})", "/syscall", R"(unknown key "syscall"; did you mean "syscalls"?)"},
      {R"({"version": 1, "net": {}})", "/net", R"(unknown key "net"; write "network")"},
      {R"({"version": 1, "egress": []})", "/egress", R"(unknown key "egress"; write "network" with "allow")"},
      {R"({"version": 1, "ingress": []})", "/ingress",
       R"(unknown key "ingress"; write "network" with "bind")"},
      {R"({"version": 1, "ports": [80]})", "/ports", R"(unknown key "ports"; write "network" with "bind")"},
      {R"({"version": 1, "commands": []})", "/commands", R"(unknown key "commands"; write "exec")"},
      {R"({"version": 1, "resources": {}})", "/resources", R"(unknown key "resources"; write "limits")"},
      {R"({"version": 1, "ulimits": {}})", "/ulimits", R"(unknown key "ulimits"; write "limits")"},
      {R"({"version": 1, "logging": true})", "/logging", R"(unknown key "logging"; write "events")"},
      {R"({"version": 1, "audit": true})", "/audit", R"(unknown key "audit"; write "mode": "audit")"},
      {R"({"version": 1, "defaultAction": "SCMP_ACT_ERRNO"})", "/defaultAction",
       R"(unknown key "defaultAction"; leave it out: a list "allow" refuses what it does not name, and what has no list is not restricted)"},
      {R"({"version": 1, "default": "deny"})", "/default",
       R"(unknown key "default"; leave it out: a list "allow" refuses what it does not name, and what has no list is not restricted)"},
      {R"({"version": 1, "name": "web"})", "/name",
       R"(unknown key "name"; a policy has the name of its file)"},
      {R"({"version": 1, "comment": "x"})", "/comment", R"(unknown key "comment"; write "description")"},
      {R"({"version": 1, "//": "x"})", "/~1~1", R"(unknown key "//"; write "description")"},
      {R"({"version": 1, "$schema": "x"})", "/$schema",
       R"(unknown key "$schema"; tell the editor itself which schema it is)"},
      {R"({"version": 1, "capabilities": []})", "/capabilities",
       R"(unknown key "capabilities"; that is the bundle's (config.json, podman's options): a policy has no key for it)"},
      {R"({"version": 1, "mounts": []})", "/mounts",
       R"(unknown key "mounts"; that is the bundle's (config.json, podman's options): a policy has no key for it)"},
      {R"({"version": 1, "read": ["/usr"]})", "/read", R"(unknown key "read"; it goes into "files")"},
      {R"({"version": 1, "filesystem": {}})", "/filesystem", R"(unknown key "filesystem"; write "files")"},
      {R"({"version": 1, "readonly": true})", "/readonly",
       R"(unknown key "readonly"; write "files", with what may be written in "write")"},
      {R"({"version": 1, "maskedPaths": []})", "/maskedPaths",
       R"(unknown key "maskedPaths"; write "files" with "deny")"},
      {R"({"version": 1, "files": {"rw": []}})", "/files/rw",
       R"(unknown key "rw"; write "write": what is there may be read as well)"},
      {R"({"version": 1, "files": {"mask": []}})", "/files/mask", R"(unknown key "mask"; write "deny")"},
      {R"({"version": 1, "files": {"errno": "EPERM"}})", "/files/errno",
       R"(unknown key "errno"; what is refused fails with EACCES: the kernel's Landlock has no other error)"},
      {R"({"version": 1, "files": {"default": "deny"}})", "/files/default",
       R"(unknown key "default"; leave it out: a list "read", "write" or "exec" refuses what it does not name, and what has no list is not restricted)"},
      {R"({"version": 1, "env": {}})", "/env", R"(unknown key "env"; it goes into "identity")"},
      {R"({"version": 1, "environment": {}})", "/environment",
       R"(unknown key "environment"; write "identity" with "env")"},
      {R"({"version": 1, "Network": {}})", "/Network", R"(unknown key "Network"; did you mean "network"?)"},
      {R"({"version": 1, "networks": {}})", "/networks",
       R"(unknown key "networks"; did you mean "network"?)"},
      {R"({"version": 1, "limit": {}})", "/limit", R"(unknown key "limit"; did you mean "limits"?)"},
      {R"({"version": 1, "unsafe-allow": []})", "/unsafe-allow",
       R"(unknown key "unsafe-allow"; did you mean "unsafe_allow"?)"},
      {R"({"version": 1, "network": {"hosts": []}})", "/network/hosts",
       R"(unknown key "hosts"; write "allow")"},
      {R"({"version": 1, "network": {"egress": []}})", "/network/egress",
       R"(unknown key "egress"; write "allow")"},
      {R"({"version": 1, "network": {"whitelist": []}})", "/network/whitelist",
       R"(unknown key "whitelist"; write "allow")"},
      {R"({"version": 1, "network": {"block": []}})", "/network/block",
       R"(unknown key "block"; write "deny")"},
      {R"({"version": 1, "network": {"listen": []}})", "/network/listen",
       R"(unknown key "listen"; write "bind")"},
      {R"({"version": 1, "network": {"ports": []}})", "/network/ports",
       R"(unknown key "ports"; write "bind" for the ports that may be bound; those to connect to are in "allow")"},
      {R"({"version": 1, "network": {"dns": true}})", "/network/dns",
       R"(unknown key "dns"; names in "allow" resolve without DNS; for DNS itself allow "udp://ADDRESS:53")"},
      {R"({"version": 1, "network": {"unix": []}})", "/network/unix",
       R"(unknown key "unix"; write "unix:/PATH" in "allow" or "deny")"},
      {R"({"version": 1, "network": {"error": 1}})", "/network/error",
       R"(unknown key "error"; write "errno")"},
      {R"({"version": 1, "exec": {"programs": []}})", "/exec/programs",
       R"(unknown key "programs"; write "allow")"},
      {R"({"version": 1, "exec": {"denied": []}})", "/exec/denied", R"(unknown key "denied"; write "deny")"},
      {R"({"version": 1, "exec": {"allow": [{"path": "/bin/ls", "cmd": "ls"}]}})", "/exec/allow/0/cmd",
       R"(unknown key "cmd"; write "path" and "argv")"},
      {R"({"version": 1, "limits": {"nofile": 64}})", "/limits/nofile",
       R"(unknown key "nofile"; write "open_files")"},
      {R"({"version": 1, "limits": {"ram": "1G"}})", "/limits/ram", R"(unknown key "ram"; write "memory")"},
      {R"({"version": 1, "limits": {"swap": "1G"}})", "/limits/swap",
       R"(unknown key "swap"; "memory" is memory and swap together)"},
      {R"({"version": 1, "limits": {"nproc": 10}})", "/limits/nproc",
       R"(unknown key "nproc"; write "processes")"},
      {R"({"version": 1, "limits": {"threads": 10}})", "/limits/threads",
       R"(unknown key "threads"; write "processes", which counts threads as well)"},
      {R"({"version": 1, "limits": {"cpu_quota": 100000}})", "/limits/cpu_quota",
       R"(unknown key "cpu_quota"; write "cpus", a number of processors)"},
      {R"({"version": 1, "limits": {"cpuset": "0-3"}})", "/limits/cpuset",
       R"(unknown key "cpuset"; write "cpus" in "identity", as in "0-3,8"; "cpus" here is how much of them)"},
      {R"({"version": 1, "events": {"log": [], "level": "info"}})", "/events/level",
       R"(unknown key "level"; write "log")"},
      {R"({"version": 1, "events": {"log": [], "file": "/var/log/x"}})", "/events/file",
       R"(unknown key "file"; where logs lie is said in the configuration, not in a policy)"},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno", "when": []}]})",
       "/syscalls/0/when", R"(unknown key "when"; write "args")"},
      {R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": "errno", "includes": {}}]})",
       "/syscalls/0/includes",
       R"(unknown key "includes"; rules on capabilities and kernels are for an engine's own profile; leave it out)"},
  });
  expect_mistakes({
      {R"({"version": 1, "exec": {"allow": [{"program": "/bin/sh"}]}})",
       {R"(p.json: /exec/allow/0/program: unknown key "program"; write "path")",
        R"(p.json: /exec/allow/0: missing key "path"; expected the program's path, as in "/usr/bin/git")"}},
      {R"({"version": 1, "syscalls": [{"name": "ptrace", "action": "errno"}]})",
       {R"(p.json: /syscalls/0/name: unknown key "name"; write "names", a list)",
        R"(p.json: /syscalls/0: missing key "names"; expected the syscalls that the rule is about, as in ["ptrace"])"}},
      {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"arg": 0, "op": "eq", "value": 1}]}]})",
       {R"(p.json: /syscalls/0/args/0/arg: unknown key "arg"; write "index")",
        R"(p.json: /syscalls/0/args/0: missing key "index"; expected the place of the argument, 0 to 5)"}},
  });
}

TEST(ParsePolicy, KnowsTheWordsOfOtherTools) {
  const struct {
    std::string_view word;
    std::string_view hint;
  } modes[] = {
      {"complain", R"(; write "audit")"},
      {"dry-run", R"(; write "audit")"},
      {"log", R"(; write "audit")"},
      {"strict", R"(; write "enforce")"},
      {"enforcing", R"(; did you mean "enforce"?)"},
      {"Enforce", R"(; did you mean "enforce"?)"},
      {"off", "; to restrict nothing, take the policy away from the container"},
  };
  for (const auto& row : modes) {
    expect_mistakes({{R"({"version": 1, "mode": ")" + std::string(row.word) + "\"}",
                      {R"(p.json: /mode: expected "enforce" or "audit", found ")" + std::string(row.word) +
                       "\"" + std::string(row.hint)}}});
  }
  const struct {
    std::string_view word;
    std::string_view hint;
  } actions[] = {
      {"block", R"(; write "errno")"},
      {"refuse", R"(; write "errno")"},
      {"SCMP_ACT_TRAP", R"(; write "kill", which sends SIGSYS)"},
      {"SCMP_ACT_KILL_PROCESS", R"(; did you mean "kill"?)"},
      {"permit", R"(; write "allow")"},
      {"audit", R"(; write "log", or "mode": "audit" for the whole policy)"},
      {"SCMP_ACT_NOTIFY",
       "; which calls notify an agent follows from the rules; write what is to happen to the call"},
  };
  for (const auto& row : actions) {
    expect_mistakes(
        {{R"({"version": 1, "syscalls": [{"names": ["bpf"], "action": ")" + std::string(row.word) + "\"}]}",
          {R"(p.json: /syscalls/0/action: expected "errno", "allow", "log" or "kill", found ")" +
           std::string(row.word) + "\"" + std::string(row.hint)}}});
  }
  const struct {
    std::string_view word;
    std::string_view hint;
  } comparisons[] = {
      {"==", R"(; write "eq")"},
      {"!=", R"(; write "ne")"},
      {"<", R"(; write "lt")"},
      {"<=", R"(; write "le")"},
      {">", R"(; write "gt")"},
      {">=", R"(; write "ge")"},
      {"lte", R"(; write "le")"},
      {"in", R"(; write a rule with "eq" for each value)"},
      {"&", R"(; write "masked_eq", with a "mask")"},
      {"SCMP_CMP_MASKED_EQ", R"(; did you mean "masked_eq"?)"},
  };
  for (const auto& row : comparisons) {
    expect_mistakes(
        {{R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": ")" +
              std::string(row.word) + R"(", "value": 1}]}]})",
          {R"(p.json: /syscalls/0/args/0/op: expected "eq", "ne", "lt", "le", "gt", "ge" or "masked_eq", found ")" +
           std::string(row.word) + "\"" + std::string(row.hint)}}});
  }
  const struct {
    std::string_view word;
    std::string_view hint;
  } events[] = {
      {"all", R"(; write ["denied", "exec", "network"])"},
      {"*", R"(; write ["denied", "exec", "network"])"},
      {"none", R"(; write "log": [])"},
      {"deny", R"(; write "denied")"},
      {"connect", R"(; write "network")"},
      {"execve", R"(; write "exec")"},
      {"syscalls", R"(; calls are logged by rules of "syscalls" with action "log")"},
  };
  for (const auto& row : events) {
    expect_mistakes({{R"({"version": 1, "events": {"log": [")" + std::string(row.word) + "\"]}}",
                      {R"(p.json: /events/log/0: expected "denied", "exec" or "network", found ")" +
                       std::string(row.word) + "\"" + std::string(row.hint)}}});
  }
  const struct {
    std::string_view word;
    std::string_view hint;
  } errors[] = {
      {"\"permission denied\"", R"(; write "EACCES")"},
      {"\"Operation not permitted\"", R"(; write "EPERM")"},
      {"\"ENOPERM\"", R"(; did you mean "EPERM"?)"},
      {"\"eacces\"", R"(; did you mean "EACCES"?)"},
      {"-13", "; errors are positive here: write 13"},
      {"-4096", ""},
      {"true", ""},
  };
  for (const auto& row : errors) {
    expect_mistakes(
        {{R"({"version": 1, "exec": {"errno": )" + std::string(row.word) + "}}",
          {R"(p.json: /exec/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found )" +
           std::string(row.word) + std::string(row.hint)}}});
  }
}

TEST(ParsePolicy, KnowsNumbersThatStandInQuotesAndUnitsOfOthers) {
  const std::string cpus = "expected a number of processors from 0.01 to 8192, as in 1.5, found ";
  const std::string files = "expected a whole number from 64 to 2147483584, found ";
  expect_mistakes({
      {R"({"version": 1, "limits": {"cpus": "500m"}})",
       {"p.json: /limits/cpus: " + cpus + R"("500m"; write 0.5)"}},
      {R"({"version": 1, "limits": {"cpus": "50%"}})",
       {"p.json: /limits/cpus: " + cpus + R"("50%"; write 0.5)"}},
      {R"({"version": 1, "limits": {"cpus": "150%"}})",
       {"p.json: /limits/cpus: " + cpus + R"("150%"; write 1.5)"}},
      // Not what would be the next mistake.
      {R"({"version": 1, "limits": {"cpus": "5m"}})", {"p.json: /limits/cpus: " + cpus + R"("5m")"}},
      {R"({"version": 1, "limits": {"cpus": "900000%"}})",
       {"p.json: /limits/cpus: " + cpus + R"("900000%")"}},
      {R"({"version": 1, "limits": {"cpus": "9000"}})", {"p.json: /limits/cpus: " + cpus + R"("9000")"}},
      {R"({"version": 1, "limits": {"open_files": "10"}})",
       {"p.json: /limits/open_files: " + files + R"("10")"}},
      {R"({"version": 1, "limits": {"open_files": "99.5"}})",
       {"p.json: /limits/open_files: " + files + R"("99.5")"}},
      {R"({"version": "2"})",
       {R"(p.json: /version: expected 1, the only version of the policy language there is, found "2")"}},
      {R"({"version": 1, "exec": {"errno": "5000"}})",
       {R"(p.json: /exec/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found "5000")"}},
      {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": "9", "op": "eq", "value": 1}]}]})",
       {R"(p.json: /syscalls/0/args/0/index: expected a number from 0 to 5, the place of the argument, found "9")"}},
      {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": "1.5"}]}]})",
       {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found "1.5")"}},
      {R"({"version": 1, "limits": {"cpus": "max"}})",
       {"p.json: /limits/cpus: " + cpus + R"("max"; for no limit leave the key out)"}},
      {R"({"version": 1, "limits": {"open_files": "1024"}})",
       {"p.json: /limits/open_files: " + files + R"("1024"; write 1024 without quotes)"}},
      {R"({"version": 1, "limits": {"open_files": "unlimited"}})",
       {"p.json: /limits/open_files: " + files + R"("unlimited"; for no limit leave the key out)"}},
      {R"({"version": 1, "limits": {"open_files": 1e3}})",
       {"p.json: /limits/open_files: " + files + "1000.0"}},
      {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": "17"}]}]})",
       {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found "17"; write 17 without quotes)"}},
      {R"({"version": 1, "syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": "0755"}]}]})",
       {R"(p.json: /syscalls/0/args/0/value: expected a whole number, a hexadecimal one in a string as in "0xff", or a name as in "AF_PACKET", found "0755")"}},
  });
}

// Without them the rule would be a wider one.
TEST(ParsePolicy, KeepsSchemeAndPortsOfARuleInWhatItAdvises) {
  expect_rule_mistakes(
      "allow",
      {
          {"tcp://10.0.0.1/24:80",
           R"("10.0.0.1/24" has bits set beyond its prefix length; write "tcp://10.0.0.0/24:80" for the network, or "tcp://10.0.0.1:80" for the one address)"},
          {"udp://[2001:db8::1/32]:53",
           R"("2001:db8::1/32" has bits set beyond its prefix length; write "udp://[2001:db8::/32]:53" for the network, or "udp://[2001:db8::1]:53" for the one address)"},
          {"udp://2001:db8::1/32",
           R"("2001:db8::1/32" has bits set beyond its prefix length; write "udp://2001:db8::/32" for the network, or "udp://2001:db8::1" for the one address)"},
          {"tcp://10.0.0.0/255.0.0.0:5432",
           R"(expected a prefix length from 0 to 32, found "255.0.0.0"; write "tcp://10.0.0.0/8:5432")"},
          {"tcp://127.1:80",
           R"("127.1" is a short or octal form of an IPv4 address, which programs read differently; write "tcp://127.0.0.1:80" if you mean that)"},
          {"icmp://0.0.0.0", R"("0.0.0.0" as a destination means this host; write "icmp://127.0.0.1")"},
          {"tcp://[::]:80", R"("::" as a destination means this host; write "tcp://[::1]:80")"},
          {"tcp://10.0.*:443",
           R"(expected a whole host name or "*", found "10.0.*"; a "*" within a name is not supported; write "tcp://10.0.0.0/16:443")"},
          {"tcp://[fd00::]/8:443",
           R"(the prefix length belongs inside the brackets; write "tcp://[fd00::/8]:443")"},
          {"tcp://::1:443",
           R"("::1:443" is an address that no host has; write "tcp://[::1]:443" for an address and a port)"},
          {"udp://:53",
           R"(expected a host in front of the ports, found "udp://:53"; for every host write "udp://*:53")"},
      });
}

TEST(ParsePolicy, KnowsDestinationsAsOthersWriteThem) {
  const std::string scheme =
      R"(expected "tcp://", "udp://", "icmp://", "unix:" or no scheme for TCP and UDP, found )";
  const std::string port = "expected a port from 0 to 65535 in decimal, found ";
  expect_rule_mistakes(
      "allow",
      {
          {"https://api.example.com/v1?x=1", scheme + R"("https://"; write "tcp://api.example.com:443")"},
          {"http://user:secret@api.example.com:8080/",
           scheme + R"("http://"; write "tcp://api.example.com:8080")"},
          {"http://[2001:db8::1]/", scheme + R"("http://"; write "tcp://[2001:db8::1]:80")"},
          {"postgresql://db.example/app", scheme + R"("postgresql://"; write "tcp://db.example:5432")"},
          {"redis://cache:6380", scheme + R"("redis://"; write "tcp://cache:6380")"},
          {"UDP://1.1.1.1:53", scheme + R"("UDP://"; write "udp://1.1.1.1:53")"},
          {"tcp4://10.0.0.1:80", scheme + R"("tcp4://"; write "tcp://10.0.0.1:80")"},
          {"quic://h.example:443", scheme + R"("quic://"; write "udp://h.example:443")"},
          {"dns://1.1.1.1", scheme + R"("dns://"; write "1.1.1.1:53")"},
          {"ntp://h.example", scheme + R"("ntp://"; write "udp://h.example:123")"},
          {"gopher://h.example", scheme + R"("gopher://")"},
          {"http://h.example:/", scheme + R"("http://")"},
          {"tcp:api.example.com:443",
           R"(expected "//" behind "tcp:", found "tcp:api.example.com:443"; write "tcp://api.example.com:443")"},
          {"udp:/1.1.1.1:53",
           R"(expected "//" behind "udp:", found "udp:/1.1.1.1:53"; write "udp://1.1.1.1:53")"},
          {"icmp:10.0.0.1",
           R"(expected "//" behind "icmp:", found "icmp:10.0.0.1"; write "icmp://10.0.0.1")"},
          {"api.example.com:443/tcp",
           R"(expected the transport in front, found "api.example.com:443/tcp"; write "tcp://api.example.com:443")"},
          {"10.0.0.1:53/udp",
           R"(expected the transport in front, found "10.0.0.1:53/udp"; write "udp://10.0.0.1:53")"},
          {":443", R"(expected a host in front of the ports, found ":443"; for every host write "*:443")"},
          {"10.0.0.*",
           R"(expected a whole host name or "*", found "10.0.0.*"; a "*" within a name is not supported; write "10.0.0.0/24")"},
          {"10.1.*.*",
           R"(expected a whole host name or "*", found "10.1.*.*"; a "*" within a name is not supported; write "10.1.0.0/16")"},
          {"10.*",
           R"(expected a whole host name or "*", found "10.*"; a "*" within a name is not supported; write "10.0.0.0/8")"},
          {"10.*.0.1",
           R"(expected a whole host name or "*", found "10.*.0.1"; a "*" within a name is not supported)"},
          {"10.0.0.1-10.0.0.9",
           R"(expected one address or a CIDR, found the range "10.0.0.1-10.0.0.9"; write the CIDRs it is made of)"},
          {"10.0.0.1-9",
           R"(expected one address or a CIDR, found the range "10.0.0.1-9"; write the CIDRs it is made of)"},
          {"192.168.0.0/255.255.0.0",
           R"(expected a prefix length from 0 to 32, found "255.255.0.0"; write "192.168.0.0/16")"},
          {"192.168.7.1/255.255.0.0",
           R"(expected a prefix length from 0 to 32, found "255.255.0.0"; write "192.168.0.0/16")"},
          {"192.168.0.0/255.0.255.0", R"(expected a prefix length from 0 to 32, found "255.0.255.0")"},
          {"/run/pg.sock",
           R"(expected an IP address before the "/" of a CIDR, found "/run/pg.sock"; for a Unix socket write "unix:/run/pg.sock")"},
          {"@abstract",
           R"(expected a host name, an IP address, a CIDR or "*", found "@abstract", which contains "@"; for an abstract Unix socket write "unix:@abstract")"},
          {"!10.0.0.1",
           R"(expected a host name, an IP address, a CIDR or "*", found "!10.0.0.1"; what is refused goes into "deny")"},
          {"$API_HOST",
           R"(expected a host name, an IP address, a CIDR or "*", found "$API_HOST", which contains "$"; variables are not replaced here)"},
          {"git@github.com:22",
           R"(expected a host name, an IP address, a CIDR or "*", found "git@github.com", which contains "@"; a rule has no user: leave out "git@")"},
          {"a.example,b.example",
           R"(expected a host name, an IP address, a CIDR or "*", found "a.example,b.example", which contains ","; write a rule for each)"},
          {"a:https", port + R"("https"; write "443")"},
          {"a:all", port + R"("all"; write "*")"},
          {"a:80, 443", port + R"(" 443"; leave out the space)"},
          {"a:1024-", R"(the range "1024-" has no end; write "1024-65535")"},
          {"a:1024+", port + R"("1024+"; write "1024-65535")"},
          {"a:>1023", port + R"(">1023"; write "1024-65535")"},
          {"a:8000..8010", port + R"("8000..8010"; write "8000-8010")"},
          {"a:8000–8010", port + R"("8000–8010"; write "8000-8010")"},
          {"a:8010..8000", port + R"("8010..8000")"},
          {"a:80;443", port + R"("80;443")"},
          {"a:0x50", port + R"("0x50")"},
      });
  expect_rule_mistakes(
      "bind",
      {
          {":8080",
           R"(expected ports alone, which are those of TCP and UDP at every address, found ":8080"; write "8080")"},
          {"0.0.0.0:80",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "0.0.0.0:80"; write "80")"},
          {"[::]:80",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "[::]:80"; write "80")"},
          {"80/tcp",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "80/tcp"; write "80")"},
          {"udp://127.0.0.1:53",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "udp://127.0.0.1:53"; write "53")"},
          {"*:80",
           R"(expected ports alone, which are those of TCP and UDP at every address, found "*:80"; write "80")"},
          {"8000:8010", port + R"("8000:8010"; write "8000-8010")"},
          {"8010:8000", port + R"("8010:8000")"},
          {"8080:80/tcp", port + R"("8080:80/tcp")"},
          {"any", port + R"("any"; write "*")"},
          {"-1", R"(expected a port from 0 to 65535 in decimal, found "")"},
          {"1024-", R"(the range "1024-" has no end; write "1024-65535")"},
      });
}

TEST(ParsePolicy, KnowsProgramsAndArgumentsAsOthersWriteThem) {
  const std::string path =
      R"(expected an absolute path, or a glob over one, as in "/usr/bin/git" or "/usr/lib/**", found )";
  expect_mistakes({
      {R"({"version": 1, "exec": {"allow": ["~/bin/x"]}})",
       {"p.json: /exec/allow/0: " + path + R"("~/bin/x"; no shell replaces "~" here)"}},
      {R"({"version": 1, "exec": {"allow": ["$HOME/bin/x"]}})",
       {"p.json: /exec/allow/0: " + path + R"("$HOME/bin/x"; no shell replaces "$HOME" here)"}},
      {R"({"version": 1, "exec": {"allow": ["./x"]}})", {"p.json: /exec/allow/0: " + path + R"("./x")"}},
      {R"({"version": 1, "exec": {"allow": ["git clone *"]}})",
       {"p.json: /exec/allow/0: " + path + R"("git clone *")"}},
      {R"({"version": 1, "exec": {"allow": ["C:\\bin"]}})",
       {"p.json: /exec/allow/0: " + path + R"("C:\\bin")"}},
      {R"({"version": 1, "exec": {"allow": ["^/usr/bin/.*$"]}})",
       {"p.json: /exec/allow/0: " + path + R"("^/usr/bin/.*$")"}},
      {R"({"version": 1, "exec": {"allow": ["/usr/bin/git", ["git", "clone"]]}})",
       {R"(p.json: /exec/allow/1: expected a path, as in "/usr/bin/git", or an object with "path" and "argv", found an array)"}},
      {R"({"version": 1, "exec": {"allow": [{"path": "/usr/bin/git", "argv": "git clone *"}]}})",
       {R"(p.json: /exec/allow/0/argv: expected an array of arguments, as in ["git", "clone", "*"], found "git clone *"; write ["git", "clone", "*"])"}},
      {R"({"version": 1, "exec": {"allow": [{"path": "/usr/bin/git", "argv": {"0": "git"}}]}})",
       {R"(p.json: /exec/allow/0/argv: expected an array of arguments, as in ["git", "clone", "*"], found an object)"}},
      {R"({"version": 1, "exec": {"allow": [{"path": "/bin/sh", "argv": ["sh", null]}]}})",
       {R"(p.json: /exec/allow/0/argv/1: expected an argument, or a glob over one, as in "*", found null)"}},
      {R"({"version": 1, "exec": {"allow": [{"path": ["/bin/sh"]}]}})",
       {R"(p.json: /exec/allow/0/path: expected a path, as in "/usr/bin/git", found an array)"}},
      {R"({"version": 1, "exec": {"allow": "/usr/bin/git"}})",
       {R"(p.json: /exec/allow: expected an array of exec rules, as in ["/usr/bin/git"], found "/usr/bin/git")"}},
      {R"({"version": 1, "exec": "none"})",
       {R"(p.json: /exec: expected an object, as in {"allow": ["/usr/bin/git"]}, found "none")"}},
      {R"({"version": 1, "network": "none"})",
       {R"(p.json: /network: expected an object, as in {"allow": ["api.example.com:443"]}, found "none")"}},
      {R"({"version": 1, "network": false})",
       {R"(p.json: /network: expected an object, as in {"allow": ["api.example.com:443"]}, found false)"}},
      {R"({"version": 1, "network": {"allow": true}})",
       {R"(p.json: /network/allow: expected an array of network rules, as in ["api.example.com:443"], found true)"}},
      {R"({"version": 1, "network": {"allow": [443]}})",
       {R"(p.json: /network/allow/0: expected a network rule, as in "api.example.com:443", found 443; for this port at every host write "*:443")"}},
      {R"({"version": 1, "network": {"allow": [{"host": "a", "port": 1}]}})",
       {R"(p.json: /network/allow/0: expected a network rule, as in "api.example.com:443", found an object)"}},
      {R"({"version": 1, "network": {"bind": [70000]}})",
       {R"(p.json: /network/bind/0: expected ports in a string, as in "8080" or "9000-9005", found 70000)"}},
      {R"({"version": 1, "network": {"bind": [[80, 90]]}})",
       {R"(p.json: /network/bind/0: expected ports in a string, as in "8080" or "9000-9005", found an array)"}},
      {R"({"version": 1, "syscalls": ["errno"]})",
       {R"(p.json: /syscalls/0: expected an object, as in {"names": ["ptrace"], "action": "errno"}, found "errno")"}},
      {R"({"version": 1, "description": ["a", "b"]})",
       {R"(p.json: /description: expected a string, found an array)"}},
      {R"({"version": 1, "unsafe_allow": {"ptrace": true}})",
       {R"(p.json: /unsafe_allow: expected an array of names of what the baseline refuses, as in ["ptrace"], found an object)"}},
  });
}

// Where a part of the language comes to be supported, what is said of its words has to change with it.
TEST(ParsePolicy, SaysOfNothingThatIsSupportedThatItIsNot) {
  const struct {
    Where where;
    std::string_view word;
    std::string_view policy;
  } cases[] = {
      {Where::kLimits, "storage", R"({"version": 1, "limits": {"disk": "1G"}})"},
  };
  const auto denies = [](const std::string& text) {
    return text.find("not supported yet") != std::string::npos;
  };
  for (const auto& row : cases) {
    const std::vector<std::string> mistakes = mistakes_of(row.policy);
    EXPECT_EQ(denies(key_advice(row.where, row.word)), !mistakes.empty() && denies(mistakes.front()))
        << row.word;
  }
}

TEST(ParsePolicy, KnowsSyscallsAsOthersNameThem) {
  const struct {
    std::string_view name;
    std::string message;
  } cases[] = {
      {"sys_ptrace", R"(unknown syscall "sys_ptrace"; write "ptrace")"},
      {"SYS_ptrace", R"(unknown syscall "SYS_ptrace"; write "ptrace")"},
      {"__NR_ptrace", R"(unknown syscall "__NR_ptrace"; write "ptrace")"},
      {"__x64_sys_ptrace", R"(unknown syscall "__x64_sys_ptrace"; write "ptrace")"},
      {"ptrace()", R"-(unknown syscall "ptrace()"; write "ptrace")-"},
      {"ptrace(2)", R"-(unknown syscall "ptrace(2)"; write "ptrace")-"},
      {"Mount", R"(unknown syscall "Mount"; write "mount")"},
      {"fopen", R"(unknown syscall "fopen"; write "openat")"},
      {"system", R"(unknown syscall "system"; write "execve")"},
      {"exec", R"(unknown syscall "exec"; write "execve")"},
      {"pthread_create", R"(unknown syscall "pthread_create"; write "clone3")"},
      {"ptrcae", R"(unknown syscall "ptrcae"; did you mean "ptrace"?)"},
      {"usrfaultfd", R"(unknown syscall "usrfaultfd"; did you mean "userfaultfd"?)"},
      {"*", R"(a "*" is not supported in the name of a syscall, found "*"; name each call)"},
      {"clone*", R"(a "*" is not supported in the name of a syscall, found "clone*"; name each call)"},
      {"@network-io", R"(sets of calls, as "@network-io", are not known here; name each call)"},
  };
  for (const auto& row : cases) {
    expect_mistakes({{R"({"version": 1, "syscalls": [{"names": [")" + std::string(row.name) +
                          R"("], "action": "errno"}]})",
                      {"p.json: /syscalls/0/names/0: " + row.message}}});
  }
}

TEST(ParsePolicy, CollectsEveryMistakeInTheOrderOfTheFile) {
  expect_mistakes({
      {R"({"version": 1, "mode": 1, "network": {"allow": ["a:0", "ok", "b:0"], "errno": 0}, "exec": 1})",
       {R"(p.json: /mode: expected "enforce" or "audit", found 1)",
        R"(p.json: /network/allow/0: port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)",
        R"(p.json: /network/allow/2: port 0 cannot be connected to; ports here are 1 to 65535, or "*" for all)",
        R"(p.json: /network/errno: expected an error name as in "EACCES", or a number from 1 to 4095, found 0)",
        R"(p.json: /exec: expected an object, as in {"allow": ["/usr/bin/git"]}, found 1)"}},
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
