#include "shim/bundle_review.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "oci/policy/load.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::shim {
namespace {

namespace fs = std::filesystem;
using Lines = std::vector<std::string>;

// A bundle whose root is hostile where it can be: its links lead out of it, as far as they can.
class BundleReviewTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* each : {"usr/bin", "usr/local/bin", "usr/lib/app", "srv", "mnt", "run/pg"})
      fs::create_directories(root_ / each);
    fs::create_symlink("usr/bin", root_ / "bin");
    fs::create_symlink("../run", root_ / "usr/run");
    program("usr/bin/python3.11", "x");
    fs::create_symlink("python3.11", root_ / "usr/bin/python3");
    program("usr/bin/dash", "x");
    fs::create_symlink("/usr/bin/dash", root_ / "usr/bin/sh");
    program("usr/local/bin/git", "x");
    program("srv/build.sh", "#! /bin/sh -e\necho\n");
    program("srv/twice", "#!/srv/build.sh\n");
    program("srv/orphan", "#!/usr/bin/perl\n");
    std::ofstream(root_ / "srv/data") << "x";
    ASSERT_EQ(::mkfifo((root_ / "srv/fifo").c_str(), 0755), 0);
    ASSERT_EQ(::chmod((root_ / "srv/fifo").c_str(), 0755), 0);
    // Of the machine, and not of the container.
    std::ofstream(folder_ / "outside") << "x";
    ASSERT_EQ(::chmod((folder_ / "outside").c_str(), 0755), 0);
    fs::create_symlink(folder_ / "outside", root_ / "srv/absolute");
    fs::create_symlink("../../../../../../../../" + (folder_ / "outside"), root_ / "srv/relative");
    fs::create_symlink("loop", root_ / "srv/loop");
  }

  void program(const std::string& name, const std::string& text) {
    std::ofstream(root_ / name) << text;
    ASSERT_EQ(::chmod((root_ / name).c_str(), 0755), 0);
  }

  // "pointer: message" of each remark on a policy with these members.
  Lines remarks_on(const std::string& members) {
    std::ofstream(folder_ / "config.json")
        << R"({"root": {"path": "rootfs"}, "process": {"args": [")" << first_
        << R"("]}, "mounts": [{"destination": "/mnt/"}, {"destination": "/proc"})" << mounts_ << "]}";
    const auto policy = policy::parse(R"({"version": 1, )" + members + "}", "p.json", "p");
    const auto bundle = container::Bundle::open(folder_.path());
    if (!policy || !bundle) return {"cannot be read"};
    Lines lines;
    for (const policy::Remark& remark : review_in_bundle(*policy, *bundle, bundle->original()))
      lines.push_back(remark.pointer +
                      (remark.weight == policy::Remark::Weight::kMistake ? " mistake: " : ": ") +
                      remark.message);
    return lines;
  }
  Lines remarks_on_program(const std::string& rule) {
    return remarks_on(R"("exec": {"allow": [")" + rule + R"(", "/usr/bin/dash"]})");
  }

  tidewaiter::testing::TemporaryFolder folder_;
  const fs::path root_ = fs::path(folder_.path()) / "rootfs";
  std::string first_ = "/usr/bin/dash";
  std::string mounts_;  // more of them
};

TEST_F(BundleReviewTest, HasNothingToSayOfWhatIsThere) {
  EXPECT_EQ(remarks_on_program("/usr/bin/python3.11"), Lines{});
  EXPECT_EQ(remarks_on_program("/usr/lib/app/**"), Lines{});
  EXPECT_EQ(remarks_on_program("/**"), Lines{});
  EXPECT_EQ(remarks_on_program("**"), Lines{});
  EXPECT_EQ(remarks_on_program("/srv/build.sh"), Lines{}) << "its interpreter is allowed as well";
  EXPECT_EQ(remarks_on(R"("network": {"allow": ["unix:/run/pg/.s", "unix:/run/later/x", "unix:@x"]})"),
            Lines{});
}

