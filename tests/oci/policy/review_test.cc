#include "oci/policy/review.h"

#include <gtest/gtest.h>

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "oci/policy/load.h"

// What is to be said of a policy that can be read, in the exact words that a person reads; and of the same
// with one thing other, nothing.

namespace tidewaiter::policy {

void PrintTo(const Remark& remark, std::ostream* out) {
  *out << remark.pointer << (remark.weight == Remark::Weight::kMistake ? " (mistake): " : ": ")
       << remark.message;
}

namespace {

// "pointer: message", and "mistake" behind the pointer of one.
std::vector<std::string> remarks_on(std::string_view members) {
  const auto policy = parse(R"({"version": 1, )" + std::string(members) + "}", "p.json", "p");
  if (!policy) return {"not read: " + policy.error().front().where + ": " + policy.error().front().message};
  std::vector<std::string> lines;
  for (const Remark& remark : review(*policy)) {
    lines.push_back(remark.pointer + (remark.weight == Remark::Weight::kMistake ? " mistake: " : ": ") +
                    remark.message);
    EXPECT_EQ(lines.back().find_first_of("\r\n"), std::string::npos);
  }
  return lines;
}

struct Case {
  std::string_view policy;  // of which `remark` is said
  std::string remark;
  std::string_view without;  // of which nothing is
};

void expect(const std::vector<Case>& cases) {
  for (const Case& row : cases) {
    EXPECT_EQ(remarks_on(row.policy), std::vector<std::string>{row.remark}) << row.policy;
    EXPECT_EQ(remarks_on(row.without), std::vector<std::string>{}) << row.without;
  }
}

TEST(Review, SaysWhatRestrictsNothing) {
  const std::string nothing =
      R"(: the policy restricts nothing: a list that is absent does not restrict; write "allow": [] in "network" or "exec" for what is to be refused whole)";
  const std::string_view something = R"("limits": {"processes": 9})";
  expect({
      {R"("description": "x")", nothing, something},
      {R"("network": {})", nothing, R"("network": {"allow": []})"},
      {R"("network": {"deny": [], "errno": "EPERM"})", nothing, R"("network": {"bind": []})"},
      {R"("exec": {"deny": []})", nothing, R"("exec": {"deny": ["/bin/nc"]})"},
      {R"("limits": {})", nothing, R"("limits": {"open_files": 64})"},
      {R"("limits": {})", nothing, R"("limits": {"timeout": 60})"},
      {R"("identity": {})", nothing, R"("identity": {"hostname": "a"})"},
      {R"("identity": {})", nothing, R"("identity": {"cpus": 1})"},
      {R"("syscalls": [])", nothing, R"("syscalls": [{"names": ["bpf"], "action": "log"}])"},
      {R"("network": {}, "limits": {"processes": 9})",
       R"(/network: restricts nothing; write "allow": [] to refuse every connection, or leave it out)",
       something},
      {R"("exec": {}, "limits": {"processes": 9})",
       R"(/exec: restricts nothing; write what may be run into "allow", or leave it out)", something},
      {R"("limits": {}, "network": {"allow": []})", "/limits: limits nothing; leave it out",
       R"("network": {"allow": []})"},
      {R"("network": {"allow": []}, "mode": "audit", "events": {"log": ["network"]})",
       R"(/mode: nothing is refused in mode "audit", and nothing reports what would be; write "denied" into "events"."log")",
       R"("network": {"allow": []}, "mode": "audit", "events": {"log": ["denied"]})"},
  });
}

TEST(Review, SaysWhatRestrictsNothingOfFilesAndIdentity) {
  const std::string audit =
      R"(/files: holds nothing in mode "audit", and nothing reports what would be refused, for the kernel has nobody to tell; leave it out, or write "mode": "enforce")";
  expect({
      {R"("files": {})",
       R"(: the policy restricts nothing: a list that is absent does not restrict; write "allow": [] in "network" or "exec" for what is to be refused whole)",
       R"("files": {"read": []})"},
      {R"("files": {"deny": []}, "limits": {"processes": 9})",
       R"(/files: restricts nothing; write what may be read, written or executed, or leave it out)",
       R"("files": {"deny": ["/srv"]})"},
      {R"("files": {"read": []}, "mode": "audit")", audit, R"("files": {"read": []}, "mode": "enforce")"},
      {R"("files": {"deny": ["/srv"]}, "mode": "audit", "events": {"log": []})", audit,
       R"("files": {"deny": ["/srv"]}, "events": {"log": []})"},
      {R"("files": {"deny": ["/srv"], "best_effort": true})",
       R"(/files/best_effort: changes nothing: what is denied takes nothing of the kernel's Landlock; leave it out)",
       R"("files": {"deny": ["/srv"], "write": [], "best_effort": true})"},
      {R"("identity": {})",
       R"(: the policy restricts nothing: a list that is absent does not restrict; write "allow": [] in "network" or "exec" for what is to be refused whole)",
       R"("identity": {"hosts": {"db.test": "10.0.0.5"}})"},
  });
}

TEST(Review, SaysWhichFileRulesAddNothing) {
  const auto adds_nothing = [](const std::string& rule, const std::string& by) {
    return rule + ": adds nothing: " + by + " covers all of it; leave it out";
  };
  expect({
      {R"("files": {"read": ["/usr/lib", "/usr"]})",
       adds_nothing("/files/read/0", R"(/files/read/1 ("/usr"))"),
       R"("files": {"read": ["/usr/lib", "/usr2"]})"},
      {R"("files": {"write": ["/", "/tmp"]})", adds_nothing("/files/write/1", R"(/files/write/0 ("/"))"),
       R"("files": {"write": ["/"]})"},
      {R"("files": {"exec": ["/usr/bin", "/usr/bin/git"]})",
       adds_nothing("/files/exec/1", R"(/files/exec/0 ("/usr/bin"))"),
       R"("files": {"exec": ["/usr/bin", "/usr/bin2"]})"},
      {R"("files": {"read": ["/tmp/a"], "write": ["/tmp"]})",
       adds_nothing("/files/read/0", R"(/files/write/0 ("/tmp"))"),
       R"("files": {"read": ["/tmp"], "write": ["/tmp/a"]})"},
      {R"("files": {"read": ["/usr/bin"], "exec": ["/usr/bin"]})",
       adds_nothing("/files/read/0", R"(/files/exec/0 ("/usr/bin"))"),
       R"("files": {"write": ["/usr/bin"], "exec": ["/usr/bin"]})"},
  });
}

TEST(Review, SaysWhichDestinationsAreAllowedAndDenied) {
  const auto contradiction = [](const std::string& by) {
    return "/network/allow/0: can never allow anything: " + by +
           " all of it, and deny beats allow; take out one or the other";
  };
  expect({
      {R"("network": {"allow": ["10.0.0.1:443"], "deny": ["10.0.0.0/8"]})",
       contradiction(R"(/network/deny/0 ("10.0.0.0/8") refuses)"),
       R"("network": {"allow": ["10.0.0.1:443"], "deny": ["10.0.1.0/24"]})"},
      {R"("network": {"allow": ["10.0.0.1:443"], "deny": ["*"]})",
       contradiction(R"(/network/deny/0 ("*") refuses)"),
       R"("network": {"allow": ["10.0.0.1:443"], "deny": ["*:80"]})"},
      {R"("network": {"allow": ["tcp://10.0.0.1:443"], "deny": ["tcp://10.0.0.1:400-500"]})",
       contradiction(R"(/network/deny/0 ("tcp://10.0.0.1:400-500") refuses)"),
       R"("network": {"allow": ["10.0.0.1:443"], "deny": ["tcp://10.0.0.1:400-500"]})"},
      {R"("network": {"allow": ["10.0.0.1:1-99"], "deny": ["10.0.0.1:1-50", "10.0.0.1:40-99"]})",
       contradiction(
           R"(/network/deny/0 ("10.0.0.1:1-50") and /network/deny/1 ("10.0.0.1:40-99") together refuse)"),
       R"("network": {"allow": ["10.0.0.1:1-99"], "deny": ["10.0.0.1:1-50", "10.0.0.1:52-99"]})"},
      {R"("network": {"allow": ["10.0.0.1:5"], "deny": ["tcp://10.0.0.1:5", "udp://10.0.0.0/8"]})",
       contradiction(
           R"(/network/deny/0 ("tcp://10.0.0.1:5") and /network/deny/1 ("udp://10.0.0.0/8") together refuse)"),
       R"("network": {"allow": ["10.0.0.1:5"], "deny": ["tcp://10.0.0.1:5", "udp://11.0.0.0/8"]})"},
      {R"("network": {"allow": ["*:5"], "deny": ["0.0.0.0/0", "::/0"]})",
       contradiction(R"(/network/deny/0 ("0.0.0.0/0") and /network/deny/1 ("::/0") together refuse)"),
       R"("network": {"allow": ["*:5"], "deny": ["0.0.0.0/0"]})"},
      {R"("network": {"allow": ["a.example:5"], "deny": ["A.example."]})",
       contradiction(R"(/network/deny/0 ("A.example.") refuses)"),
       R"("network": {"allow": ["a.example:5"], "deny": ["b.example"]})"},
      {R"("network": {"allow": ["icmp://10.0.0.1"], "deny": ["icmp://*"]})",
       contradiction(R"(/network/deny/0 ("icmp://*") refuses)"),
       R"("network": {"allow": ["icmp://10.0.0.1"], "deny": ["*"]})"},
      {R"("network": {"allow": ["unix:/run/pg/x"], "deny": ["unix:/run/**"]})",
       contradiction(R"(/network/deny/0 ("unix:/run/**") refuses)"),
       R"("network": {"allow": ["unix:/run/pg/x"], "deny": ["unix:/run/*"]})"},
      {R"("network": {"allow": ["unix:@x"], "deny": ["unix:@*"]})",
       contradiction(R"(/network/deny/0 ("unix:@*") refuses)"),
       R"("network": {"allow": ["unix:@x"], "deny": ["unix:**"]})"},
  });
}

TEST(Review, SaysWhichDestinationsAndPortsAreNamedTwice) {
  expect({
      {R"("network": {"allow": ["10.0.0.0/8", "10.0.0.1:443"]})",
       R"(/network/allow/1: adds nothing: /network/allow/0 ("10.0.0.0/8") covers all of it; leave it out)",
       R"("network": {"allow": ["10.0.0.1:443", "10.0.0.0/8"]})"},
      {R"("network": {"allow": ["a.example:443", "a.example:443"]})",
       R"(/network/allow/1: adds nothing: /network/allow/0 ("a.example:443") covers all of it; leave it out)",
       R"("network": {"allow": ["a.example:443", "a.example:444"]})"},
      // A name that is allowed resolves in the container: it adds that much.
      {R"("network": {"deny": ["*", "127.0.0.1"]})",
       R"(/network/deny/1: adds nothing: /network/deny/0 ("*") covers all of it; leave it out)",
       R"("network": {"allow": ["*", "a.example"]})"},
      {R"("network": {"allow": ["unix:/run/**", "unix:/run/*/x"]})",
       R"(/network/allow/1: adds nothing: /network/allow/0 ("unix:/run/**") covers all of it; leave it out)",
       R"("network": {"allow": ["unix:/run/*", "unix:/run/*/x"]})"},
      {R"("network": {"bind": ["8000-9000", "8080"]})",
       R"(/network/bind/1: adds nothing: /network/bind/0 ("8000-9000") covers all of it; leave it out)",
       R"("network": {"bind": ["8080", "8000-9000"]})"},
      {R"("network": {"bind": ["1-99", "100-200", "50-150"]})",
       R"(/network/bind/2: adds nothing: /network/bind/0 ("1-99") and /network/bind/1 ("100-200") together cover all of it; leave it out)",
       R"("network": {"bind": ["1-98", "100-200", "50-150"]})"},
      {R"("network": {"bind": ["*", "0"]})",
       R"(/network/bind/1: adds nothing: /network/bind/0 ("*") covers all of it; leave it out)",
       R"("network": {"bind": ["1-65535", "0"]})"},
  });
}

TEST(Review, SaysWhichWordsAreTakenForNames) {
  expect({
      {R"("network": {"allow": ["tcp:443"]})",
       R"(/network/allow/0: "tcp" is taken for the name of a host; for every host write "tcp://*:443")",
       R"("network": {"allow": ["tcp.example:443"]})"},
      {R"("network": {"allow": ["icmp"]})",
       R"(/network/allow/0: "icmp" is taken for the name of a host; for every host write "icmp://*")",
       R"("network": {"allow": ["icmp://*"]})"},
      {R"("network": {"deny": ["any"]})",
       R"(/network/deny/0: "any" is taken for the name of a host; for every host write "*")",
       R"("network": {"deny": ["*"]})"},
      {R"("network": {"allow": ["none"]})",
       R"(/network/allow/0: "none" is taken for the name of a host; an empty list allows nothing)",
       R"("network": {"allow": []})"},
      {R"("network": {"allow": ["*"], "deny": ["none"]})",
       R"(/network/deny/0: "none" is taken for the name of a host; an empty list refuses nothing)",
       R"("network": {"allow": ["*"], "deny": []})"},
      {R"("network": {"allow": ["udp://any:8000-8010"]})",
       R"(/network/allow/0: "any" is taken for the name of a host; for every host write "udp://*:8000-8010")",
       R"("network": {"allow": ["udp://tcp", "tcp://udp:53", "icmp://icmp"]})"},
  });
}

TEST(Review, SaysWhichProgramsAreAllowedAndDenied) {
  expect({
      {R"("exec": {"allow": ["/bin/sh", "/usr/bin/git"], "deny": ["/usr/bin/*"]})",
       R"(/exec/allow/1: can never allow anything: /exec/deny/0 ("/usr/bin/*") refuses all of it, and deny beats allow; take out one or the other)",
       R"("exec": {"allow": ["/bin/sh", "/usr/lib/git"], "deny": ["/usr/bin/*"]})"},
      {R"("exec": {"allow": ["/bin/sh", "/usr/bin/p*"], "deny": ["/usr/bin/**"]})",
       R"(/exec/allow/1: can never allow anything: /exec/deny/0 ("/usr/bin/**") refuses all of it, and deny beats allow; take out one or the other)",
       R"("exec": {"allow": ["/bin/sh", "/usr/b*"], "deny": ["/usr/bin/**"]})"},
      {R"("exec": {"allow": ["/bin/sh", {"path": "/usr/bin/git", "argv": ["git", "clone", "*"]}], "deny": ["/usr/bin/git"]})",
       R"(/exec/allow/1: can never allow anything: /exec/deny/0 ("/usr/bin/git") refuses all of it, and deny beats allow; take out one or the other)",
       R"("exec": {"allow": ["/bin/sh", "/usr/bin/git"], "deny": [{"path": "/usr/bin/git", "argv": ["git", "push", "**"]}]})"},
      {R"("exec": {"allow": ["/bin/sh", {"path": "/usr/bin/git", "argv": ["git", "push", "x"]}], "deny": [{"path": "**", "argv": ["*", "push", "**"]}]})",
       R"(/exec/allow/1: can never allow anything: /exec/deny/0 ("**") refuses all of it, and deny beats allow; take out one or the other)",
       R"("exec": {"allow": ["/bin/sh", {"path": "/usr/bin/git", "argv": ["git", "push", "**"]}], "deny": [{"path": "**", "argv": ["*", "push", "*"]}]})"},
      {R"("exec": {"allow": ["/usr/bin/*", "/usr/bin/git"]})",
       R"(/exec/allow/1: adds nothing: /exec/allow/0 ("/usr/bin/*") covers all of it; leave it out)",
       R"("exec": {"allow": ["/usr/bin/git", "/usr/bin/*"]})"},
      {R"("exec": {"deny": ["/usr/**", {"path": "/usr/bin/nc", "argv": ["nc", "**"]}]})",
       R"(/exec/deny/1: adds nothing: /exec/deny/0 ("/usr/**") covers all of it; leave it out)",
       R"("exec": {"deny": [{"path": "/usr/bin/nc", "argv": ["nc", "**"]}, "/usr/bin/nc"]})"},
      {R"("exec": {"allow": [{"path": "/bin/sh", "argv": ["**"]}, "/bin/sh"]})",
       R"(/exec/allow/1: adds nothing: /exec/allow/0 ("/bin/sh") covers all of it; leave it out)",
       R"("exec": {"allow": [{"path": "/bin/sh", "argv": ["*", "**"]}, "/bin/sh"]})"},
  });
}

TEST(Review, SaysThatNoContainerStarts) {
  const std::string start = " mistake: no program may be run, the container's own first one included: ";
  const std::string end = "; allow that program at least";
  expect({
      {R"("exec": {"allow": []})", "/exec/allow" + start + "the list is empty" + end,
       R"("exec": {"allow": []}, "mode": "audit")"},
      {R"("exec": {"deny": ["**"]})", "/exec/deny/0" + start + "it matches every path" + end,
       R"("exec": {"deny": ["/*"]})"},
      {R"("exec": {"deny": ["/bin/sh", "/**"]})", "/exec/deny/1" + start + "it matches every path" + end,
       R"("exec": {"deny": ["/bin/sh", {"path": "/**", "argv": ["*", "**"]}]})"},
  });
  EXPECT_EQ(
      remarks_on(R"("exec": {"allow": ["/bin/sh"], "deny": ["/bin/*"]})"),
      (std::vector<std::string>{
          R"(/exec/allow/0: can never allow anything: /exec/deny/0 ("/bin/*") refuses all of it, and deny beats allow; take out one or the other)",
          "/exec" + start + R"(every rule of "allow" is refused by one of "deny")" + end}));
}

TEST(Review, SaysWhichPathsHardlyMeanWhatTheySay) {
  expect({
      {R"("exec": {"allow": ["/usr/bin/git clone *"]})",
       R"(/exec/allow/0: "/usr/bin/git clone *" is one path, spaces and all; for a program with arguments write {"path": "/usr/bin/git", "argv": ["git", "clone", "*"]})",
       R"("exec": {"allow": ["/opt/My Program/bin/x"]})"},
      {R"("exec": {"allow": ["/usr/bin/python3.?"]})",
       R"(/exec/allow/0: only "*" and "**" are special in "/usr/bin/python3.?": "?" stands for itself; write "*", or a rule for each path)",
       R"("exec": {"allow": ["/usr/bin/python3.*"]})"},
      {R"("exec": {"deny": ["/usr/bin/[a-z]*"]})",
       R"(/exec/deny/0: only "*" and "**" are special in "/usr/bin/[a-z]*": "[…]" stands for itself; write "*", or a rule for each path)",
       R"("exec": {"deny": ["/usr/bin/["]})"},
      {R"("exec": {"allow": ["/usr/bin/{git,tar}"]})",
       R"(/exec/allow/0: only "*" and "**" are special in "/usr/bin/{git,tar}": "{…}" stands for itself; write "*", or a rule for each path)",
       R"("exec": {"allow": ["/usr/bin/git", "/usr/bin/tar"]})"},
      {R"("exec": {"allow": ["/usr/bin/.*"]})",
       R"(/exec/allow/0: in "/usr/bin/.*" "." stands for itself, so ".*" is only for names that begin with it; for all names write "*")",
       R"("exec": {"allow": ["/usr/bin/*"]})"},
      {R"("exec": {"deny": ["/opt/.+/bin"]})",
       R"(/exec/deny/0: only "*" and "**" are special in "/opt/.+/bin": ".+" stands for itself; write "*", or a rule for each path)",
       R"("exec": {"deny": ["/opt/*/bin"]})"},
      {R"("exec": {"allow": ["/opt/$VERSION/bin/x"]})",
       R"(/exec/allow/0: variables are not replaced in "/opt/$VERSION/bin/x"; write the path itself, or "*")",
       R"("exec": {"allow": ["/opt/*/bin/x"]})"},
      {R"("exec": {"allow": ["/bin/sh", {"path": "/proc/self/exe", "argv": ["*"]}]})",
       R"(/exec/allow/1/path: "/proc/self/exe" can never match: a program is named by what a link leads to)",
       R"("exec": {"allow": ["/bin/sh"]})"},
      {R"("exec": {"allow": [{"path": "/usr/bin/git", "argv": ["--version"]}]})",
       R"(/exec/allow/0/argv: the first pattern, "--version", is for argv[0], the program's own name; write ["git", "--version"])",
       R"("exec": {"allow": [{"path": "/usr/bin/git", "argv": ["git", "--version"]}]})"},
      {R"("exec": {"allow": [{"path": "/usr/bin/*", "argv": ["-v", "**"]}]})",
       R"(/exec/allow/0/argv: the first pattern, "-v", is for argv[0], the program's own name; write ["*", "-v", "**"])",
       R"("exec": {"allow": [{"path": "/usr/bin/bash", "argv": ["-bash"]}, {"path": "/usr/bin/dash", "argv": ["-sh", "**"]}]})"},
  });
}

TEST(Review, SaysWhichSyscallRulesNeverDecide) {
  expect({
      {R"("syscalls": [{"names": ["bpf"], "action": "errno"}, {"names": ["bpf"], "action": "kill"}])",
       "/syscalls/1: never decides: /syscalls/0 answers every such call before; put the narrower rule in "
       "front, or "
       "leave one out",
       R"("syscalls": [{"names": ["bpf"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 5}]}, {"names": ["bpf"], "action": "kill"}])"},
      {R"("syscalls": [{"names": ["bpf", "ptrace"], "action": "errno"}, {"names": ["ptrace", "acct"], "action": "errno"}])",
       R"(/syscalls/1: for "ptrace": never decides: /syscalls/0 answers every such call before, and in the same way; take "ptrace" out of its names)",
       R"("syscalls": [{"names": ["bpf", "ptrace"], "action": "errno"}, {"names": ["acct"], "action": "errno"}])"},
      {R"("syscalls": [{"names": ["bpf", "ptrace"], "action": "errno"}, {"names": ["ptrace", "acct", "bpf"], "action": "kill"}])",
       R"(/syscalls/1: for "bpf" and "ptrace": never decides: /syscalls/0 answers every such call before; put the narrower rule in front, or take "bpf" and "ptrace" out of one)",
       R"("syscalls": [{"names": ["bpf", "ptrace"], "action": "errno"}, {"names": ["acct"], "action": "kill"}])"},
      // An exception behind what it is an exception from.
      {R"("syscalls": [{"names": ["socket"], "action": "errno"}, {"names": ["socket"], "action": "allow", "args": [{"index": 0, "op": "eq", "value": "AF_UNIX"}]}])",
       "/syscalls/1: never decides: /syscalls/0 answers every such call before; put the narrower rule in "
       "front, or "
       "leave one out",
       R"("syscalls": [{"names": ["socket"], "action": "allow", "args": [{"index": 0, "op": "eq", "value": "AF_UNIX"}]}, {"names": ["socket"], "action": "errno"}])"},
      {R"("syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "ge", "value": 5}]}, {"names": ["socket"], "action": "kill", "args": [{"index": 0, "op": "eq", "value": 17}, {"index": 1, "op": "eq", "value": 3}]}])",
       "/syscalls/1: never decides: /syscalls/0 answers every such call before; put the narrower rule in "
       "front, or "
       "leave one out",
       R"("syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "ge", "value": 18}]}, {"names": ["socket"], "action": "kill", "args": [{"index": 0, "op": "eq", "value": 17}, {"index": 1, "op": "eq", "value": 3}]}])"},
      // Two together leave nothing to the third.
      {R"("syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "lt", "value": 5}]}, {"names": ["socket"], "action": "kill", "args": [{"index": 0, "op": "ge", "value": 5}]}, {"names": ["socket"], "action": "log"}])",
       "/syscalls/2: never decides: earlier rules answer every such call; put it in front of them",
       R"("syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "lt", "value": 5}]}, {"names": ["socket"], "action": "kill", "args": [{"index": 0, "op": "gt", "value": 5}]}, {"names": ["socket"], "action": "log"}])"},
      {R"("syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 1, "op": "gt", "value": 9}, {"index": 1, "op": "lt", "value": 5}]}])",
       "/syscalls/0: can never match: no argument fits all tests; for alternatives write a rule for each",
       R"("syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 1, "op": "gt", "value": 5}, {"index": 1, "op": "lt", "value": 9}]}])"},
      {R"("syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 2, "op": "masked_eq", "mask": 4, "value": 4}, {"index": 2, "op": "masked_eq", "mask": 6, "value": 2}]}])",
       "/syscalls/0: can never match: no argument fits all tests; for alternatives write a rule for each",
       R"("syscalls": [{"names": ["mmap"], "action": "errno", "args": [{"index": 2, "op": "masked_eq", "mask": 4, "value": 4}, {"index": 2, "op": "masked_eq", "mask": 6, "value": 6}]}])"},
  });
}

TEST(Review, SaysWhichSyscallRulesChangeNothing) {
  const std::string nothing =
      R"(changes nothing: what no rule refuses is allowed anyway, so "allow" is only for exceptions in front of a rule that refuses; leave it out)";
  expect({
      {R"("syscalls": [{"names": ["read", "write"], "action": "allow"}, {"names": ["bpf"], "action": "errno"}])",
       "/syscalls/0: " + nothing, R"("syscalls": [{"names": ["bpf"], "action": "errno"}])"},
      {R"("syscalls": [{"names": ["socket", "read"], "action": "allow", "args": [{"index": 0, "op": "eq", "value": 1}]}, {"names": ["socket"], "action": "errno"}, {"names": ["bpf"], "action": "errno"}])",
       R"(/syscalls/0: for "read": )" + nothing.substr(0, nothing.rfind(';')) +
           R"(; take "read" out of its names)",
       R"("syscalls": [{"names": ["bpf"], "action": "errno"}])"},
      {R"("syscalls": [{"names": ["socket"], "action": "allow", "args": [{"index": 0, "op": "eq", "value": 1}]}, {"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 2}]}])",
       "/syscalls/0: " + nothing,
       R"("syscalls": [{"names": ["socket"], "action": "allow", "args": [{"index": 0, "op": "eq", "value": 2}, {"index": 1, "op": "eq", "value": 1}]}, {"names": ["socket"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 2}]}])"},
  });
}

TEST(Review, SaysWhichRulesStandAgainstEachOther) {
  expect({
      {R"("network": {"allow": ["10.0.0.1"]}, "syscalls": [{"names": ["connect"], "action": "errno"}])",
       "/syscalls/0: refuses every connect, whatever /network/allow allows: of that only datagrams are left "
       "that are sent without one; leave this rule out if connections are meant",
       R"("network": {"allow": []}, "syscalls": [{"names": ["connect"], "action": "errno"}])"},
      {R"("network": {"bind": ["80"]}, "syscalls": [{"names": ["bind"], "action": "kill"}])",
       R"(/syscalls/0: refuses every bind, whatever /network/bind allows; leave this rule out, or write "bind": [] in "network")",
       R"("network": {"bind": []}, "syscalls": [{"names": ["bind"], "action": "kill"}])"},
      {R"("network": {"allow": ["10.0.0.1"]}, "syscalls": [{"names": ["socket"], "action": "errno"}])",
       R"(/syscalls/0: refuses every socket, so what /network/allow allows is only for sockets that come from elsewhere; leave this rule out, or write "allow": [] in "network")",
       R"("network": {"allow": ["10.0.0.1"]}, "syscalls": [{"names": ["socket"], "action": "errno", "args": [{"index": 1, "op": "eq", "value": 3}]}])"},
      {R"("exec": {"allow": ["/bin/sh"]}, "syscalls": [{"names": ["ptrace"], "action": "allow"}])",
       R"(/syscalls/0: allows nothing: the baseline refuses "ptrace"; to give it back write "unsafe_allow": ["ptrace"])",
       R"("exec": {"allow": ["/bin/sh"]}, "unsafe_allow": ["ptrace"])"},
      {R"("exec": {"allow": ["/bin/sh"]}, "unsafe_allow": ["ptrace"], "syscalls": [{"names": ["ptrace"], "action": "errno"}])",
       R"(/unsafe_allow/0: gives back no call: /syscalls/0 refuses all that "ptrace" is about; what it does is to open writing to files of /proc: if that is meant write "proc_writes")",
       R"("exec": {"allow": ["/bin/sh"]}, "unsafe_allow": ["ptrace"], "syscalls": [{"names": ["ptrace"], "action": "errno", "args": [{"index": 0, "op": "eq", "value": 16}]}])"},
      {R"("network": {"allow": []}, "unsafe_allow": ["bpf"], "syscalls": [{"names": ["bpf"], "action": "errno"}])",
       R"(/unsafe_allow/0: gives nothing back: /syscalls/0 refuses all that "bpf" is about; leave one or the other out)",
       R"("network": {"allow": []}, "unsafe_allow": ["bpf"])"},
      // kexec is two calls.
      {R"("exec": {"allow": ["/bin/sh"]}, "unsafe_allow": ["kexec"], "syscalls": [{"names": ["kexec_load", "kexec_file_load"], "action": "errno"}])",
       R"(/unsafe_allow/0: gives nothing back: /syscalls/0 refuses all that "kexec" is about; leave one or the other out)",
       R"("exec": {"allow": ["/bin/sh"]}, "unsafe_allow": ["kexec"], "syscalls": [{"names": ["kexec_load"], "action": "errno"}])"},
  });
}

TEST(Review, IsNotLedOn) {
  // Globs that are dear to compare are passed over, and quickly.
  std::string stars;
  for (int i = 0; i < 300; ++i) stars += "*a";
  EXPECT_EQ(remarks_on(R"("exec": {"allow": ["/)" + stars + R"(b", "/)" + stars + R"("]})"),
            std::vector<std::string>{});
  // Many rules likewise, but not without a word: who gets no other must not take all for compared.
  std::string rules;
  for (int i = 0; i < 20'000; ++i) rules += R"("/usr/bin/)" + std::to_string(10'000 + i) + "*\", ";
  EXPECT_EQ(
      remarks_on(R"("exec": {"allow": [)" + rules + R"("/bin/sh"]})"),
      std::vector<std::string>{
          ": there are too many rules, or too intricate ones, to compare each with every other: what is left "
          "was passed over"});
  std::string hosts;
  for (int i = 0; i < 10'000; ++i)
    hosts += "\"10.1." + std::to_string(i / 250) + "." + std::to_string(i % 250) + ":443\", ";
  std::string names;
  for (int i = 0; i < 10'000; ++i) names += "\"h" + std::to_string(i) + ".example\", ";
  EXPECT_EQ(remarks_on(R"("network": {"allow": [)" + names + R"("192.0.2.1"]})").size(), 1U);
  EXPECT_EQ(remarks_on(R"("network": {"deny": [)" + hosts + R"("192.0.2.1"]})").size(), 1U);
}

}  // namespace
}  // namespace tidewaiter::policy
