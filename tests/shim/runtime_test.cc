#include "shim/runtime.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <thread>

#include "tests/shim/shim_fixture.h"

namespace tidewaiter::shim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FindRuntimeTest : public ShimTest {
 protected:
  void SetUp() override {
    ShimTest::SetUp();
    path_before_ = std::getenv("PATH");
    for (const char* each : {"first", "second", "third"}) std::filesystem::create_directories(folder_ / each);
    ::setenv("PATH", (folder_ / "first" + ":" + (folder_ / "second") + ":" + (folder_ / "third")).c_str(), 1);
    ::unsetenv("TIDEWAITER_RUNTIME");
  }
  void TearDown() override {
    ::setenv("PATH", path_before_.c_str(), 1);
    ::unsetenv("TIDEWAITER_RUNTIME");
    ShimTest::TearDown();
  }

  std::string install(const std::string& name) {
    write(name, "#!/bin/sh\n");
    std::filesystem::permissions(folder_ / name, std::filesystem::perms::owner_all);
    return folder_ / name;
  }
  std::string install_ourselves(const std::string& name) {
    std::filesystem::create_symlink("/proc/self/exe", folder_ / name);
    return folder_ / name;
  }
  std::string found() {
    const auto runtime = find_runtime(settings_);
    return runtime ? *runtime : "error: " + runtime.error().message();
  }

  container::Settings settings_;
  std::string path_before_;
};

TEST_F(FindRuntimeTest, TakesCrunFromPathBeforeRunc) {
  const std::string runc = install("first/runc");
  EXPECT_EQ(found(), runc);
  const std::string crun = install("third/crun");
  EXPECT_EQ(found(), crun);
  const std::string earlier = install("second/crun");
  EXPECT_EQ(found(), earlier);
}

TEST_F(FindRuntimeTest, PassesOverWhatIsNoProgram) {
  write("first/crun", "not executable");
  std::filesystem::create_directories(folder_ / "second/crun");
  const std::string crun = install("third/crun");
  EXPECT_EQ(found(), crun);
}

TEST_F(FindRuntimeTest, PassesOverItselfUnderTheRuntimesName) {
  install_ourselves("first/crun");
  const std::string crun = install("third/crun");
  EXPECT_EQ(found(), crun);
  std::filesystem::remove(crun);
  EXPECT_THAT(found(), HasSubstr("neither crun nor runc is on PATH"));
}

TEST_F(FindRuntimeTest, PassesOverRelativePartsOfPath) {
  install("first/crun");
  ::setenv("PATH", ":.:first", 1);
  std::filesystem::current_path(folder_ / "first");
  EXPECT_THAT(found(), HasSubstr("neither crun nor runc is on PATH"));
  std::filesystem::current_path("/");
}

TEST_F(FindRuntimeTest, ObeysTheSettings) {
  install("first/crun");
  settings_.runtime = install("third/special");
  EXPECT_EQ(found(), settings_.runtime);
  settings_.path = "/etc/c.json";
  settings_.runtime = folder_ / "nothing";
  EXPECT_THAT(found(),
              HasSubstr("/etc/c.json: \"runtime\" is \"" + settings_.runtime + "\", which is no program"));
}

TEST_F(FindRuntimeTest, ObeysTheEnvironmentBeforeTheSettings) {
  settings_.runtime = install("third/special");
  const std::string named = install("second/other");
  ::setenv("TIDEWAITER_RUNTIME", named.c_str(), 1);
  EXPECT_EQ(found(), named);
  ::setenv("TIDEWAITER_RUNTIME", "other", 1);  // on PATH
  EXPECT_EQ(found(), named);
  ::setenv("TIDEWAITER_RUNTIME", "", 1);
  EXPECT_EQ(found(), settings_.runtime);
  ::setenv("TIDEWAITER_RUNTIME", "./other", 1);
  EXPECT_THAT(found(), HasSubstr("no absolute path"));
  ::setenv("TIDEWAITER_RUNTIME", "nothing-of-this-name", 1);
  EXPECT_THAT(found(), HasSubstr("not on PATH"));
}

TEST_F(FindRuntimeTest, RefusesItselfWhenNamed) {
  settings_.runtime = install_ourselves("third/special");
  EXPECT_THAT(found(), HasSubstr("which is tidewaiter itself"));
  ::setenv("TIDEWAITER_RUNTIME", "/proc/self/exe", 1);
  EXPECT_THAT(found(), HasSubstr("which is tidewaiter itself"));
}

TEST_F(FindRuntimeTest, ReportsARuntimeThatCannotBeStarted) {
  const Invocation made = invocation({"state", "box"});
  const Error error = become_runtime(folder_ / "nothing", made.line);
  EXPECT_EQ(error.code, ENOENT);
  EXPECT_THAT(error.message(), HasSubstr("start " + (folder_ / "nothing")));
}

