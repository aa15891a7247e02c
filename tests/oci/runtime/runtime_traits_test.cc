#include "oci/runtime/runtime_traits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::runtime {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

constexpr Kind kKinds[] = {Kind::kCrun, Kind::kRunc, Kind::kYouki, Kind::kUnknown};

TEST(Traits, ATableRowForEveryKind) {
  for (const Kind kind : kKinds) {
    EXPECT_EQ(traits(kind).kind, kind);
    EXPECT_FALSE(traits(kind).name.empty());
  }
  EXPECT_EQ(traits(Kind::kCrun).name, "crun");
  EXPECT_EQ(traits(Kind::kRunc).name, "runc");
  EXPECT_EQ(traits(Kind::kYouki).name, "youki");
}

TEST(Traits, SayWhyACallMustNotNotify) {
  EXPECT_THAT(std::string(traits(Kind::kRunc).why_never_notify("write")), HasSubstr("runc refuses it"));
  EXPECT_THAT(std::string(traits(Kind::kYouki).why_never_notify("sendmsg")), HasSubstr("wait for ever"));
  for (const char* syscall : {"connect", "bind", "openat", "execve", "read", "close", "fcntl", "futex"}) {
    for (const Kind kind : kKinds) EXPECT_EQ(traits(kind).why_never_notify(syscall), "") << syscall;
  }
  EXPECT_EQ(traits(Kind::kRunc).why_never_notify("sendmsg"), "");
  EXPECT_EQ(traits(Kind::kRunc).why_never_notify("writ"), "");
  EXPECT_EQ(traits(Kind::kCrun).why_never_notify("write"), "");
  EXPECT_EQ(traits(Kind::kCrun).why_never_notify("sendmsg"), "");
}

TEST(Traits, SayWhichSeccompFlagsGoWithAListener) {
  const std::string flag = "SECCOMP_FILTER_FLAG_";
  EXPECT_THAT(std::string(traits(Kind::kCrun).why_not_with_listener(flag + "TSYNC")), HasSubstr("EINVAL"));
  EXPECT_EQ(traits(Kind::kRunc).why_not_with_listener(flag + "TSYNC"), "");
  EXPECT_EQ(traits(Kind::kYouki).why_not_with_listener(flag + "TSYNC"), "");
  for (const std::string name : {"LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV", "TSYNC_ESRCH", "TSYN", ""}) {
    for (const Kind kind : kKinds) EXPECT_EQ(traits(kind).why_not_with_listener(flag + name), "") << name;
  }
  EXPECT_EQ(traits(Kind::kCrun).why_not_with_listener("TSYNC"), "") << "no runtime takes the short form";
}

TEST(Traits, SayWhichSeccompFlagsARuntimeTakes) {
  const auto taken = [](Kind kind) {
    std::string words;
    for (const SeccompFlag& row : traits(kind).seccomp_flags) {
      EXPECT_TRUE(row.name.starts_with("SECCOMP_FILTER_FLAG_")) << row.name;
      words += std::string(row.name.substr(20)) + std::string(row.since) + ' ';
    }
    return words;
  };
  EXPECT_EQ(taken(Kind::kCrun), "LOG SPEC_ALLOW TSYNC WAIT_KILLABLE_RECV ");
  EXPECT_EQ(taken(Kind::kRunc), "LOG1.2 SPEC_ALLOW1.2 TSYNC1.2 WAIT_KILLABLE_RECV1.5 ");
  EXPECT_EQ(taken(Kind::kYouki), "LOG SPEC_ALLOW TSYNC ");
}

TEST(Traits, AnUnknownRuntimeMayHaveTheFaultsOfEveryOther) {
  const Traits& unknown = traits(Kind::kUnknown);
  for (const Kind kind : kKinds) {
    for (const NeverNotify& row : traits(kind).never_notify) {
      EXPECT_FALSE(row.reason.empty());
      EXPECT_NE(unknown.why_never_notify(row.syscall), "") << row.syscall;
    }
    for (const SeccompFlag& row : traits(kind).seccomp_flags) {
      if (row.not_with_listener.empty()) continue;
      EXPECT_NE(unknown.why_not_with_listener(row.name), "") << row.name;
    }
    for (const std::string_view prefix : traits(kind).bypass_annotation_prefixes) {
      const auto& all = unknown.bypass_annotation_prefixes;
      EXPECT_NE(std::find(all.begin(), all.end(), prefix), all.end()) << prefix;
    }
    if (!traits(kind).bypass_environment.empty()) {
      EXPECT_EQ(unknown.bypass_environment, traits(kind).bypass_environment);
    }
  }
  EXPECT_FALSE(unknown.accepts_config_option);
}

TEST(Traits, KnowTheWaysRoundARewrittenConfig) {
  for (const std::string annotation :
       {"run.oci.seccomp.receiver", "run.oci.seccomp.plugins", "run.oci.seccomp_bpf_data", "run.oci.handler",
        "module.wasm.image/variant"}) {
    const auto prefixes = traits(Kind::kCrun).bypass_annotation_prefixes;
    EXPECT_TRUE(std::any_of(prefixes.begin(), prefixes.end(), [&](std::string_view prefix) {
      return annotation.starts_with(prefix);
    })) << annotation;
  }
  for (const std::string_view prefix : {"run.oci.handler", "module.wasm.image/variant"}) {
    const auto prefixes = traits(Kind::kYouki).bypass_annotation_prefixes;
    EXPECT_NE(std::find(prefixes.begin(), prefixes.end(), prefix), prefixes.end()) << prefix;
  }
  EXPECT_EQ(traits(Kind::kCrun).bypass_environment, "RUN_OCI_SECCOMP_RECEIVER");
  EXPECT_TRUE(traits(Kind::kRunc).bypass_annotation_prefixes.empty());
  EXPECT_TRUE(traits(Kind::kCrun).accepts_config_option);
  EXPECT_FALSE(traits(Kind::kRunc).accepts_config_option);
}

