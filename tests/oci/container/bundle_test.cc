#include "oci/container/bundle.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "oci/spec/config.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using spec::Json;
using ::testing::HasSubstr;
using testing::TemporaryFolder;

// Odd on purpose: spacing, order and spelling have to survive.
constexpr const char* kOriginal = "{ \"b\":1,\n\t\"a\" : \"\\u00fc\",  \"big\": 18446744073709551615 }\n\n";

constexpr const char* kOwner = "somebody";

Json rewritten_to(const std::string& value) { return Json{{"rewritten", value}}; }

// Kills a child that runs `body` at its n-th entry to or return from a system call; false when it ended
// before.
bool kill_at_stop(int n, const std::function<void()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    ::raise(SIGSTOP);
    body();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  for (int stop = 0; stop < n; ++stop) {
    ::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr);
    ::waitpid(child, &status, 0);
    if (WIFEXITED(status)) return false;
  }
  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  return true;
}

class BundleTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(sys::replace_file(config_, kOriginal, 0640)); }

  [[nodiscard]] std::string config_text() const { return sys::read_file(config_).value_or("unreadable"); }
  [[nodiscard]] bool has_record() const { return std::filesystem::exists(record_); }

  // Of all that is in the bundle.
  [[nodiscard]] std::set<std::string> names() {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder_.path())) {
      found.insert(entry.path().filename());
    }
    return found;
  }

  // Opens the bundle and installs `value` over it.
  void create(const std::string& value) {
    const auto bundle = Bundle::open(folder_.path());
    ASSERT_TRUE(bundle) << bundle.error().message();
    const Status installed = bundle->install(rewritten_to(value), kOwner);
    ASSERT_TRUE(installed) << installed.error().message();
  }

  std::string opened_original() {
    const auto bundle = Bundle::open(folder_.path());
    return bundle ? spec::dump_json(bundle->original(), -1) : bundle.error().message();
  }

  // In memory: the test of crashes syncs thousands of times.
  TemporaryFolder folder_{"/dev/shm"};
  std::string config_ = folder_ / "config.json";
  std::string record_ = folder_ / "config.json.tidewaiter";
  const std::string original_dump_ = spec::dump_json(spec::parse_json(kOriginal, "test").value(), -1);
};

TEST_F(BundleTest, IsReadWithoutLeavingATrace) {
  const auto bundle = Bundle::open(folder_.path());
  ASSERT_TRUE(bundle) << bundle.error().message();
  EXPECT_EQ(bundle->config_path(), config_);
  EXPECT_EQ(bundle->original()["big"], 18446744073709551615U);
  EXPECT_EQ(config_text(), kOriginal);
  EXPECT_FALSE(has_record());
}

TEST_F(BundleTest, IsRewrittenAndRestoredByteForByte) {
  create("one");
  EXPECT_EQ(spec::parse_json(config_text(), "test").value(), rewritten_to("one"));
  EXPECT_TRUE(has_record());
  EXPECT_EQ(sys::stat(config_)->st_mode & 07777U, 0640U);
  EXPECT_EQ(sys::stat(record_)->st_mode & 07777U, 0600U);
  ASSERT_TRUE(Bundle::restore(config_, kOwner));
  EXPECT_EQ(config_text(), kOriginal);
  EXPECT_EQ(sys::stat(config_)->st_mode & 07777U, 0640U);
  EXPECT_FALSE(has_record());
}

TEST_F(BundleTest, KeepsItsOwner) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_EQ(::chown(config_.c_str(), 1234, 4321), 0);
  create("one");
  EXPECT_EQ(sys::stat(config_)->st_uid, 1234U);
  ASSERT_TRUE(Bundle::restore(config_, kOwner));
  EXPECT_EQ(sys::stat(config_)->st_uid, 1234U);
  EXPECT_EQ(sys::stat(config_)->st_gid, 4321U);
}

TEST_F(BundleTest, CreatedAgainStartsFromTheOriginal) {
  create("one");
  EXPECT_EQ(opened_original(), original_dump_);
  create("one");
  EXPECT_EQ(opened_original(), original_dump_);
  create("two");
  EXPECT_EQ(opened_original(), original_dump_);
  EXPECT_EQ(spec::parse_json(config_text(), "test").value(), rewritten_to("two"));
  ASSERT_TRUE(Bundle::restore(config_, kOwner));
  EXPECT_EQ(config_text(), kOriginal);
}

