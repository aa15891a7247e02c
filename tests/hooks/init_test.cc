#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include "oci/base/landlock.h"
#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

// tidewaiter-init on this kernel. What it restricts is tried by shells that it becomes; each of them is also
// shown without it.

namespace tidewaiter::init {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

using Words = std::vector<std::string>;

struct Outcome {
  int code = -1;
  std::string output;  // both streams
};

class Init : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_GE(sys::landlock_version(), 5) << "these tests take Linux 6.10 with Landlock";
    for (const char* each : {"in", "out", "in/below"}) fs::create_directories(folder_ / each);
    for (const char* each : {"in/file", "in/below/file", "out/file"})
      std::ofstream(folder_ / each) << "text\n";
    program("in/tool", "#!/bin/sh\necho in\n");
    program("out/tool", "#!/bin/sh\necho out\n");
    fs::create_symlink(folder_ / "out", folder_ / "link");
  }

  void program(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
    ASSERT_EQ(::chmod((folder_ / name).c_str(), 0755), 0);
  }

  // Runs argv, with `environment` alone.
  Outcome execute(Words argv, Words environment = {"PATH=/usr/bin:/bin"}) {
    std::vector<char*> arguments;
    for (std::string& each : argv) arguments.push_back(each.data());
    arguments.push_back(nullptr);
    std::vector<char*> variables;
    for (std::string& each : environment) variables.push_back(each.data());
    variables.push_back(nullptr);
    const std::string file = folder_ / "output";
    const pid_t pid = ::fork();
    if (pid == 0) {
      const int out = ::open(file.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(out, STDERR_FILENO);
      if (before_) before_();
      ::execve(INIT_PROGRAM, arguments.data(), variables.data());
      ::_exit(99);
    }
    Outcome outcome;
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFEXITED(status)) outcome.code = WEXITSTATUS(status);
    outcome.output = sys::read_file(file).value_or("");
    return outcome;
  }

  // `orders` and then a shell, which may read and execute what is the system's, in our folder.
  Outcome shell(Words orders, const std::string& command) {
    orders.insert(orders.begin(), "tidewaiter-init");
    orders.insert(orders.end(), {"--", "/bin/sh", "-c", "cd " + folder_.path() + "; " + command});
    return execute(std::move(orders));
  }
  Outcome free_shell(const std::string& command) { return shell({""}, command); }

  // The rules that any program of this machine needs, in the list `letter`.
  static Words system_rules(char letter) {
    Words rules;
    for (const char* path : {"/usr", "/etc"}) rules.push_back(letter + std::string(path));
    // Where these are no links.
    for (const char* path : {"/bin", "/lib", "/lib64"}) rules.push_back(letter + std::string(path));
    return rules;
  }
  Words reading(const Words& paths) {
    Words orders = system_rules('r');
    orders.insert(orders.begin(), "r");
    for (const std::string& path : paths) orders.push_back("r" + folder_ / path);
    return orders;
  }
  Words writing(const Words& paths) {
    Words orders{"w"};
    for (const std::string& path : paths) orders.push_back("w" + folder_ / path);
    return orders;
  }

  testing::TemporaryFolder folder_{"/dev/shm"};
  std::function<void()> before_;  // in the process that becomes it
};

TEST_F(Init, LetsReadWhatTheRulesName) {
  const std::string command = "cat in/file; cat in/below/file; ls in; cat out/file; ls out";
  EXPECT_EQ(free_shell(command).output, "text\ntext\nbelow\nfile\ntool\ntext\nfile\ntool\n");
  EXPECT_EQ(shell(reading({"in"}), command).output,
            "text\ntext\nbelow\nfile\ntool\n"
            "cat: out/file: Permission denied\nls: cannot open directory 'out': Permission denied\n");
  const Outcome one = shell(reading({"in/file"}), "cat in/file; cat in/below/file");
  EXPECT_EQ(one.output, "text\ncat: in/below/file: Permission denied\n");
}

