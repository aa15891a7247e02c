#include "shim/copies/settle.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "oci/policy/compile_copies.h"
#include "shim/commands/changes.h"
#include "tests/oci/base/temporary_folder.h"

// From a container's creation to the settling of its changes, with a process in the place of its first.

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using policy::Settlement;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Whether this kernel tells how a process ended (PIDFD_INFO_EXIT).
bool tells_exit_codes() {
  struct utsname name {};
  int major = 0;
  int minor = 0;
  return ::uname(&name) == 0 && std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 15));
}

class Settling : public ::testing::Test {
 protected:
  void SetUp() override {
    fs::create_directories(folder_ / "source");
    std::ofstream(source() / "file") << "lower";
    fs::permissions(source(), fs::perms{0750});
    record_.id = "box";
    record_.policy_name = "p";
    record_.created = "2026-01-02T03:04:05Z";
    record_.log = folder_ / "log/box.jsonl";
    // Where nobody is root no other attributes can be had.
    record_.user_xattr = true;
    struct stat status {};
    ASSERT_EQ(::stat(source().c_str(), &status), 0);
    record_.folders = {{"/files/copy_on_write/0", "/work", source(), status.st_dev, status.st_ino,
                        Settlement::kCommit, Settlement::kDiscard}};
  }

  [[nodiscard]] fs::path source() const { return folder_ / "source"; }
  [[nodiscard]] std::string copies() const { return folder_ / "changes/box"; }
  [[nodiscard]] fs::path upper() const { return policy::upper_folder(copies(), 0); }

  void decide(Settlement on_success, Settlement on_failure) {
    record_.folders[0].on_success = on_success;
    record_.folders[0].on_failure = on_failure;
  }

  // A container that writes, and ends so: by an exit code, or by the signal -code.
  void run_container(int code) {
    sys::Pipe go = std::move(*sys::pipe());
    const pid_t pid = ::fork();
    if (pid == 0) {
      char byte = 0;
      go.write_end.reset();
      static_cast<void>(::read(go.read_end.get(), &byte, 1));
      if (code < 0) ::kill(::getpid(), -code);
      ::_exit(code);
    }
    const Status prepared = prepare_copies(copies(), record_);
    ASSERT_TRUE(prepared) << prepared.error().message();
    const Status attended = attend(copies(), json{{"pid", pid}, {"id", "box"}}.dump());
    ASSERT_TRUE(attended) << attended.error().message();
    std::ofstream(upper() / "file") << "upper";
    std::ofstream(upper() / "new") << "new";
    while_it_runs();
    go.write_end.reset();
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    const Status settled = settle(copies());
    EXPECT_TRUE(settled) << settled.error().message();
  }
  virtual void while_it_runs() {}

  // verdicts and reasons
  std::vector<std::string> told() const {
    std::vector<std::string> lines;
    std::ifstream log(record_.log);
    for (std::string line; std::getline(log, line);) {
      const json event = json::parse(line);
      lines.push_back(event.at("verdict").get<std::string>() + " " + event.at("rule").get<std::string>() +
                      " +" + event.at("added").dump() + " ~" + event.at("modified").dump() + " -" +
                      event.at("deleted").dump() + ": " + event.value("reason", ""));
    }
    return lines;
  }

  std::string changes(ChangesOptions::Verb verb = ChangesOptions::Verb::kList) {
    ChangesOptions options;
    options.id = "box";
    options.verb = verb;
    options.directories.state = "/run/tidewaiter";
    std::ostringstream out;
    const Status done = run_changes(folder_ / "changes", options, out);
    return done ? out.str() : out.str() + "error: " + done.error().message();
  }

  testing::TemporaryFolder folder_;
  CopyRecord record_;
};

TEST_F(Settling, CommitsWhenTheContainerSucceeds) {
  run_container(0);
  if (!tells_exit_codes()) {
    EXPECT_EQ(text_of(source() / "file"), "lower");
    EXPECT_THAT(told(),
                ElementsAre(HasSubstr("discarded /files/copy_on_write/0 +1 ~1 -0: unknown: this kernel")));
    return;
  }
  EXPECT_EQ(text_of(source() / "file"), "upper");
  EXPECT_EQ(text_of(source() / "new"), "new");
  EXPECT_THAT(told(), ElementsAre("committed /files/copy_on_write/0 +1 ~1 -0: exit code 0"));
  EXPECT_FALSE(fs::exists(copies()));
}