TEST_F(BundleReviewTest, SaysWhatALinkLeadsTo) {
  EXPECT_EQ(
      remarks_on_program("/usr/bin/python3"),
      Lines{
          R"(/exec/allow/0: "/usr/bin/python3" is a link to "/usr/bin/python3.11" in the bundle's root, and a rule names what a link leads to; write "/usr/bin/python3.11")"});
  EXPECT_EQ(
      remarks_on_program("/bin/python3.11"),
      Lines{
          R"(/exec/allow/0: "/bin/python3.11" is a link to "/usr/bin/python3.11" in the bundle's root, and a rule names what a link leads to; write "/usr/bin/python3.11")"});
  EXPECT_EQ(
      remarks_on_program("/bin/*"),
      Lines{
          R"(/exec/allow/0: "/bin" leads to "/usr/bin" in the bundle's root, and a rule is compared with canonical paths; write "/usr/bin/*")"});
  EXPECT_EQ(
      remarks_on(R"("exec": {"deny": ["/usr/bin/sh"]})"),
      Lines{
          R"(/exec/deny/0: "/usr/bin/sh" is a link to "/usr/bin/dash" in the bundle's root, and a rule names what a link leads to; write "/usr/bin/dash")"});
  EXPECT_EQ(
      remarks_on(R"("network": {"allow": ["unix:/usr/run/pg/*"]})"),
      Lines{
          R"(/network/allow/0: "/usr/run/pg" leads to "/run/pg" in the bundle's root, and a rule is compared with canonical paths; write "unix:/run/pg/*")"});
}

TEST_F(BundleReviewTest, SaysWhatIsNotThere) {
  EXPECT_EQ(remarks_on_program("/usr/bin/git"),
            Lines{R"(/exec/allow/0: the bundle's root has no "/usr/bin/git"; it has "/usr/local/bin/git")"});
  EXPECT_EQ(
      remarks_on_program("/usr/bin/python3.12"),
      Lines{
          R"(/exec/allow/0: the bundle's root has no "/usr/bin/python3.12"; it has "/usr/bin/python3.11")"});
  EXPECT_EQ(
      remarks_on_program("/usr/bin/nothing"),
      Lines{
          R"(/exec/allow/0: the bundle's root has no "/usr/bin/nothing"; correct the path, or leave the rule out)"});
  EXPECT_EQ(
      remarks_on_program("/opt/app/*"),
      Lines{
          R"(/exec/allow/0: the bundle's root has no folder "/opt/app", so nothing is there to match; correct the path, or leave the rule out)"});
  EXPECT_EQ(
      remarks_on_program("/srv/loop"),
      Lines{
          R"(/exec/allow/0: the bundle's root has no "/srv/loop"; correct the path, or leave the rule out)"});
}

TEST_F(BundleReviewTest, SaysWhatIsNoProgram) {
  EXPECT_EQ(
      remarks_on_program("/usr/lib/app"),
      Lines{
          R"(/exec/allow/0: "/usr/lib/app" is a folder in the bundle's root; for every program below it write "/usr/lib/app/**")"});
  EXPECT_EQ(
      remarks_on_program("/srv/data"),
      Lines{
          R"(/exec/allow/0: "/srv/data" may be executed by nobody in the bundle's root: its mode has no "x")"});
  EXPECT_EQ(remarks_on_program("/srv/fifo"),
            Lines{R"(/exec/allow/0: "/srv/fifo" is no regular file in the bundle's root, and no program)"});
}

TEST_F(BundleReviewTest, SaysWhichFilesAreNotThere) {
  EXPECT_EQ(
      remarks_on(
          R"("files": {"read": ["/srv", "/srv/data"], "write": ["/"], "exec": ["/usr/bin"], "deny": ["/run"]})"),
      Lines{});
  for (const std::string list : {"read", "write", "exec"}) {
    EXPECT_EQ(
        remarks_on(R"("files": {")" + list + R"(": ["/srv", "/opt/app"]})"),
        Lines{
            "/files/" + list +
            R"(/1: the bundle's root has no "/opt/app", so the rule covers nothing; correct the path, or leave the rule out)"});
  }
  EXPECT_EQ(
      remarks_on(R"("files": {"deny": ["/srv/data", "/srv/secret"]})"),
      Lines{
          R"(/files/deny/1: the bundle's root has no "/srv/secret", so an empty folder is made there; correct the path, or leave the rule out)"});
  // Whatever is there before the mount.
  EXPECT_EQ(remarks_on(R"("files": {"read": ["/mnt/nothing", "/proc/self"], "deny": ["/mnt/none"]})"),
            Lines{});
}

TEST_F(BundleReviewTest, SaysWhichFilesALinkLeadsTo) {
  EXPECT_EQ(
      remarks_on(R"("files": {"exec": ["/bin"]})"),
      Lines{
          R"(/files/exec/0: "/bin" leads to "/usr/bin" in the bundle's root, and a rule covers nothing that a link leads to; write "/usr/bin")"});
  // For images where it is none.
  EXPECT_EQ(remarks_on(R"("files": {"exec": ["/bin", "/usr/bin"]})"), Lines{});
  EXPECT_EQ(remarks_on(R"("files": {"exec": ["/bin", "/usr"]})"), Lines{});
  EXPECT_EQ(
      remarks_on(R"("files": {"read": ["/srv/absolute"]})"),
      Lines{
          R"(/files/read/0: the bundle's root has no "/srv/absolute", so the rule covers nothing; correct the path, or leave the rule out)"});
}

TEST_F(BundleReviewTest, SaysWhichInterpreterIsMissing) {
  first_ = "/srv/build.sh";
  EXPECT_EQ(
      remarks_on(R"("exec": {"allow": [{"path": "/srv/build.sh", "argv": ["**"]}]})"),
      Lines{
          R"(/exec/allow/0/path: "/srv/build.sh" is a script, and no rule lets its interpreter run; allow {"path": "/usr/bin/dash", "argv": ["/bin/sh", "-e", "/srv/build.sh", "**"]} as well)"});
  EXPECT_EQ(
      remarks_on(R"("exec": {"allow": ["/srv/build.sh", "/usr/bin/*"], "deny": ["/usr/bin/dash"]})"),
      Lines{
          R"(/exec/allow/0: "/srv/build.sh" is a script, and no rule lets its interpreter run; allow {"path": "/usr/bin/dash", "argv": ["/bin/sh", "-e", "/srv/build.sh", "**"]} as well)"});
  // An interpreter that is a script itself.
  EXPECT_EQ(
      remarks_on(R"("exec": {"allow": ["/srv/twice", {"path": "/srv/build.sh", "argv": ["*", "**"]}]})"),
      (Lines{
          R"(/exec/allow/0: "/srv/build.sh" is a script, and no rule lets its interpreter run; allow {"path": "/usr/bin/dash", "argv": ["/bin/sh", "-e", "/srv/build.sh", "**"]} as well)",
          R"(/exec/allow/1/path: "/srv/build.sh" is a script, and no rule lets its interpreter run; allow {"path": "/usr/bin/dash", "argv": ["/bin/sh", "-e", "/srv/build.sh", "**"]} as well)"}));
  first_ = "/usr/bin/dash";
  EXPECT_EQ(
      remarks_on_program("/srv/orphan"),
      Lines{
          R"(/exec/allow/0: "/srv/orphan" is a script of "/usr/bin/perl", which the bundle's root has not)"});
}

// As the kernel does: a name that may be cut off is none, and a NUL ends it.
TEST_F(BundleReviewTest, ReadsTheInterpreterAsTheKernelDoes) {
  program("srv/long", "#!/" + std::string(300, 'a'));
  EXPECT_EQ(remarks_on_program("/srv/long"), Lines{});
  program("srv/nul", std::string("#!/usr/bin/perl\0-w\n", 19));
  EXPECT_EQ(
      remarks_on_program("/srv/nul"),
      Lines{R"(/exec/allow/0: "/srv/nul" is a script of "/usr/bin/perl", which the bundle's root has not)"});
}

// The machine's files are none of the container's, whatever its links say.
TEST_F(BundleReviewTest, StaysWithinTheRoot) {
  for (const std::string name : {"absolute", "relative"}) {
    EXPECT_EQ(remarks_on_program("/srv/" + name),
              Lines{"/exec/allow/0: the bundle's root has no \"/srv/" + name +
                    "\"; correct the path, or leave the rule out"});
  }
  // As a folder.
  fs::create_symlink(folder_.path(), root_ / "srv/out");
  fs::create_symlink("/../..", root_ / "srv/up");
  EXPECT_EQ(
      remarks_on_program("/srv/out/*"),
      Lines{
          R"(/exec/allow/0: the bundle's root has no folder "/srv/out", so nothing is there to match; correct the path, or leave the rule out)"});
  EXPECT_EQ(
      remarks_on_program("/srv/up/*"),
      Lines{
          R"(/exec/allow/0: "/srv/up" leads to "/" in the bundle's root, and a rule is compared with canonical paths; write "/*")"});
}

TEST_F(BundleReviewTest, PassesOverWhatWillBeUnderAMount) {
  EXPECT_EQ(remarks_on_program("/mnt/nothing"), Lines{});
  EXPECT_EQ(remarks_on_program("/mnt/app/*"), Lines{});
  fs::create_symlink("/mnt", root_ / "srv/mounted");
  EXPECT_EQ(remarks_on_program("/srv/mounted/*"), Lines{});
}

// What is not there may lie behind a link that leads below a mount, which nobody has looked into.
TEST_F(BundleReviewTest, PassesOverWhatLinksLeadToBelowAMount) {
  fs::create_symlink("../mnt/release", root_ / "srv/current");
  program("srv/start", "#!/srv/current/bin/python\n");
  EXPECT_EQ(remarks_on_program("/srv/current/bin/server"), Lines{});
  EXPECT_EQ(remarks_on_program("/srv/current/bin/*"), Lines{});
  EXPECT_EQ(remarks_on_program("/srv/start"), Lines{});
}

// Runtimes follow the links on the way to where they mount, and take a relative one from the root on.
TEST_F(BundleReviewTest, KnowsWhereAMountWillLie) {
  for (const char* path : {"/usr/bin/plugins/one", "/usr/bin/plugins/*", "/data/tool", "/run/app/tool"})
    EXPECT_EQ(remarks_on_program(path).size(), 1U) << path << " is not there";
  mounts_ =
      R"(, {"destination": "/bin/plugins"}, {"destination": "data"}, {"destination": "//srv/../usr/run/./app/"})";
  for (const char* path : {"/usr/bin/plugins/one", "/usr/bin/plugins/*", "/data/tool", "/run/app/tool"})
    EXPECT_EQ(remarks_on_program(path), Lines{}) << path;
  EXPECT_EQ(remarks_on_program("/usr/bin/nothing").size(), 1U) << "beside them";
}

// A rule that refuses what an image does not have yet protects against whoever brings it in.
TEST_F(BundleReviewTest, AdvisesNobodyToLeaveOutWhatIsRefused) {
  EXPECT_EQ(
      remarks_on(R"("exec": {"deny": ["/usr/bin/nothing"]})"),
      Lines{
          R"(/exec/deny/0: the bundle's root has no "/usr/bin/nothing"; correct the path, or keep the rule for what may come there)"});
  EXPECT_EQ(
      remarks_on(R"("exec": {"deny": ["/opt/app/*"]})"),
      Lines{
          R"(/exec/deny/0: the bundle's root has no folder "/opt/app", so nothing is there to refuse; correct the path, or keep the rule for what may come there)"});
  EXPECT_EQ(remarks_on(R"("exec": {"deny": ["/usr/bin/git"]})"),
            Lines{R"(/exec/deny/0: the bundle's root has no "/usr/bin/git"; it has "/usr/local/bin/git")"});
}

TEST_F(BundleReviewTest, SaysThatTheFirstProgramIsRefused) {
  first_ = "/usr/bin/python3";
  EXPECT_EQ(
      remarks_on(R"("exec": {"allow": ["/usr/bin/dash"]})"),
      Lines{
          R"( mistake: /process/args: the policy p does not let the container run "/usr/bin/python3.11" (/exec/allow); allow it, with these arguments, or run another program)"});
}

TEST_F(BundleReviewTest, SaysThatThereIsNoRoot) {
  fs::remove_all(root_);
  const Lines lines = remarks_on_program("/usr/bin/git");
  ASSERT_EQ(lines.size(), 1U);
  EXPECT_TRUE(
      lines[0].starts_with(": the bundle's root cannot be looked at, so no path is compared with it: "))
      << lines[0];
}

}  // namespace
}  // namespace tidewaiter::shim