TEST_F(Init, LetsWriteWhatTheRulesName) {
  const Words commands = {"echo more >>FOLDER/file",
                          ": >FOLDER/new",
                          "truncate -s 0 FOLDER/file",
                          "mkdir FOLDER/made",
                          "ln -s file FOLDER/symbolic",
                          "mkfifo FOLDER/fifo",
                          "ln FOLDER/file FOLDER/hard",
                          "mv FOLDER/hard FOLDER/moved",
                          "rm FOLDER/moved",
                          "rmdir FOLDER/made"};
  for (std::string command : commands) {
    SCOPED_TRACE(command);
    std::string outside = command;
    for (std::size_t at = 0; (at = command.find("FOLDER", at)) != std::string::npos;)
      command.replace(at, 6, "in");
    for (std::size_t at = 0; (at = outside.find("FOLDER", at)) != std::string::npos;)
      outside.replace(at, 6, "out");
    const Outcome allowed = shell(writing({"in"}), command);
    EXPECT_EQ(allowed.code, 0) << allowed.output;
    const Outcome refused = shell(writing({"in"}), outside);
    EXPECT_NE(refused.code, 0);
    EXPECT_THAT(refused.output, ::testing::AnyOf(HasSubstr("Permission denied"), HasSubstr("cannot create")));
    const Outcome without = free_shell(outside);
    EXPECT_EQ(without.code, 0) << without.output;
  }
}

TEST_F(Init, NeverLetsDeviceFilesBeMade) {
  const std::string command =
      "mknod in/null c 1 3 && echo made; rm -f in/null; mknod in/disk b 1 0 && echo made; rm -f in/disk";
  EXPECT_EQ(free_shell(command).output, "made\nmade\n") << "as root";
  EXPECT_THAT(shell(writing({"in"}), command).output, ::testing::Not(HasSubstr("made")));
}

TEST_F(Init, LetsExecuteWhatTheRulesName) {
  Words orders = system_rules('x');
  orders.insert(orders.begin(), "x");
  orders.push_back("x" + folder_ / "in");
  EXPECT_EQ(free_shell("in/tool; out/tool").output, "in\nout\n");
  const Outcome some = shell(orders, "in/tool; out/tool");
  EXPECT_EQ(some.code, 126);
  EXPECT_THAT(some.output, HasSubstr("in\n"));
  EXPECT_THAT(some.output, HasSubstr("out/tool: Permission denied"));
  // Reading was not restricted, and so neither are interpreters.
  EXPECT_EQ(shell(orders, ". out/tool").output, "out\n");
}

TEST_F(Init, LetsReadWhatMayBeWrittenOrExecuted) {
  Words orders = reading({});
  orders[0] = "rwx";
  for (const std::string& rule : system_rules('x')) orders.push_back(rule);
  orders.push_back("w" + folder_ / "in/below");
  orders.push_back("x" + folder_ / "in/tool");
  EXPECT_EQ(shell(orders, "in/tool; cat in/below/file; cat in/file").output,
            "in\ntext\ncat: in/file: Permission denied\n");
}

TEST_F(Init, FollowsNoSymbolicLink) {
  fs::create_symlink("out/file", folder_ / "filelink");
  EXPECT_EQ(shell(reading({"out"}), "cat link/file filelink").output, "text\ntext\n");
  for (const char* rule : {"link", "link/file", "filelink"}) {
    SCOPED_TRACE(rule);
    EXPECT_THAT(shell(reading({rule}), "cat out/file").output, HasSubstr("Permission denied"));
  }
}

TEST_F(Init, GrantsNothingForWhatIsNotThere) {
  const Outcome outcome = shell(reading({"absent", "absent/below", "in/file/below", std::string(200, 'x')}),
                                "cat out/file; echo done");
  EXPECT_EQ(outcome.output, "cat: out/file: Permission denied\ndone\n");
}

// What is moved must not be readable behind the move where it was not before: neither where reading is
// restricted alone, nor beside writing.
TEST_F(Init, KeepsFilesFromMovingToMoreRights) {
  for (const char* command :
       {"mv out/file in/gained && cat in/gained", "ln out/file in/gained && cat in/gained"}) {
    SCOPED_TRACE(command);
    EXPECT_EQ(free_shell(std::string(command) + "; rm in/gained; echo text >out/file").output, "text\n");
    const Outcome refused = shell(reading({"in"}), command);
    EXPECT_NE(refused.code, 0);
    EXPECT_THAT(refused.output, ::testing::Not(HasSubstr("text\n")));
  }
  // To as many, or fewer.
  const Outcome moved =
      shell(reading({"in"}), "mv in/file in/below/moved && mv in/below/moved out/ && echo moved");
  EXPECT_EQ(moved.output, "moved\n");
}