TEST_F(Settling, DoesNotWhenItFails) {
  run_container(3);
  run_container(-SIGTERM);
  EXPECT_EQ(text_of(source() / "file"), "lower");
  EXPECT_FALSE(fs::exists(source() / "new"));
  EXPECT_FALSE(fs::exists(copies()));
  ASSERT_THAT(told(), SizeIs(2));
  if (tells_exit_codes()) {
    EXPECT_EQ(told()[0], "discarded /files/copy_on_write/0 +1 ~1 -0: exit code 3");
    EXPECT_EQ(told()[1], "discarded /files/copy_on_write/0 +1 ~1 -0: signal 15");
  }
}

TEST_F(Settling, KeepsUntilSomebodyDecides) {
  decide(Settlement::kKeep, Settlement::kKeep);
  run_container(0);
  EXPECT_EQ(text_of(source() / "file"), "lower");
  EXPECT_EQ(changes(), "M /work/file\nA /work/new\n# /work: kept\n");
  // Nothing is lost to another container of the same id.
  const Status again = prepare_copies(copies(), record_);
  ASSERT_FALSE(again);
  EXPECT_THAT(again.error().message(), HasSubstr("changes of an earlier container of this id are kept"));
  EXPECT_EQ(changes(ChangesOptions::Verb::kCommit), "");
  EXPECT_EQ(text_of(source() / "file"), "upper");
  EXPECT_THAT(changes(), HasSubstr("error: there is no container \"box\""));
  EXPECT_TRUE(prepare_copies(copies(), record_));
}

TEST_F(Settling, DiscardsByHand) {
  decide(Settlement::kKeep, Settlement::kKeep);
  run_container(0);
  EXPECT_EQ(changes(ChangesOptions::Verb::kDiscard), "");
  EXPECT_EQ(text_of(source() / "file"), "lower");
  EXPECT_FALSE(fs::exists(copies()));
}

class RunningContainer : public Settling {
  void while_it_runs() override {
    EXPECT_EQ(changes(), "M /work/file\nA /work/new\n# /work: running\n");
    for (const auto verb : {ChangesOptions::Verb::kCommit, ChangesOptions::Verb::kDiscard})
      EXPECT_EQ(changes(verb), "error: box: the container runs, or its changes are being settled");
    EXPECT_FALSE(prepare_copies(copies(), record_));
    EXPECT_FALSE(attend(copies(), json{{"pid", ::getpid()}}.dump()));
  }
};
TEST_F(RunningContainer, IsLeftAlone) { run_container(1); }

// A dry run is one whatever the policy says.
TEST_F(Settling, ListsADryRunAndDiscardsIt) {
  record_.dry_run = true;
  run_container(0);
  EXPECT_EQ(text_of(source() / "file"), "lower");
  EXPECT_EQ(changes(), "M /work/file\nA /work/new\n# /work: dry run\n");
  EXPECT_FALSE(fs::exists(upper()));
  EXPECT_THAT(told(), ElementsAre(HasSubstr("listed /files/copy_on_write/0 +1 ~1 -0: dry run, ")));
  EXPECT_THAT(changes(ChangesOptions::Verb::kCommit), HasSubstr("error: box: /work: was a dry run"));
  // It is in nobody's way.
  EXPECT_TRUE(prepare_copies(copies(), record_));
}

TEST_F(Settling, KeepsWhatItDoesNotCommit) {
  decide(Settlement::kCommit, Settlement::kCommit);
  const auto container = [&](const std::function<void()>& between) {
    ASSERT_TRUE(prepare_copies(copies(), record_));
    CopyState state = *read_copy_state(copies());
    state.stage = CopyState::Stage::kEnded;
    state.ending.exit_code = 0;
    ASSERT_TRUE(write_copy_state(copies(), state));
    std::ofstream(upper() / "new") << "new";
    between();
    EXPECT_FALSE(settle(copies()));
    EXPECT_FALSE(fs::exists(source() / "new"));
  };
  container([&] { fs::permissions(upper() / "new", fs::perms{04755}); });
  EXPECT_THAT(changes(), HasSubstr("# /work: kept (not committed: /new: is a set-user-ID file"));
  EXPECT_THAT(changes(ChangesOptions::Verb::kCommit),
              HasSubstr("error: box: /work: /new: is a set-user-ID file"));
  EXPECT_EQ(changes(ChangesOptions::Verb::kDiscard), "");
  // Another folder of the same name has nothing to do with the container.
  container([&] {
    fs::rename(source(), folder_ / "moved");
    fs::create_directories(source());
  });
  EXPECT_THAT(changes(), HasSubstr("is another folder than the container was given"));
}

