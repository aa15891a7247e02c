#include "shim/commands/doctor.h"

#include <gmock/gmock.h>

#include <cerrno>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>

#include "oci/policy/load.h"

namespace tidewaiter::shim {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kUnified = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";
constexpr const char* kHybrid =
    "30 23 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro\n"
    "31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
    "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
constexpr const char* kLegacy = "32 30 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";

// A machine where everything is as it should be, until a test says otherwise.
class ScriptedMachine : public Machine {
 public:
  std::string release = "6.18.1";
  std::map<std::string, std::string> files = {
      {"/proc/self/status", "Name:\tdoctor\nCapEff:\t000001ffffffffff\nSeccomp:\t0\nSeccomp_filters:\t0\n"},
      {"/proc/self/mountinfo", kUnified},
      {"/sys/fs/cgroup/cgroup.controllers", "cpuset cpu io memory pids\n"},
      {"/proc/sys/kernel/io_uring_disabled", "0\n"},
      {"/etc/tidewaiter/config.json", "{}"},
      {"/etc/tidewaiter/policies/web.json", R"({"version": 1})"},
  };
  std::map<std::string, int> unwritable;  // folder -> errno
  bool root = true;
  int landlock = 7;
  std::string init = "/usr/bin/tidewaiter-init";
  bool notifications = true;
  Result<seccomp::ListenerTrial> trial = seccomp::ListenerTrial{};
  unsigned api = 6;
  std::string runtime = "/usr/bin/crun";
  runtime::Kind kind = runtime::Kind::kCrun;
  std::string agent = "/usr/bin/tidewaiter-agent";
  bool node_answers = true;