TEST_F(BundleTest, IsNotWrittenAgainWhenNothingChanges) {
  create("one");
  const ino_t config = sys::stat(config_)->st_ino;
  create("one");
  EXPECT_EQ(sys::stat(config_)->st_ino, config);
}

TEST_F(BundleTest, IsRestoredWithTheLastWhoIsYetToRead) {
  for (const char* value : {"two", "one"}) {  // another rewriting, and the same bytes
    SCOPED_TRACE(value);
    create("one");
    const auto second = Bundle::open(folder_.path());
    ASSERT_TRUE(second && second->install(rewritten_to(value), "another"));
    EXPECT_TRUE(Bundle::restore(config_, kOwner)) << "no failure: another is yet to read";
    EXPECT_EQ(spec::parse_json(config_text(), "test").value(), rewritten_to(value));
    EXPECT_EQ(opened_original(), original_dump_);
    ASSERT_TRUE(Bundle::restore(config_, "another"));
    EXPECT_EQ(config_text(), kOriginal);
    EXPECT_FALSE(has_record());
  }
}

TEST_F(BundleTest, IsRestoredWhenNobodyIsAliveWhoMayRead) {
  const sys::Pipe installed = sys::pipe().value();
  const sys::Pipe end = sys::pipe().value();
  char byte = 0;
  const pid_t reader = ::fork();
  if (reader == 0) {
    create("one");
    static_cast<void>(sys::write_all(installed.write_end.get(), "x"));
    static_cast<void>(sys::read(end.read_end.get(), &byte, 1));
    ::_exit(0);
  }
  ASSERT_TRUE(sys::read(installed.read_end.get(), &byte, 1));
  EXPECT_TRUE(Bundle::restore_if_idle(config_));
  EXPECT_NE(config_text(), kOriginal) << "its maker may become a runtime yet";
  const auto second = Bundle::open(folder_.path());
  ASSERT_TRUE(second && second->install(rewritten_to("two"), "another"));
  EXPECT_TRUE(Bundle::restore(config_, "another"));
  EXPECT_NE(config_text(), kOriginal) << "nor does the end of another's say anything of it";

  ASSERT_TRUE(sys::write_all(end.write_end.get(), "x"));
  ASSERT_EQ(::waitpid(reader, nullptr, 0), reader);
  EXPECT_TRUE(Bundle::restore_if_idle(config_));
  EXPECT_EQ(config_text(), kOriginal);
  EXPECT_FALSE(has_record());
  EXPECT_TRUE(Bundle::restore_if_idle("/nonexistent/config.json")) << "gone is a success";
}

TEST_F(BundleTest, IsLockedForOneAtATime) {
  const pid_t maker = ::fork();
  if (maker == 0) {
    create("one");
    ::_exit(0);
  }
  ASSERT_EQ(::waitpid(maker, nullptr, 0), maker);
  auto first = lock_bundle(config_, std::chrono::milliseconds(0));
  ASSERT_TRUE(first) << first.error().message();
  const auto second = lock_bundle(config_, std::chrono::milliseconds(20));
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, EWOULDBLOCK);
  EXPECT_THAT(second.error().message(),
              HasSubstr("another container is being created from " + folder_.path()));
  EXPECT_TRUE(Bundle::restore_if_idle(config_));
  EXPECT_NE(config_text(), kOriginal) << "who has the lock will restore it";

  // As the agent inherits it: the lock goes with the last descriptor.
  UniqueFd inherited(::dup(first->get()));
  first->reset();
  EXPECT_FALSE(lock_bundle(config_, std::chrono::milliseconds(0)));
  inherited.reset();
  EXPECT_TRUE(Bundle::restore_if_idle(config_));
  EXPECT_EQ(config_text(), kOriginal);
}

// A runtime may read at any moment between two containers' rewritings.
TEST_F(BundleTest, NeverShowsTheOriginalBetweenTwoRewritings) {
  create("one");
  std::vector<std::string> seen;
  const auto second = Bundle::open(folder_.path());
  ASSERT_TRUE(second);
  for (int stop = 0;
       kill_at_stop(stop, [&] { static_cast<void>(second->install(rewritten_to("two"), "another")); });
       ++stop) {
    seen.push_back(config_text());
    ASSERT_NE(seen.back(), kOriginal) << stop;
    ASSERT_EQ(opened_original(), original_dump_) << stop;
    ASSERT_TRUE(Bundle::restore(config_, kOwner));
    ASSERT_TRUE(Bundle::restore(config_, "another"));
    create("one");
  }
  EXPECT_GT(seen.size(), 10U);
}