// Half way, with another process's temporary file in the folder.
TEST_F(Settling, FinishesACommitThatCameToAnEnd) {
  decide(Settlement::kKeep, Settlement::kKeep);
  run_container(0);
  CopyState state = *read_copy_state(copies());
  state.folders[0] = {CopyState::Phase::kCommitting, "cafe", "the disk was full"};
  ASSERT_TRUE(write_copy_state(copies(), state));
  std::ofstream(source() / ".tidewaiter-cafe") << "hal";
  EXPECT_THAT(changes(), HasSubstr("# /work: committed in part (the disk was full)"));
  EXPECT_THAT(changes(ChangesOptions::Verb::kDiscard), HasSubstr("has been committed in part"));
  EXPECT_FALSE(prepare_copies(copies(), record_));
  EXPECT_EQ(changes(ChangesOptions::Verb::kCommit), "");
  EXPECT_EQ(text_of(source() / "file"), "upper");
  EXPECT_FALSE(fs::exists(source() / ".tidewaiter-cafe"));
}

// What is left of it is no longer what the container wrote.
TEST_F(Settling, CommitsNothingOfWhatWasDiscardedInPart) {
  decide(Settlement::kKeep, Settlement::kKeep);
  run_container(0);
  CopyState state = *read_copy_state(copies());
  state.folders[0].phase = CopyState::Phase::kDiscarding;
  ASSERT_TRUE(write_copy_state(copies(), state));
  EXPECT_THAT(changes(ChangesOptions::Verb::kCommit), HasSubstr("has been discarded in part"));
  EXPECT_EQ(changes(ChangesOptions::Verb::kDiscard), "");
  EXPECT_EQ(text_of(source() / "file"), "lower");
}

// Its hook was never called: nothing has run.
TEST_F(Settling, ForgetsAContainerThatWasNotCreated) {
  ASSERT_TRUE(prepare_copies(copies(), record_));
  EXPECT_EQ(fs::status(upper()).permissions(), fs::perms{0750});
  EXPECT_EQ(fs::status(copies()).permissions(), fs::perms{0700});
  ASSERT_TRUE(settle(copies()));
  EXPECT_FALSE(fs::exists(copies()));
  EXPECT_TRUE(settle(copies()));
}

// The runtime's hook, and who attended on the container, at the same time.
TEST_F(Settling, IsDoneOnceByWhoeverComesFirst) {
  constexpr int kRounds = 40;
  constexpr int kAtOnce = 4;
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(prepare_copies(copies(), record_));
    CopyState state = *read_copy_state(copies());
    state.stage = CopyState::Stage::kEnded;
    ASSERT_TRUE(write_copy_state(copies(), state));
    std::vector<pid_t> settlers;
    for (int i = 0; i < kAtOnce; ++i) {
      settlers.push_back(::fork());
      if (settlers.back() != 0) continue;
      // One of them comes when another is about to be done.
      if (i > 0) ::usleep(static_cast<useconds_t>((round * 53 + i * 331) % 2000));
      const Status settled = settle(copies());
      if (!settled) std::fprintf(stderr, "%s\n", settled.error().message().c_str());
      ::_exit(settled ? 0 : 1);
    }
    for (const pid_t settler : settlers) {
      int status = 0;
      ASSERT_EQ(::waitpid(settler, &status, 0), settler);
      ASSERT_EQ(status, 0) << "round " << round;
    }
    ASSERT_FALSE(fs::exists(copies()));
  }
  EXPECT_THAT(told(), SizeIs(kRounds));
}

TEST_F(Settling, ForgetsAContainerWhenTheRuntimeHasEndedWithoutIt) {
  const pid_t runtime = ::fork();
  if (runtime == 0) ::_exit(prepare_copies(copies(), record_) && forget_copies_unless_used(copies()) ? 0 : 1);
  int status = 0;
  ASSERT_EQ(::waitpid(runtime, &status, 0), runtime);
  ASSERT_EQ(status, 0);
  for (int i = 0; i < 500 && fs::exists(copies()); ++i) ::usleep(10'000);
  EXPECT_FALSE(fs::exists(copies()));
}

TEST_F(Settling, ShowsNamesAsTheyAreSafe) {
  decide(Settlement::kKeep, Settlement::kKeep);
  run_container(0);
  std::ofstream(upper() / "\x1b[2J\n# x") << "";
  const std::string shown = changes();
  EXPECT_THAT(shown, HasSubstr("A /work/\\x1b[2J\\x0a# x\n"));
  EXPECT_EQ(shown.find('\x1b'), std::string::npos);
}

}  // namespace
}  // namespace tidewaiter::shim