TEST_F(Init, LeavesWhatNoListIsAboutAlone) {
  EXPECT_EQ(
      shell({"r", "r/"}, "echo new >out/new; cat out/new; out/tool; mv out/new in/new; rm in/new").output,
      "new\nout\n");
}

TEST_F(Init, SetsNoNewPrivs) {
  EXPECT_THAT(free_shell("grep NoNewPrivs /proc/self/status").output, HasSubstr("1"));
  const std::string own = sys::read_file("/proc/self/status").value_or("");
  EXPECT_THAT(own, HasSubstr("NoNewPrivs:\t0"));
}

TEST_F(Init, HandsOverArgumentsEnvironmentAndDescriptors) {
  before_ = [] {
    ::close_range(3, ~0U, 0);
    ::dup2(::open("/dev/null", O_RDONLY), 7);
    ::close(3);
  };
  const Outcome outcome = execute({"tidewaiter-init", "r", "r/", "--", "/bin/sh", "-c",
                                   "echo \"$0|$1|$2|$A|$B\"; ls /proc/self/fd", "zero", "--", "a b"},
                                  {"A=1", "PATH=/usr/bin:/bin", "B=x=y"});
  // ls has one of its own for the folder.
  EXPECT_EQ(outcome.output, "zero|--|a b|1|x=y\n0\n1\n2\n3\n7\n");
}

TEST_F(Init, SearchesAlongPath) {
  const std::string in = folder_ / "in";
  const std::string out = folder_ / "out";
  const auto run = [&](const std::string& path, Words orders = {"r", "r/"}) {
    orders.insert(orders.begin(), "tidewaiter-init");
    orders.insert(orders.end(), {"--", "tool"});
    return execute(orders, path.empty() ? Words{} : Words{"PATHS=/", "PATH=" + path});
  };
  EXPECT_EQ(run(in + ":" + out).output, "in\n");
  EXPECT_EQ(run(out + ":" + in).output, "out\n");
  EXPECT_EQ(run("/absent::relative:" + in + "/file:" + in).output, "in\n");
  EXPECT_EQ(run("/absent").code, 127);
  EXPECT_EQ(run("/absent").output, "tidewaiter-init: executable file not found in $PATH: tool\n");
  EXPECT_EQ(run("").code, 127);
  // Not from where it stands.
  before_ = [&] { ASSERT_EQ(::chdir(in.c_str()), 0); };
  EXPECT_EQ(run(":.").code, 127);
  before_ = nullptr;

  Words restricted = system_rules('x');
  restricted.insert(restricted.begin(), "x");
  EXPECT_EQ(run(in, restricted).code, 126);
  EXPECT_EQ(run(in, restricted).output, "tidewaiter-init: tool: Permission denied\n");
  restricted.push_back("x" + out);
  EXPECT_EQ(run(in + ":" + out, restricted).output, "out\n");
  ASSERT_EQ(::chmod((folder_ / "in/tool").c_str(), 0644), 0);
  EXPECT_EQ(run(in).code, 126);
}

TEST_F(Init, EndsAsAShellWouldWhenTheProgramCannotBeRun) {
  const auto run = [&](const std::string& program) {
    return execute({"tidewaiter-init", "r", "r/", "--", program});
  };
  program("in/odd", "no program at all");
  EXPECT_EQ(run("/absent").code, 127);
  EXPECT_EQ(run("/absent").output, "tidewaiter-init: /absent: No such file or directory\n");
  EXPECT_EQ(run("").code, 127);
  EXPECT_EQ(run(folder_ / "in/file/x").code, 127);
  EXPECT_EQ(run(folder_ / "in/file").code, 126);
  EXPECT_EQ(run(folder_ / "in").code, 126);
  EXPECT_EQ(run(folder_ / "in/odd").code, 126);
  EXPECT_EQ(run(folder_ / "in/odd").output,
            "tidewaiter-init: " + (folder_ / "in/odd") + ": Exec format error\n");
}