TEST_F(BundleTest, TakesAnEditedConfigForANewOriginal) {
  create("one");
  const std::string edited = "{\"edited\": true}";
  ASSERT_TRUE(sys::replace_file(config_, edited));
  EXPECT_EQ(opened_original(), "{\"edited\":true}");
  create("two");
  EXPECT_EQ(opened_original(), "{\"edited\":true}");
  ASSERT_TRUE(Bundle::restore(config_, kOwner));
  EXPECT_EQ(config_text(), edited);
}

TEST_F(BundleTest, TakesOneByteOfDifferenceForAnEdit) {
  create("one");
  const std::string edited = config_text() + " ";
  ASSERT_TRUE(sys::replace_file(config_, edited));
  EXPECT_EQ(opened_original(), spec::dump_json(rewritten_to("one"), -1));
}

TEST_F(BundleTest, LeavesAnEditedConfigAloneWhenRestored) {
  create("one");
  ASSERT_TRUE(sys::replace_file(config_, "{\"edited\": true}"));
  ASSERT_TRUE(Bundle::restore(config_, kOwner));
  EXPECT_EQ(config_text(), "{\"edited\": true}");
  EXPECT_FALSE(has_record());
}

TEST_F(BundleTest, RestoresNothingWhereNothingWasDone) {
  EXPECT_TRUE(Bundle::restore(config_, kOwner)) << "never rewritten";
  EXPECT_EQ(config_text(), kOriginal);
  EXPECT_TRUE(Bundle::restore(folder_ / "gone/config.json", kOwner));
  create("one");
  ASSERT_TRUE(sys::unlink(config_));
  EXPECT_TRUE(Bundle::restore(config_, kOwner)) << "the config is gone";
  EXPECT_FALSE(has_record());
  EXPECT_FALSE(std::filesystem::exists(config_));
}

TEST_F(BundleTest, TakesAConfigOfAnotherName) {
  ASSERT_TRUE(sys::replace_file(folder_ / "other.json", "{\"other\": 1}"));
  const auto relative = Bundle::open(folder_.path(), "other.json");
  ASSERT_TRUE(relative) << relative.error().message();
  EXPECT_EQ(relative->config_path(), folder_ / "other.json");
  const auto absolute = Bundle::open("/nowhere", folder_ / "other.json");
  ASSERT_TRUE(absolute) << absolute.error().message();
  ASSERT_TRUE(absolute->install(rewritten_to("one"), kOwner));
  EXPECT_TRUE(std::filesystem::exists(folder_ / "other.json.tidewaiter"));
  EXPECT_EQ(config_text(), kOriginal);
}

TEST_F(BundleTest, RewritesWhatALinkedConfigPointsTo) {
  ASSERT_TRUE(sys::rename(config_, folder_ / "real.json"));
  ASSERT_EQ(::symlink("real.json", config_.c_str()), 0);
  create("one");
  EXPECT_TRUE(std::filesystem::is_symlink(config_));
  EXPECT_EQ(opened_original(), original_dump_);
  ASSERT_TRUE(Bundle::restore(config_, kOwner));
  EXPECT_TRUE(std::filesystem::is_symlink(config_));
  EXPECT_EQ(sys::read_file(folder_ / "real.json").value(), kOriginal);
}

TEST_F(BundleTest, NamesAConfigThatIsMissingOrWrong) {
  const auto error_of = [&] { return Bundle::open(folder_.path()).error().message(); };
  ASSERT_TRUE(sys::replace_file(config_, "{"));
  EXPECT_THAT(error_of(), HasSubstr("open bundle: " + config_ + ": line 1, column 2"));
  ASSERT_TRUE(sys::replace_file(config_, "[]"));
  EXPECT_EQ(error_of(), "open bundle: " + config_ + ": expected an object, found array");
  ASSERT_TRUE(sys::unlink(config_));
  EXPECT_EQ(error_of(), "open bundle: open " + config_ + ": No such file or directory");
  ASSERT_EQ(::mkfifo(config_.c_str(), 0600), 0);
  EXPECT_EQ(error_of(), "open bundle: " + config_ + ": is not a regular file") << "and it does not wait";
}

