#include "oci/container/directories.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "oci/base/system.h"

namespace tidewaiter::container {
namespace {

using ::testing::HasSubstr;
using Variables = std::map<std::string, std::string>;

// Runs `body` in a child, so that it may change who it is and its environment; whether it returned true.
template <typename Body>
bool in_child(Body body) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

constexpr uid_t kNobody = 65534;  // whose home folder in /etc/passwd does not exist, and matters to nobody
constexpr uid_t kUnknownUser = 64321;  // who is not in /etc/passwd

bool become_ordinary_user(uid_t user) {
  return ::geteuid() != 0 || (::setgid(user) == 0 && ::setuid(user) == 0);
}

void set_environment(const Variables& variables) {
  for (const char* name :
       {"TIDEWAITER_CONFIG", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "HOME"}) {
    ::unsetenv(name);
  }
  for (const auto& [name, value] : variables) ::setenv(name.c_str(), value.c_str(), 1);
}

// What locate() says to an ordinary user: "CONFIG STATE LOG", or the error.
std::string located(const Variables& variables, uid_t user = kUnknownUser) {
  const auto pipe = sys::pipe().value();
  in_child([&] {
    if (!become_ordinary_user(user)) return false;
    set_environment(variables);
    const auto found = Directories::locate();
    return bool{sys::write_all(
        pipe.write_end.get(),
        found ? found->config_file + " " + found->state + " " + found->log : found.error().message())};
  });
  std::string text(4096, '\0');
  text.resize(sys::read(pipe.read_end.get(), text.data(), text.size()).value());
  return text;
}

TEST(Locate, FollowsTheXdgVariablesForAnOrdinaryUser) {
  EXPECT_EQ(located({{"HOME", "/h"}, {"XDG_RUNTIME_DIR", "/r"}}),
            "/h/.config/tidewaiter/config.json /r/tidewaiter /h/.local/state/tidewaiter");
  EXPECT_EQ(located({{"XDG_CONFIG_HOME", "/c"}, {"XDG_RUNTIME_DIR", "/r"}, {"XDG_STATE_HOME", "/s"}}),
            "/c/tidewaiter/config.json /r/tidewaiter /s/tidewaiter");
  EXPECT_EQ(located({{"HOME", "/h"}, {"XDG_RUNTIME_DIR", "/r"}, {"XDG_CONFIG_HOME", ""}}),
            "/h/.config/tidewaiter/config.json /r/tidewaiter /h/.local/state/tidewaiter")
      << "empty is as good as unset";
  EXPECT_EQ(located({{"HOME", "/h"}, {"XDG_RUNTIME_DIR", "/r"}, {"TIDEWAITER_CONFIG", "/t/c.json"}}),
            "/t/c.json /r/tidewaiter /h/.local/state/tidewaiter");
}

TEST(Locate, NamesTheVariableThatIsMissingOrRelative) {
  const std::vector<std::pair<Variables, std::string>> cases = {
      {{{"HOME", "/h"}}, "XDG_RUNTIME_DIR is not set"},
      {{{"HOME", "/h"}, {"XDG_RUNTIME_DIR", ""}}, "XDG_RUNTIME_DIR is not set"},
      {{{"HOME", "/h"}, {"XDG_RUNTIME_DIR", "r"}}, "XDG_RUNTIME_DIR: expected an absolute path, found r"},
      {{{"XDG_RUNTIME_DIR", "/r"}}, "neither XDG_CONFIG_HOME nor HOME is set"},
      {{{"XDG_RUNTIME_DIR", "/r"}, {"XDG_CONFIG_HOME", "/c"}}, "neither XDG_STATE_HOME nor HOME is set"},
      {{{"XDG_RUNTIME_DIR", "/r"}, {"HOME", "h"}}, "HOME: expected an absolute path, found h"},
      {{{"XDG_RUNTIME_DIR", "/r"}, {"HOME", "/h"}, {"XDG_STATE_HOME", "./s"}}, "XDG_STATE_HOME: expected"},
      {{{"XDG_RUNTIME_DIR", "/r"}, {"HOME", "/h"}, {"TIDEWAITER_CONFIG", "c.json"}},
       "TIDEWAITER_CONFIG: expected an absolute path"},
  };
  for (const auto& [variables, error] : cases) EXPECT_THAT(located(variables), HasSubstr(error));
}

// As podman runs start, kill and delete.
TEST(Locate, FindsTheHomeFolderWithoutHome) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root, to be somebody else";
  const struct passwd* nobody = ::getpwuid(kNobody);
  ASSERT_NE(nobody, nullptr);
  const std::string home = nobody->pw_dir;
  EXPECT_EQ(located({{"XDG_RUNTIME_DIR", "/r"}}, kNobody),
            home + "/.config/tidewaiter/config.json /r/tidewaiter " + home + "/.local/state/tidewaiter");
  EXPECT_EQ(located({{"XDG_RUNTIME_DIR", "/r"}, {"HOME", "/h"}}, kNobody),
            "/h/.config/tidewaiter/config.json /r/tidewaiter /h/.local/state/tidewaiter");
}

TEST(Locate, GivesTheInitialRootTheSystemFolders) {
  if (!is_initial_root()) GTEST_SKIP() << "not root of the initial user namespace";
  EXPECT_TRUE(in_child([] {
    set_environment({{"XDG_RUNTIME_DIR", "/r"}, {"XDG_CONFIG_HOME", "/c"}});
    const auto found = Directories::locate();
    return found && found->config_file == "/etc/tidewaiter/config.json" &&
           found->state == "/run/tidewaiter" && found->log == "/var/log/tidewaiter";
  }));
  EXPECT_TRUE(in_child([] {
    set_environment({{"TIDEWAITER_CONFIG", "/t/c.json"}});
    const auto found = Directories::locate();
    return found && found->config_file == "/t/c.json" && found->state == "/run/tidewaiter";
  }));
}

TEST(IsInitialRoot, IsFalseForAnOrdinaryUser) {
  EXPECT_TRUE(in_child([] { return become_ordinary_user(kNobody) && !is_initial_root(); }));
}

TEST(IsInitialRoot, IsFalseForRootOfANamespaceOfItsOwn) {
  const std::string map = "0 " + std::to_string(::geteuid()) + " 1\n";
  if (!in_child([&] { return ::unshare(CLONE_NEWUSER) == 0; })) {
    GTEST_SKIP() << "user namespaces are not to be had";
  }
  EXPECT_TRUE(in_child([&] {
    if (::unshare(CLONE_NEWUSER) != 0) return false;
    const auto file = sys::open("/proc/self/uid_map", O_WRONLY);
    return file && sys::write_all(file->get(), map) && ::geteuid() == 0 && !is_initial_root();
  }));
}

TEST(IsInitialRoot, IsTrueWhereAllIdsAreMapped) {
  if (::geteuid() != 0 || sys::read_file("/proc/self/uid_map")->find("4294967295") == std::string::npos) {
    GTEST_SKIP() << "not root of the initial user namespace";
  }
  EXPECT_TRUE(is_initial_root());
}

TEST(StateFolderName, IsTheIdWhereItFits) {
  EXPECT_EQ(state_folder_name("box", "/run/tidewaiter").value(), "box");
  const std::string podman_id(64, 'f');
  EXPECT_EQ(state_folder_name(podman_id, "/run/tidewaiter").value(), podman_id);
  EXPECT_EQ(state_folder_name(podman_id, "/run/user/1000/tidewaiter").value(), podman_id);
  EXPECT_EQ(state_folder_name("a b:c@ü", "/run/tidewaiter").value(), "a b:c@ü");
}

TEST(StateFolderName, IsShortenedExactlyWhereTheSocketPathWouldNotFit) {
  const std::string directory = "/run/tidewaiter";
  const std::size_t longest = 107 - directory.size() - std::string("//agent.sock").size();
  const std::string fits(longest, 'x');
  EXPECT_EQ(state_folder_name(fits, directory).value(), fits);
  const std::string name = state_folder_name(fits + "x", directory).value();
  EXPECT_EQ(name.size(), 32U + 1 + 16);
  EXPECT_EQ(name.substr(0, 33), std::string(32, 'x') + "-");
  EXPECT_NE(name, state_folder_name(fits + "y", directory).value()) << "the hash is of the whole id";
  EXPECT_EQ(name, state_folder_name(fits + "x", directory).value());
}

TEST(StateFolderName, HashesAsFnv1aDoes) {
  // State folders are found again by the programs of another version: the name may not change.
  std::uint64_t hash = 14695981039346656037U;
  for (int i = 0; i < 200; ++i) hash = (hash ^ std::uint64_t{'a'}) * 1099511628211U;
  char expected[17];
  std::snprintf(expected, sizeof expected, "%016llx", static_cast<unsigned long long>(hash));
  EXPECT_EQ(state_folder_name(std::string(200, 'a'), "/run/tidewaiter").value(),
            std::string(32, 'a') + "-" + expected);
}

TEST(StateFolderName, RefusesWhatWouldLeaveTheFolder) {
  for (const std::string& id :
       {std::string(), std::string("."), std::string(".."), std::string(".hidden"), std::string("a/b"),
        std::string("/"), std::string("../x"), std::string("a\0b", 3), std::string(300, 'x') + "/y"}) {
    EXPECT_FALSE(state_folder_name(id, "/run/tidewaiter")) << id;
  }
  EXPECT_EQ(state_folder_name("a/b", "/run").error().message(), "container id a/b: contains a slash");
}

TEST(StateFolderName, SaysWhenTheStateDirectoryItselfIsTooLong) {
  const std::string directory = "/" + std::string(60, 'd');
  EXPECT_EQ(state_folder_name("short", directory).value(), "short");
  const auto name = state_folder_name(std::string(64, 'x'), directory);
  ASSERT_FALSE(name);
  EXPECT_EQ(name.error().code, ENAMETOOLONG);
  EXPECT_THAT(name.error().message(), HasSubstr(directory));
}

}  // namespace
}  // namespace tidewaiter::container