  std::string kernel_release() const override { return release; }
  Result<std::string> read_file(const std::string& path) const override {
    const auto found = files.find(path);
    if (found == files.end()) return fail(ENOENT, path);
    return found->second;
  }
  Result<std::vector<std::string>> list(const std::string& folder) const override {
    std::vector<std::string> names;
    for (const auto& [path, text] : files) {
      if (path.starts_with(folder + "/")) names.push_back(path.substr(folder.size() + 1));
    }
    return names;
  }
  Status writable(const std::string& folder) const override {
    const auto found = unwritable.find(folder);
    if (found != unwritable.end()) return fail(found->second, folder);
    return {};
  }
  bool initial_root() const override { return root; }
  Result<seccomp::ListenerTrial> try_listener() const override { return trial; }
  bool knows_notifications() const override { return notifications; }
  int landlock_abi() const override { return landlock; }
  std::string init_path() const override { return init; }
  seccomp::LibraryVersion library_version() const override { return {2, 5, 4}; }
  unsigned library_api_level() const override { return api; }
  Result<std::string> find_runtime(const container::Settings&) const override {
    if (runtime.empty()) return fail("neither crun nor runc is on PATH");
    return runtime;
  }
  std::vector<std::string> runtimes_on_path() const override { return {"/usr/bin/crun", "/usr/sbin/runc"}; }
  Result<runtime::Kind> identify(const std::string& path) const override {
    if (path == "/usr/sbin/runc") return runtime::Kind::kRunc;
    return kind;
  }
  Result<std::string> version(const std::string&) const override { return "1.8.1"; }
  Status ask_node_agent(const std::string& socket) const override {
    if (node_answers) return {};
    return fail("no node agent listens at " + socket);
  }
  Result<std::string> agent_path(const std::string&) const override {
    if (agent.empty()) return fail(ENOENT, "agent /usr/bin/tidewaiter-agent");
    return agent;
  }
};

// All that is examined.
struct Surroundings {
  ScriptedMachine machine;
  Result<container::Directories> directories =
      container::Directories{"/etc/tidewaiter/config.json", "/run/tidewaiter", "/var/log/tidewaiter"};
  Result<container::Settings> settings = [] {
    container::Settings made;
    made.path = "/etc/tidewaiter/config.json";
    return made;
  }();
};

class Doctor : public ::testing::Test {
 protected:
  Surroundings here_;
  std::string output_;
  bool possible(bool json = false) {
    std::ostringstream out;
    const bool verdict = examine({here_.machine, here_.directories, here_.settings}, json, out);
    output_ = out.str();
    return verdict;
  }
  // The findings of one check that are no good news.
  std::string complaints(std::string_view check) {
    possible();
    std::istringstream lines(output_);
    std::string found;
    for (std::string line; std::getline(lines, line);) {
      if (!line.starts_with("ok") && line.find("  " + std::string(check)) != std::string::npos)
        found += line + "\n";
    }
    return found;
  }
};

TEST_F(Doctor, FindsNothingWrongWithAGoodMachine) {
  EXPECT_TRUE(possible());
  EXPECT_THAT(output_, Not(HasSubstr("warn")));
  EXPECT_THAT(output_, Not(HasSubstr("fail")));
  for (const char* part : {"Linux 6.18.1", "libseccomp 2.5.4", "/usr/bin/crun, version 1.8.1",
                           "also found: /usr/sbin/runc", "Containers can be supervised here.\n"}) {
    EXPECT_THAT(output_, HasSubstr(part));
  }
}

TEST_F(Doctor, SaysWhichSeccompFlagsARuntimeTakes) {
  possible();
  EXPECT_THAT(
      output_,
      HasSubstr("/usr/bin/crun, version 1.8.1: every supervised call may notify; it takes the seccomp "
                "flags LOG, SPEC_ALLOW, TSYNC (not with supervision), WAIT_KILLABLE_RECV\n"));
  here_.machine.kind = runtime::Kind::kRunc;
  possible();
  EXPECT_THAT(output_, HasSubstr("; it takes the seccomp flags LOG (from version 1.2 on), SPEC_ALLOW"));
  here_.machine.kind = runtime::Kind::kUnknown;
  EXPECT_THAT(complaints("runtimes"), AllOf(HasSubstr("sendmsg"), Not(HasSubstr("seccomp flags"))));
}

TEST_F(Doctor, HasALineForEveryCheck) {
  possible();
  for (const DoctorCheck& check : doctor_checks())
    EXPECT_THAT(output_, HasSubstr("  " + std::string(check.name))) << check.name;
}

// Each ailment with the check that finds it, its grade, and a word of what is said.
TEST_F(Doctor, NamesEachAilment) {
  struct Ailment {
    const char* what;
    void (*inflict)(Surroundings&);
    const char* check;
    bool deadly;
    const char* words;
  };
  const Ailment ailments[] = {
      {"no init", [](Surroundings& s) { s.machine.init.clear(); }, "landlock", false, "no tidewaiter-init"},
      {"no Landlock", [](Surroundings& s) { s.machine.landlock = 0; }, "landlock", false, "no Landlock"},
      {"an old Landlock", [](Surroundings& s) { s.machine.landlock = 4; }, "landlock", false, "files.write"},
      {"an older Landlock", [](Surroundings& s) { s.machine.landlock = 1; }, "landlock", false,
       "has file rules"},
      {"old kernel", [](Surroundings& s) { s.machine.release = "5.15.0-91-generic"; }, "kernel", false,
       "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV"},
      {"no sealed mappings", [](Surroundings& s) { s.machine.release = "6.10.0"; }, "kernel", false,
       "use Linux 6.11 or newer"},
      {"very old kernel", [](Surroundings& s) { s.machine.release = "5.10"; }, "kernel", false,
       "SECCOMP_ADDFD_FLAG_SEND"},
      {"no notifications", [](Surroundings& s) { s.machine.notifications = false; }, "notifications", true,
       "Linux 5.9"},
      {"nested listener",
       [](Surroundings& s) { s.machine.trial = seccomp::ListenerTrial{.listener = EBUSY}; }, "notifications",
       true, "EBUSY"},
      {"forbidden", [](Surroundings& s) { s.machine.trial = seccomp::ListenerTrial{.listener = EPERM}; },
       "notifications", true, "Operation not permitted"},
      {"killed",
       [](Surroundings& s) { s.machine.trial = fail("the process that tried did not live to tell"); },
       "notifications", true, "did not live"},
      {"slow wake-up",
       [](Surroundings& s) { s.machine.trial = seccomp::ListenerTrial{.sync_wake_up = EINVAL}; },
       "notifications", false, "Linux 6.6"},
      {"no pidfd_getfd", [](Surroundings& s) { s.machine.trial = seccomp::ListenerTrial{.take_fd = EPERM}; },
       "notifications", true, "pidfd_getfd"},
      {"a sandbox",
       [](Surroundings& s) {
         s.machine.files["/proc/self/status"] = "CapEff:\t000001ffffffffff\nSeccomp:\t2\n";
       },
       "own filter", false, "already"},
      {"old libseccomp", [](Surroundings& s) { s.machine.api = 4; }, "libseccomp", true, "libseccomp 2.5"},
      {"no runtime", [](Surroundings& s) { s.machine.runtime.clear(); }, "runtimes", true,
       "neither crun nor runc"},
      {"strange runtime", [](Surroundings& s) { s.machine.kind = runtime::Kind::kUnknown; }, "runtimes",
       false, "sendmsg"},
      {"a controller is missing",
       [](Surroundings& s) { s.machine.files["/sys/fs/cgroup/cgroup.controllers"] = "cpu pids\n"; }, "limits",
       false, "/limits/memory: no cgroup would hold it"},
      {"a controller is not delegated",
       [](Surroundings& s) {
         s.machine.root = false;
         s.machine.files["/proc/self/cgroup"] = "0::/user.slice/user-1000.slice/session-1.scope\n";
         s.machine.files["/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers"] =
             "memory pids\n";
       },
       "limits", false,
       "/limits/cpus: no cgroup would hold it: the machine has its controller, but does not"},
      {"processors are not delegated",
       [](Surroundings& s) {
         s.machine.root = false;
         s.machine.files["/proc/self/cgroup"] = "0::/user.slice/user-1000.slice/session-1.scope\n";
         s.machine.files["/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/cgroup.controllers"] =
             "cpu memory pids\n";
       },
       "limits", false,
       "/identity/cpus: no cgroup would hold it: the machine has its controller, but does not"},
      {"limits of a user under version 1",
       [](Surroundings& s) {
         s.machine.files["/proc/self/mountinfo"] = kLegacy;
         s.machine.root = false;
       },
       "limits", false, "under version 1 an ordinary user has none"},
      {"hybrid cgroups under crun",
       [](Surroundings& s) { s.machine.files["/proc/self/mountinfo"] = kHybrid; }, "cgroups", true,
       "use runc"},
      {"hybrid cgroups under runc",
       [](Surroundings& s) {
         s.machine.files["/proc/self/mountinfo"] = kHybrid;
         s.machine.runtime = "/usr/sbin/runc";
       },
       "cgroups", false, "keep to runc"},
      {"no cgroups", [](Surroundings& s) { s.machine.files.erase("/proc/self/mountinfo"); }, "cgroups", false,
       "mount them"},
      {"no XDG_RUNTIME_DIR", [](Surroundings& s) { s.directories = fail("XDG_RUNTIME_DIR is not set"); },
       "privileges", true, "XDG_RUNTIME_DIR"},
      {"few capabilities",
       [](Surroundings& s) {
         s.machine.files["/proc/self/status"] = "CapEff:\t00000000a80425fb\nSeccomp:\t0\n";
       },
       "privileges", false, "CAP_SYS_ADMIN"},
      {"no ptrace", [](Surroundings& s) { s.machine.files["/proc/sys/kernel/yama/ptrace_scope"] = "3\n"; },
       "ptrace", true, "ptrace_scope"},
      {"wrong configuration", [](Surroundings& s) { s.settings = fail("config.json: /runtme: unknown key"); },
       "configuration", true, "/runtme"},
      {"wrong policy", [](Surroundings& s) { s.machine.files["/etc/tidewaiter/policies/db.json"] = "{}"; },
       "policies", false, "tidewaiter policy check /etc/tidewaiter/policies/db.json"},
      {"wrong default policy",
       [](Surroundings& s) {
         s.settings->default_policy = "db";
         s.machine.files["/etc/tidewaiter/policies/db.json"] = "{}";
       },
       "policies", true,
       "the default policy is wrong: /etc/tidewaiter/policies/db.json: missing key \"version\""},
      {"no such default policy", [](Surroundings& s) { s.settings->default_policy = "db"; }, "policies", true,
       "there is no default policy \"db\": every container that names no policy is refused. To do: write "
       "/etc/tidewaiter/policies/db.json, or correct \"default_policy\""},
      {"a default policy that is no name", [](Surroundings& s) { s.settings->default_policy = "a/b"; },
       "policies", true, "the default policy \"a/b\" is no name of a policy"},
      {"a policy that nobody can name",
       [](Surroundings& s) {
         s.machine.files["/etc/tidewaiter/policies/with space.json"] = R"({"version": 1})";
       },
       "policies", false,
       "/etc/tidewaiter/policies/with space.json has a name that no policy can have: no container can name "
       "it"},
      {"a hidden policy",
       [](Surroundings& s) { s.machine.files["/etc/tidewaiter/policies/.hid.json"] = R"({"version": 1})"; },
       "policies", false, ".hid.json has a name that no policy can have"},
      {"a policy that is too large",
       [](Surroundings& s) {
         s.machine.files["/etc/tidewaiter/policies/large.json"] =
             R"({"version": 1})" + std::string(policy::kMaxPolicyBytes, ' ');
       },
       "policies", false, "large.json: File too large"},
      {"an allowed policy that is not there",
       [](Surroundings& s) {
         s.settings->allowed_policies = {"web", "db"};
       },
       "policies", false, "\"allowed_policies\" has \"db\", and there is no such policy"},
      {"no default policy", [](Surroundings& s) { s.settings->default_policy = "/srv/absent.json"; },
       "policies", true, "/srv/absent.json"},
      {"broken default policy",
       [](Surroundings& s) {
         s.settings->default_policy = "/srv/broken.json";
         s.machine.files["/srv/broken.json"] = "{}";
       },
       "policies", true, "/srv/broken.json"},
      {"no agent", [](Surroundings& s) { s.machine.agent.clear(); }, "agent", true, "No such file"},
      {"no node agent",
       [](Surroundings& s) {
         s.settings->agent_socket = "/run/agent.sock";
         s.machine.node_answers = false;
       },
       "agent", true, "no node agent listens at /run/agent.sock"},
      {"state folder", [](Surroundings& s) { s.machine.unwritable["/run/tidewaiter"] = EROFS; }, "folders",
       true, "Read-only"},
      {"log folder", [](Surroundings& s) { s.machine.unwritable["/var/log/tidewaiter"] = EACCES; }, "folders",
       true, "Permission denied"},
  };
  for (const Ailment& ailment : ailments) {
    SCOPED_TRACE(ailment.what);
    here_ = Surroundings{};
    ailment.inflict(here_);
    EXPECT_THAT(complaints(ailment.check), HasSubstr(ailment.words));
    EXPECT_EQ(("\n" + complaints(ailment.check)).find("\nfail ") != std::string::npos, ailment.deadly);
    EXPECT_EQ(possible(), !ailment.deadly);
    EXPECT_THAT(complaints(ailment.check), HasSubstr("To do: "));
  }
}

TEST_F(Doctor, TakesLegacyCgroupsAndTheDefaultPolicyAsTheyAre) {
  here_.machine.files["/proc/self/mountinfo"] = kLegacy;
  here_.settings->default_policy = "web";
  EXPECT_TRUE(possible());
  EXPECT_THAT(output_, HasSubstr("1 valid policies"));
}

TEST_F(Doctor, CountsThePoliciesThatContainersCanName) {
  here_.machine.files["/etc/tidewaiter/policies/with space.json"] = R"({"version": 1})";
  here_.machine.files["/etc/tidewaiter/policies/.hid.json"] = R"({"version": 1})";
  EXPECT_TRUE(possible());
  EXPECT_THAT(output_, HasSubstr("1 valid policies in /etc/tidewaiter/policies: containers can name them\n"));
  here_.settings->allowed_policies = {"web"};
  possible();
  EXPECT_THAT(output_, HasSubstr(": containers can name those in \"allowed_policies\"\n"));
}

// Where there is no place for state there is none for the configuration, which is not wrong for that.
TEST_F(Doctor, FailsOnceForOneCause) {
  here_.directories = fail("XDG_RUNTIME_DIR is not set");
  here_.settings = fail("XDG_RUNTIME_DIR is not set");
  EXPECT_FALSE(possible());
  EXPECT_EQ(output_.find("XDG_RUNTIME_DIR"), output_.rfind("XDG_RUNTIME_DIR")) << output_;
  EXPECT_THAT(output_, Not(HasSubstr("configuration")));
}

TEST_F(Doctor, TellsTheVersion) {
  possible();
  EXPECT_THAT(output_, HasSubstr("\nok    version        tidewaiter " TIDEWAITER_VERSION ": "));
}

TEST_F(Doctor, SpeaksJson) {
  here_.machine.agent.clear();
  EXPECT_FALSE(possible(true));
  const auto document = nlohmann::json::parse(output_);
  EXPECT_EQ(document["supervision_possible"], false);
  bool found = false;
  for (const auto& finding : document["findings"]) {
    if (finding["check"] != "agent") continue;
    found = true;
    EXPECT_EQ(finding["grade"], "fail");
    EXPECT_TRUE(finding["advice"].is_string());
  }
  EXPECT_TRUE(found);
  EXPECT_TRUE(document["findings"][0]["advice"].is_null());
}

TEST(ThisMachine, AnswersForReal) {
  const Machine& machine = this_machine();
  EXPECT_FALSE(machine.kernel_release().empty());
  EXPECT_TRUE(machine.writable("/tmp/no/such/folder"));
  EXPECT_FALSE(machine.writable("/proc/self/no"));
  EXPECT_FALSE(machine.list("/no/such/folder"));
  EXPECT_GE(machine.library_version().major, 2U);
  if (!machine.knows_notifications()) GTEST_SKIP() << "no seccomp notifications here";
  // The trial is a child's: this process stays without a filter of its own.
  const std::string before = machine.read_file("/proc/self/status").value_or("");
  const auto trial = machine.try_listener();
  ASSERT_TRUE(trial) << trial.error().message();
  EXPECT_EQ(trial->take_fd, 0);
  const std::string after = machine.read_file("/proc/self/status").value_or("");
  const auto seccomp_line = [](const std::string& status) {
    return status.substr(status.find("\nSeccomp:"), 12);
  };
  EXPECT_EQ(seccomp_line(after), seccomp_line(before));
}

}  // namespace
}  // namespace tidewaiter::shim