TEST_F(BundleTest, WantsTheFolderAndNotTheFile) {
  const auto opened = Bundle::open(config_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, ENOTDIR);
  EXPECT_EQ(opened.error().message(),
            "open bundle: " + config_ +
                ": a bundle is the folder that config.json is in, and this is no folder: Not a directory");
}

// Whoever could write the record would choose the config that runs next.
TEST_F(BundleTest, TrustsNoRecordOfOthers) {
  const auto expect_refused = [&](const std::string& reason) {
    const std::string expected = record_ + ": " + reason;
    const auto opened = Bundle::open(folder_.path());
    ASSERT_FALSE(opened) << reason;
    EXPECT_EQ(opened.error().message(), "open bundle: " + expected);
    EXPECT_EQ(Bundle::restore(config_, kOwner).error().message(), "restore bundle: " + expected);
  };
  const auto bundle = Bundle::open(folder_.path());
  create("one");
  const std::string rewritten = config_text();

  ASSERT_TRUE(sys::rename(record_, folder_ / "elsewhere"));
  ASSERT_EQ(::symlink("elsewhere", record_.c_str()), 0);
  expect_refused("is a symbolic link, and is not trusted");
  EXPECT_FALSE(bundle->install(rewritten_to("two"), kOwner)) << "nor is it written through";
  ASSERT_TRUE(sys::unlink(record_));

  ASSERT_TRUE(sys::mkdir(record_, 0700));
  expect_refused("is not a regular file");
  ASSERT_TRUE(sys::remove_tree(record_));
  ASSERT_EQ(::mkfifo(record_.c_str(), 0600), 0);
  expect_refused("is not a regular file");
  ASSERT_TRUE(sys::unlink(record_));

  ASSERT_TRUE(sys::rename(folder_ / "elsewhere", record_));
  ASSERT_EQ(::chmod(record_.c_str(), 0620), 0);
  expect_refused("may be written by others, and is not trusted");
  ASSERT_EQ(::chmod(record_.c_str(), 0600), 0);
  if (::geteuid() == 0) {
    ASSERT_EQ(::chown(record_.c_str(), 1234, 0), 0);
    expect_refused("belongs to user 1234, and is not trusted");
    ASSERT_EQ(::chown(record_.c_str(), 0, 0), 0);
  }
  EXPECT_EQ(config_text(), rewritten) << "nothing was touched";
  EXPECT_EQ(opened_original(), original_dump_) << "and as it was, it is trusted";
}

TEST_F(BundleTest, RefusesADamagedRecord) {
  create("one");
  const std::string good = sys::read_file(record_).value();
  const std::size_t header_end = good.find('\n');
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "has no header"},
      {std::string(10'000, 'x'), "has no header"},
      {"{\n" + good, "header: line 1, column 2"},
      {"[]\n", "is of an unknown version"},
      {R"({"version":1,"original":0,"rewritten":0})"
       "\n",
       "is of an unknown version"},
      {R"({"version":2,"original":0,"rewritten":[0]})"
       "\n",
       "has an incomplete header"},
      {R"({"version":2,"readers":[],"original":0,"rewritten":0})"
       "\n",
       "has an incomplete header"},
      {R"({"version":2,"readers":[{"owner":"a","pid":-1,"start":1}],"original":0,"rewritten":[]})"
       "\n",
       "has an incomplete header"},
      {R"({"version":2,"readers":[],"original":-1,"rewritten":[1]})"
       "\n",
       "is not as long"},
      {R"({"version":2,"readers":[],"original":1,"rewritten":[18446744073709551615]})"
       "\nx",
       "is not as long"},
      {R"({"version":2,"readers":[],"original":1,"rewritten":["x"]})"
       "\nxy",
       "is not as long"},
      {good + "x", "is not as long"},
      {good.substr(0, good.size() - 1), "is not as long"},
      {good.substr(0, header_end), "has no header"},
  };
  for (const auto& [text, error] : cases) {
    SCOPED_TRACE(text.substr(0, 100));
    ASSERT_TRUE(sys::replace_file(record_, text));
    EXPECT_THAT(opened_original(), HasSubstr(record_ + ": " + error));
    EXPECT_THAT(Bundle::restore(config_, kOwner).error().message(), HasSubstr(error));
  }
  ASSERT_TRUE(sys::replace_file(record_, good));
  EXPECT_EQ(opened_original(), original_dump_);
}