TEST_F(FindRuntimeTest, AsksTheRuntimeAboutAContainerUnderTheCallersRoot) {
  const Invocation made = invocation({"--root", "/r", "--log", folder_ / "caller.log", "delete", "box"});
  EXPECT_EQ(runtime_knows(FAKE_RUNTIME, made.line, "box").value(), false);
  write("container", "");
  EXPECT_EQ(runtime_knows(FAKE_RUNTIME, made.line, "box").value(), true);
  EXPECT_FALSE(runtime_knows(folder_ / "nothing", made.line, "box"));

  write("asked", "#!/bin/sh\necho \"$@\" > " + (folder_ / "words") + "\necho output; echo error >&2\n");
  std::filesystem::permissions(folder_ / "asked", std::filesystem::perms::owner_all);
  const Outcome outcome =
      run([&] { return runtime_knows(folder_ / "asked", made.line, "box").value() ? 0 : 1; });
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_EQ(outcome.output + outcome.error, "");
  EXPECT_EQ(read("words"), "--root /r state box\n");
}

TEST_F(FindRuntimeTest, AsksTheRuntimeForTheContainersFirstProcess) {
  const Invocation made = invocation({"--root", "/r", "exec", "box", "ls"});
  EXPECT_EQ(container_pid(FAKE_RUNTIME, made.line, "box").error().message(),
            "container box: No such process");
  write("container", "");
  write("state.json", R"({"id": "box", "status": "running", "pid": 4711})");
  EXPECT_EQ(container_pid(FAKE_RUNTIME, made.line, "box").value(), 4711);
  for (const char* state :
       {R"({"status": "stopped", "pid": 0})", R"({"pid": -1})", R"({"pid": "1"})", "{}", "[]"}) {
    write("state.json", state);
    EXPECT_FALSE(container_pid(FAKE_RUNTIME, made.line, "box")) << state;
  }
  write("state.json", "");
  EXPECT_THAT(container_pid(FAKE_RUNTIME, made.line, "box").error().message(),
              HasSubstr("state box: line 1"));
  EXPECT_FALSE(container_pid(folder_ / "nothing", made.line, "box"));
}

// The program itself, with a runtime and a configuration of the test's.
class ProgramTest : public ShimTest {
 protected:
  Outcome run_program(
      const std::vector<std::string>& words, const std::function<void()>& before = [] {}) {
    return ShimTest::run([&] {
      std::vector<std::string> all = words;
      all.insert(all.begin(), "tidewaiter");
      std::vector<char*> argv;
      for (std::string& word : all) argv.push_back(word.data());
      argv.push_back(nullptr);
      ::setenv("TIDEWAITER_RUNTIME", FAKE_RUNTIME, 1);
      ::setenv("XDG_RUNTIME_DIR", folder_.path().c_str(), 1);  // for who is not root
      ::setenv("HOME", folder_.path().c_str(), 1);
      ::setenv("TIDEWAITER_CONFIG", (folder_ / "etc/config.json").c_str(), 1);
      before();
      ::execv(TIDEWAITER, argv.data());
      return 99;
    });
  }
};

TEST_F(ProgramTest, HandsOverWhatItDoesNotKnow) {
  for (const std::vector<std::string>& words :
       std::vector<std::vector<std::string>>{{"--version"},
                                             {"--help"},
                                             {"-v"},
                                             {"help"},
                                             {"features"},
                                             {"--root", "/r", "kill", "box", "TERM"},
                                             {"start", "box"},
                                             {"no-such-command", "--flag", ""},
                                             {"--debug"},
                                             {"--"}}) {
    const Outcome outcome = run_program(words);
    EXPECT_EQ(outcome.exit_code(), 0) << words[0];
    EXPECT_EQ(outcome.output, "runtime's output\n");
    EXPECT_EQ(outcome.error, "runtime's error\n");
    std::vector<std::string> expected = words;
    expected.insert(expected.begin(), FAKE_RUNTIME);
    EXPECT_EQ(given("runtime", "argument"), expected);
  }
}

TEST_F(ProgramTest, GivesTheRuntimesExitCode) {
  ::setenv("FAKE_EXIT", "42", 1);
  EXPECT_EQ(run_program({"start", "box"}).exit_code(), 42);
}

TEST_F(ProgramTest, FindsThePolicyOfACreate) {
  // The whole way, short of a state folder of root's: the container names a policy that is not there.
  std::filesystem::remove(folder_ / "etc/policies/network.json");
  for (const char* command : {"create", "run"}) {
    const Outcome outcome = run_program({command, "--bundle", folder_ / "bundle", "no-such-box"});
    EXPECT_EQ(outcome.exit_code(), 1);
    EXPECT_THAT(outcome.error,
                HasSubstr("there is no policy file " + (folder_ / "etc/policies/network.json")));
    EXPECT_FALSE(exists("runtime"));
  }
}

TEST_F(ProgramTest, TakesItsConfigurationFromItsOption) {
  std::filesystem::create_directories(folder_ / "other");
  write("other/config.json", R"({"runtime": ")" FAKE_RUNTIME R"(", "require_policy": true})");
  write("bundle/config.json", kConfig);
  const auto without_environment = [] {
    ::unsetenv("TIDEWAITER_CONFIG");
    ::unsetenv("TIDEWAITER_RUNTIME");
  };
  const std::string option = "--tidewaiter-config=" + (folder_ / "other/config.json");
  const Outcome refused =
      run_program({option, "create", "--bundle", folder_ / "bundle", "no-such-box"}, without_environment);
  EXPECT_THAT(refused.error, HasSubstr("requires one"));
  const Outcome handed_over = run_program({"--root", "/r", option, "start", "box"}, without_environment);
  EXPECT_EQ(handed_over.exit_code(), 0) << handed_over.error;
  EXPECT_THAT(given("runtime", "argument"), ElementsAre(FAKE_RUNTIME, "--root", "/r", "start", "box"));
}