TEST_F(Init, RefusesOrdersItDoesNotUnderstand) {
  const Words cases[] = {
      {},
      {"r"},
      {"r", "r/"},
      {"r", "r/", "--"},
      {"q", "--", "/bin/echo", "began"},
      {"r", "w/tmp", "--", "/bin/echo", "began"},
      {"r", "q/tmp", "--", "/bin/echo", "began"},
      {"r", "", "--", "/bin/echo", "began"},
      {"r", "rtmp", "--", "/bin/echo", "began"},
      {"rb", "b/", "--", "/bin/echo", "began"},
  };
  for (Words orders : cases) {
    SCOPED_TRACE(::testing::PrintToString(orders));
    orders.insert(orders.begin(), "tidewaiter-init");
    const Outcome outcome = execute(orders);
    EXPECT_EQ(outcome.code, 125);
    EXPECT_THAT(outcome.output, ::testing::StartsWith("tidewaiter-init: "));
    EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("began")));
  }
}

// Such as a tidewaiter-init that has only begun: for root, too.
TEST_F(Init, KeepsFromProcessesThatAreNotRestricted) {
  const std::string process = "/proc/" + std::to_string(::getpid());
  const std::string command = "ls -d " + process + "/root/usr; readlink " + process + "/exe";
  EXPECT_EQ(std::system((command + " >/dev/null").c_str()), 0)  // NOLINT(bugprone-command-processor)
      << "by who is not restricted";
  Words orders = reading({"in"});
  orders.push_back("r/proc");
  for (const Words& each : {orders, Words{"w", "w/"}, Words{""}}) {
    const Outcome outcome = shell(each, command);
    EXPECT_NE(outcome.code, 0);
    EXPECT_THAT(outcome.output, HasSubstr("root/usr': Permission denied"));
    EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("init_test")));
  }
}

// A profile may have calls return 0 without having run.
TEST_F(Init, BelievesNoFilterThatOnlySaysItRestricts) {
  before_ = [] {
    struct sock_filter program[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, SYS_landlock_create_ruleset, 0, 2),
        BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, SYS_landlock_restrict_self, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {static_cast<unsigned short>(std::size(program)), program};
    ASSERT_EQ(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
    ASSERT_EQ(::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter), 0);
  };
  for (const char* lists : {"r", "rb"}) {
    Words orders = reading({"in"});
    orders[0] = lists;
    const Outcome outcome = shell(orders, "cat out/file");
    EXPECT_EQ(outcome.code, 125) << lists;
    EXPECT_THAT(outcome.output, HasSubstr("Landlock is too old")) << lists;
  }
}

// A second time, by whoever is restricted: it takes away, and gives nothing.
TEST_F(Init, GivesNothingBack) {
  const Outcome outcome = shell(reading({"in"}), std::string(INIT_PROGRAM) + " r r/ -- /bin/cat in/file; " +
                                                     "cp /usr/bin/true /dev/null; echo $?");
  EXPECT_THAT(outcome.output, ::testing::Not(HasSubstr("text")));  // the file itself may not be read
  Words orders = reading({"in"});
  orders.push_back("r" + std::string(INIT_PROGRAM));
  EXPECT_EQ(shell(orders, std::string(INIT_PROGRAM) + " r r/ -- /bin/cat in/file").output, "text\n");
  EXPECT_EQ(shell(orders, std::string(INIT_PROGRAM) + " r r/ -- /bin/cat out/file").output,
            "/bin/cat: out/file: Permission denied\n");
}

TEST_F(Init, IsSmallAndStandsAlone) {
  EXPECT_LT(fs::file_size(INIT_PROGRAM), 64U << 10U);
  const std::string image = sys::read_file(INIT_PROGRAM).value_or("");
  EXPECT_EQ(image.find("ld-linux"), std::string::npos);
}

TEST(LandlockRights, AreThoseThatEachVersionKnows) {
  EXPECT_EQ(landlock::known_rights(0), 0U);
  EXPECT_EQ(landlock::known_rights(1), 0x1fffU);
  EXPECT_EQ(landlock::known_rights(2), 0x3fffU);
  EXPECT_EQ(landlock::known_rights(3), 0x7fffU);
  EXPECT_EQ(landlock::known_rights(4), 0x7fffU);
  EXPECT_EQ(landlock::known_rights(5), 0xffffU);
  EXPECT_EQ(landlock::known_rights(99), 0xffffU);
  // Each right is in the hands of one list, or of all.
  EXPECT_EQ(landlock::kHandledByRead | landlock::kHandledByWrite | landlock::kHandledByExec |
                landlock::kHandledByAll,
            0xffffU);
}

}  // namespace
}  // namespace tidewaiter::init