TEST_F(BundleTest, LeavesNoRecordWhenItCannotBeRewritten) {
  const auto bundle = Bundle::open(folder_.path());
  ASSERT_TRUE(bundle);
  // A folder in the config's place cannot be replaced by a file.
  ASSERT_TRUE(sys::unlink(config_));
  ASSERT_TRUE(sys::mkdir(config_, 0700));
  const Status installed = bundle->install(rewritten_to("one"), kOwner);
  ASSERT_FALSE(installed);
  EXPECT_THAT(installed.error().message(), HasSubstr("rewrite bundle: replace " + config_));
  EXPECT_FALSE(has_record());
}

// Runs `body` in a child with a mount namespace of its own; its exit status.
int in_own_mounts(const std::function<int()>& body) {
  const std::string user = "0 " + std::to_string(::geteuid()) + " 1\n";
  const std::string group = "0 " + std::to_string(::getegid()) + " 1\n";
  const auto tell = [](const char* path, const std::string& text) {
    const auto file = sys::open(path, O_WRONLY);
    return file && sys::write_all(file->get(), text);
  };
  const pid_t child = ::fork();
  if (child == 0) {
    if (::unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) ::_exit(77);
    if (!tell("/proc/self/uid_map", user)) ::_exit(77);
    if (!tell("/proc/self/setgroups", "deny") || !tell("/proc/self/gid_map", group)) ::_exit(77);
    ::_exit(body());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_F(BundleTest, SaysSoOnAReadOnlyFileSystem) {
  const std::string mount_point = folder_ / "ro";
  ASSERT_TRUE(sys::mkdir(mount_point, 0700));
  const int status = in_own_mounts([&] {
    if (::mount("tmpfs", mount_point.c_str(), "tmpfs", 0, nullptr) != 0) return 77;
    if (!sys::replace_file(mount_point + "/config.json", kOriginal)) return 1;
    if (::mount(nullptr, mount_point.c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0) return 77;
    const auto bundle = Bundle::open(mount_point);
    if (!bundle) return 2;
    const Status installed = bundle->install(rewritten_to("one"), kOwner);
    if (installed || installed.error().code != EROFS) return 3;
    const std::string message = installed.error().message();
    if (message.find("rewrite bundle: ") != 0 || message.find(mount_point) == std::string::npos) return 4;
    return Bundle::restore(mount_point + "/config.json", kOwner) ? 0 : 5;
  });
  if (status == 77) GTEST_SKIP() << "no mounts in a user namespace here";
  EXPECT_EQ(status, 0);
}

TEST_F(BundleTest, SurvivesACrashAtEverySystemCall) {
  struct Case {
    const char* name;
    std::function<void()> before;
    std::function<void()> crashing;
  };
  const auto install = [&](const std::string& value) {
    const auto bundle = Bundle::open(folder_.path());
    if (bundle) static_cast<void>(bundle->install(rewritten_to(value), kOwner));
  };
  const std::vector<Case> cases = {
      {"first install", [] {}, [&] { install("one"); }},
      {"second install", [&] { install("one"); }, [&] { install("two"); }},
      {"restore", [&] { install("one"); }, [&] { static_cast<void>(Bundle::restore(config_, kOwner)); }},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.name);
    int stop = 0;
    bool killed = true;
    for (; killed; ++stop) {
      SCOPED_TRACE(stop);
      std::filesystem::remove(record_);
      ASSERT_TRUE(sys::replace_file(config_, kOriginal, 0640));
      one.before();
      killed = kill_at_stop(stop, one.crashing);
      ASSERT_EQ(opened_original(), original_dump_);
      ASSERT_TRUE(Bundle::restore(config_, kOwner));
      ASSERT_EQ(config_text(), kOriginal);
      ASSERT_EQ(names(), std::set<std::string>{"config.json"});
    }
    EXPECT_GT(stop, 20) << "the child was killed at hardly any call";
  }
}

}  // namespace
}  // namespace tidewaiter::container