TEST_F(ProgramTest, RefusesABrokenConfiguration) {
  write("etc/config.json", R"({"runtim": "/usr/bin/crun"})");
  const Outcome outcome = run_program({"--log", folder_ / "caller.log", "start", "box"});
  EXPECT_EQ(outcome.exit_code(), 1);
  EXPECT_THAT(outcome.error, HasSubstr("/runtim is not a setting"));
  EXPECT_THAT(read("caller.log"), HasSubstr("/runtim is not a setting"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ProgramTest, PrintsItsUsageWhenCalledWithNothing) {
  const Outcome outcome = run_program({});
  EXPECT_EQ(outcome.exit_code(), 0);
  EXPECT_THAT(outcome.output, HasSubstr("tidewaiter policy check FILE"));
  EXPECT_FALSE(exists("runtime"));
}

TEST_F(ProgramTest, SaysWhoHasNoAgent) {
  const Outcome outcome = run_program({"status", "--help"});
  EXPECT_EQ(outcome.exit_code(), 0);
  for (const char* word : {"limits", "file rules", "identity"}) EXPECT_THAT(outcome.output, HasSubstr(word));
}

TEST_F(ProgramTest, LeavesDescriptorsUmaskAndSignalsAsTheyWere) {
  const Outcome outcome = run_program({"start", "box"}, [] {
    ::dup2(::open("/dev/zero", O_RDONLY), 5);
    ::dup2(5, 77);
    ::umask(027);
    ::signal(SIGPIPE, SIG_IGN);
    sigset_t blocked;
    ::sigemptyset(&blocked);
    ::sigaddset(&blocked, SIGUSR2);
    ::sigprocmask(SIG_SETMASK, &blocked, nullptr);
  });
  ASSERT_EQ(outcome.exit_code(), 0);
  EXPECT_THAT(given("runtime", "fd"),
              ::testing::AllOf(::testing::Contains("5 /dev/zero"), ::testing::Contains("77 /dev/zero")));
  EXPECT_THAT(given("runtime", "umask"), ElementsAre("23"));
  EXPECT_THAT(read("runtime"), HasSubstr("SigBlk:\t0000000000000800\nSigIgn:\t0000000000001000\n"));
}

TEST_F(ProgramTest, LeavesClosedStdioClosed) {
  const Outcome outcome = run_program({"start", "box"}, [] {
    for (int fd = 0; fd <= 2; ++fd) ::close(fd);
  });
  ASSERT_EQ(outcome.exit_code(), 0);
  // The stand-in opens files of its own only after it has looked.
  for (const std::string& fd : given("runtime", "fd")) {
    EXPECT_FALSE(fd.starts_with("0 ") || fd.starts_with("1 ") || fd.starts_with("2 ")) << fd;
  }
}

TEST_F(ProgramTest, OpensNoFileInThePlaceOfClosedStdio) {
  // It waits in reading its configuration, until we have looked at the number that this has.
  const std::string config = folder_ / "etc/config.json";
  std::filesystem::remove(config);
  ASSERT_EQ(::mkfifo(config.c_str(), 0600), 0);
  std::thread program([&] {
    const Outcome outcome = run_program({"start", "box"}, [&] {
      write("pid", std::to_string(::getpid()));
      for (int fd = 0; fd <= 2; ++fd) ::close(fd);
    });
    EXPECT_EQ(outcome.exit_code(), 0);
  });
  {
    std::ofstream writer(config);
    const std::string descriptors = "/proc/" + read("pid") + "/fd/";
    int number = -1;
    while (number < 0) {
      for (int fd = 0; fd < 64; ++fd) {
        std::error_code error;
        if (std::filesystem::read_symlink(descriptors + std::to_string(fd), error) == config) number = fd;
      }
    }
    EXPECT_GT(number, 2);
    writer << "{}";
  }
  program.join();
}

TEST_F(ProgramTest, WritesNoMessageIntoAFileThatTookTheNumberOfStderr) {
  std::filesystem::remove(folder_ / "etc/policies/network.json");
  const std::string config = read("bundle/config.json");
  const Outcome outcome =
      run_program({"--log", folder_ / "caller.log", "create", "-b", folder_ / "bundle", "no-such"}, [] {
        for (int fd = 0; fd <= 2; ++fd) ::close(fd);
      });
  EXPECT_EQ(outcome.exit_code(), 1);
  const std::string log = read("caller.log");
  EXPECT_EQ(std::count(log.begin(), log.end(), '\n'), 1) << log;
  EXPECT_EQ(read("bundle/config.json"), config);
}

}  // namespace
}  // namespace tidewaiter::shim