class IdentifyTest : public ::testing::Test {
 protected:
  // A program of that name which does `script`.
  std::string program(const std::string& name, const std::string& script = "exit 7") {
    std::string path = folder_ / name;
    EXPECT_TRUE(sys::replace_file(path, "#!/bin/sh\n" + script + "\n", 0755));
    return path;
  }

  TemporaryFolder folder_;
};

TEST(Traits, KnowTheNamesThatChooseAHandler) {
  for (const char* path : {"krun", "/usr/bin/krun", "/opt/crun-wasm", "crun-"})
    EXPECT_TRUE(name_chooses_handler(path)) << path;
  for (const char* path : {"crun", "/usr/bin/crun", "/krun/crun", "/crun-wasm/runc", "youki", "kruns", ""}) {
    EXPECT_FALSE(name_chooses_handler(path)) << path;
  }
}

TEST_F(IdentifyTest, KnowsARuntimeByItsNameWithoutRunningIt) {
  const std::vector<std::pair<std::string, Kind>> cases = {
      {"crun", Kind::kCrun},   {"crun-1.21", Kind::kCrun},  {"crun_static", Kind::kCrun},
      {"runc", Kind::kRunc},   {"runc.amd64", Kind::kRunc}, {"docker-runc", Kind::kRunc},
      {"youki", Kind::kYouki}, {"youki-0.4", Kind::kYouki},
  };
  for (const auto& [name, kind] : cases) {
    // It would say otherwise, if it were asked.
    const auto found = identify(program(name, "echo other version 1"));
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, kind) << name;
  }
}

TEST_F(IdentifyTest, FollowsSymbolicLinks) {
  program("crun-1.21");
  ASSERT_EQ(::symlink("crun-1.21", (folder_ / "runtime").c_str()), 0);
  ASSERT_EQ(::symlink((folder_ / "runtime").c_str(), (folder_ / "runc").c_str()), 0);
  EXPECT_EQ(identify(folder_ / "runtime").value(), Kind::kCrun);
  EXPECT_EQ(identify(folder_ / "runc").value(), Kind::kCrun) << "a link may be called anything";
}

TEST_F(IdentifyTest, AsksAProgramWhoseNameSaysNothing) {
  const std::vector<std::pair<std::string, Kind>> cases = {
      {"echo crun version 1.8.1; echo commit: abc", Kind::kCrun},
      {"[ \"$#\" = 1 ] && [ \"$1\" = --version ] && echo runc version 1.1.5", Kind::kRunc},
      {"printf 'youki version: 0.5'", Kind::kYouki},
      {"echo crun", Kind::kCrun},
      {"echo runsc version release-1", Kind::kUnknown},
      {"echo crunchy version 1", Kind::kUnknown},
      {"echo kata-runtime : 3.0 with runc", Kind::kUnknown},
      {"echo; echo crun version 1", Kind::kUnknown},
      {"echo crun version 1 >&2", Kind::kUnknown},
      {"exit 1", Kind::kUnknown},
      {"kill -9 $$", Kind::kUnknown},
      {"exec cat", Kind::kUnknown},  // standard input is empty
      {"while :; do echo crun; done", Kind::kCrun},
      {"while printf xxxxxxxxxxxxxxxx; do :; done", Kind::kUnknown},  // a line without an end
  };
  for (const std::string name : {"kata-runtime", "runsc", "crunch", "oci"}) {
    const auto found = identify(program(name, "echo crun version 1"));
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, Kind::kCrun) << name << " has no runtime's name in it";
  }
  for (const auto& [script, kind] : cases) {
    SCOPED_TRACE(script);
    const auto found = identify(program("wrapper", script));
    ASSERT_TRUE(found) << found.error().message();
    EXPECT_EQ(*found, kind);
  }
}

TEST_F(IdentifyTest, NamesAProgramThatIsMissingOrCannotRun) {
  EXPECT_EQ(identify(folder_ / "crun").error().code, ENOENT) << "even if its name says everything";
  ASSERT_TRUE(sys::replace_file(folder_ / "wrapper", "text", 0644));
  const auto found = identify(folder_ / "wrapper");
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().message(), "run " + (folder_ / "wrapper") + " --version: Permission denied");
}

bool is_gone(pid_t pid) {
  const auto stat = sys::read_file("/proc/" + std::to_string(pid) + "/stat");
  return !stat || stat->find(") Z ") != std::string::npos;
}

TEST_F(IdentifyTest, EndsAProgramThatDoesNotAnswer) {
  const std::string pid_file = folder_ / "pid";
  const std::string wrapper = program("wrapper", "sleep 1000 & echo $! > '" + pid_file + "'; wait");
  const auto before = std::chrono::steady_clock::now();
  const auto found = identify(wrapper);
  const auto took = std::chrono::steady_clock::now() - before;
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, ETIMEDOUT);
  EXPECT_THAT(found.error().message(), HasSubstr(wrapper));
  EXPECT_GE(took, std::chrono::seconds(5));
  EXPECT_LT(took, std::chrono::seconds(20));
  const pid_t grandchild = std::stoi(sys::read_file(pid_file).value());
  // SIGKILL has been sent; it only remains for the kernel to act on it.
  while (!is_gone(grandchild)) ::usleep(1000);
}

}  // namespace
}  // namespace tidewaiter::runtime
