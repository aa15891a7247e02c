#include "oci/policy/compile_copies.h"

#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "oci/policy/load.h"
#include "oci/runtime/runtime_traits.h"

namespace tidewaiter::policy {
namespace {

using nlohmann::ordered_json;
using ::testing::HasSubstr;

constexpr const char* kCopies =
    R"({"version": 1, "files": {"copy_on_write": ["/work", {"path": "/out", "on_success": "commit", "on_failure": "discard"}]}})";

Listener listener() {
  Listener made{"/run/tidewaiter/box/agent.sock", "box", "/run/tidewaiter/box/hosts"};
  made.copies_folder = "/var/lib/tidewaiter/changes/box";
  made.copies_program = "/usr/bin/tidewaiter";
  made.copied_folders = {{"/work", "/home/w"}, {"/out", "/home/o"}};
  return made;
}

ordered_json bundle() {
  return ordered_json::parse(R"({
    "process": {"args": ["sh"], "noNewPrivileges": true},
    "mounts": [{"destination": "/work/", "type": "bind", "source": "../w", "options": ["rbind", "rprivate", "nosuid", "rw"]},
               {"destination": "/out", "source": "/o", "options": ["bind"]},
               {"destination": "/work/cache", "type": "tmpfs", "source": "tmpfs"}],
    "hooks": {"createRuntime": [{"path": "/bin/own"}], "poststop": [{"path": "/bin/own"}]},
    "linux": {"namespaces": [{"type": "mount"}, {"type": "pid"}]}})");
}

Result<Plan> compiled(const ordered_json& config = bundle(), const Listener& on = listener()) {
  const auto parsed = parse(kCopies, "p.json", "p");
  if (!parsed) return fail(parsed.error().front().message);
  return compile(*parsed, config, runtime::traits(runtime::Kind::kCrun), on,
                 runtime::Surroundings::of_a_full_machine());
}

std::string failure(const Result<Plan>& plan) { return plan ? "compiled" : plan.error().message(); }

// The rules', as `explain` tells them.
std::vector<std::string> rows_of(const Plan& plan) {
  std::vector<std::string> rows;
  for (const PlanRow& row : plan.rows) {
    if (row.pointer.starts_with("/files/copy_on_write")) {
      EXPECT_EQ(row.mechanism, Mechanism::kRuntime);
      EXPECT_EQ(row.cost, "none");
      rows.push_back(row.pointer + ": " + row.what + " (" + row.note + ")");
    }
  }
  return rows;
}

TEST(CompileCopies, PutsOverlaysInThePlaceOfBindMounts) {
  const auto plan = compiled();
  ASSERT_TRUE(plan) << failure(plan);
  EXPECT_EQ(plan->config["mounts"], ordered_json::parse(R"([
    {"destination": "/work/", "type": "overlay", "source": "overlay", "options": ["rprivate", "nosuid", "rw",
      "lowerdir=/home/w,upperdir=/var/lib/tidewaiter/changes/box/0/upper,workdir=/var/lib/tidewaiter/changes/box/0/work,redirect_dir=nofollow,metacopy=off,index=off"]},
    {"destination": "/out", "type": "overlay", "source": "overlay", "options": [
      "lowerdir=/home/o,upperdir=/var/lib/tidewaiter/changes/box/1/upper,workdir=/var/lib/tidewaiter/changes/box/1/work,redirect_dir=nofollow,metacopy=off,index=off"]},
    {"destination": "/work/cache", "type": "tmpfs", "source": "tmpfs"}])"));
  // Ours is told before anything of the bundle's own fails, and settles when that is done.
  EXPECT_EQ(plan->config["hooks"], ordered_json::parse(R"({
    "createRuntime": [{"path": "/usr/bin/tidewaiter", "args": ["tidewaiter", "changes", "--attend", "/var/lib/tidewaiter/changes/box"]},
                      {"path": "/bin/own"}],
    "poststop": [{"path": "/bin/own"},
                 {"path": "/usr/bin/tidewaiter", "args": ["tidewaiter", "changes", "--settle", "/var/lib/tidewaiter/changes/box"]}]})"));
  EXPECT_TRUE(plan->remembered);
  EXPECT_FALSE(plan->supervised());
  EXPECT_EQ(
      rows_of(*plan),
      (std::vector<std::string>{
          "/files/copy_on_write/0: changes to /work and what lies below it: kept apart (an overlay over the "
          "folder that the bundle binds there; kept at the end)",
          "/files/copy_on_write/1: changes to /out and what lies below it: kept apart (an overlay over the "
          "folder that the bundle binds there; committed when the container ends with exit code 0, else "
          "discarded)"}));
}

TEST(CompileCopies, SaysWhoMountsAndThatItIsADryRun) {
  Listener on = listener();
  on.copies_user_xattr = true;
  on.dry_run = true;
  const auto plan = compiled(bundle(), on);
  ASSERT_TRUE(plan) << failure(plan);
  EXPECT_EQ(plan->config["mounts"][0]["options"].back(), "userxattr");
  EXPECT_THAT(rows_of(*plan)[1], HasSubstr("a dry run: listed at the end, and discarded"));
}

// In audit mode nothing is refused, and this refuses nothing.
TEST(CompileCopies, HoldsInAuditMode) {
  auto parsed = parse(kCopies, "p.json", "p");
  parsed->mode = Mode::kAudit;
  const auto plan = compile(*parsed, bundle(), runtime::traits(runtime::Kind::kRunc), listener(),
                            runtime::Surroundings::of_a_full_machine());
  ASSERT_TRUE(plan) << failure(plan);
  EXPECT_EQ(plan->config["mounts"][0]["type"], "overlay");
}

TEST(CompileCopies, RefusesWhatIsNoFolderOfTheHostThatIsWrittenTo) {
  const auto with_mounts = [](const std::string& mounts) {
    ordered_json config = bundle();
    config["mounts"] = ordered_json::parse(mounts);
    config["mounts"].push_back({{"destination", "/out"}, {"type", "bind"}, {"source", "/o"}});
    return failure(compiled(config));
  };
  const std::string bound = R"({"destination": "/work", "type": "bind", "source": "/w", "options": )";
  EXPECT_EQ(with_mounts("[" + bound + "[]}]"), "compiled");
  EXPECT_EQ(
      with_mounts("[]"),
      "/files/copy_on_write/0: the bundle mounts nothing at \"/work\": only a folder of the host that is "
      "bound there can be copied, as by podman's --volume; what the container writes into its own root "
      "goes with it anyway");
  EXPECT_EQ(with_mounts(R"([{"destination": "/work", "type": "tmpfs", "source": "tmpfs"}])"),
            "/files/copy_on_write/0: the bundle has a file system of its own at \"/work\" (tmpfs), and no "
            "folder of the host that could be copied");
  EXPECT_EQ(
      with_mounts("[" + bound + R"(["ro"]}])"),
      "/files/copy_on_write/0: the bundle binds \"/work\" read-only, so there is nothing to keep apart: "
      "bind it \"rw\", or leave the rule out");
  EXPECT_EQ(
      with_mounts("[" + bound + R"(["rshared"]}])"),
      "/files/copy_on_write/0: the bundle binds \"/work\" with the option \"rshared\", which no overlay "
      "has: take it away");
  EXPECT_EQ(with_mounts("[" + bound + R"([], "uidMappings": [{"containerID": 0, "hostID": 1, "size": 1}]}])"),
            "/files/copy_on_write/0: the bundle binds \"/work\" with uidMappings, which no overlay has: take "
            "them away");
  EXPECT_EQ(
      with_mounts("[" + bound + "[]}, " + bound + "[]}]"),
      "/files/copy_on_write/0: the bundle mounts twice at \"/work\": take the mount away that is hidden");
  EXPECT_EQ(with_mounts("[" + bound + R"([]}, {"destination": "/", "type": "bind", "source": "/"}])"),
            "/files/copy_on_write/0: the bundle mounts something over \"/work\" afterwards, at \"/\"");
}

TEST(CompileCopies, RefusesPathsThatNoOptionCanSay) {
  for (const std::string path : {"/home/a,b", "/home/a:b", "/home/a\\b", "/home/a\nb"}) {
    Listener on = listener();
    on.copied_folders["/work"] = path;
    EXPECT_THAT(failure(compiled(bundle(), on)),
                HasSubstr("has a comma, a colon, a backslash or a control character"))
        << path;
  }
  Listener on = listener();
  on.copied_folders["/work"] = "/" + std::string(4000, 'a');
  EXPECT_THAT(failure(compiled(bundle(), on)), HasSubstr("have more bytes together"));
}

TEST(CompileCopies, NeedsAPidNamespace) {
  ordered_json config = bundle();
  config["linux"]["namespaces"] =
      ordered_json::parse(R"([{"type": "mount"}, {"type": "pid", "path": "/proc/1/ns/pid"}])");
  EXPECT_THAT(failure(compiled(config)), HasSubstr("needs a pid namespace of the container's own"));
  config["linux"]["namespaces"] = ordered_json::parse(R"([{"type": "pid"}])");
  EXPECT_THAT(failure(compiled(config)), HasSubstr("needs a mount namespace of the container's own"));
}

// Which is not told the container's id.
TEST(CompileCopies, IsNotForTheHook) {
  EXPECT_THAT(
      failure(compiled(bundle(), {"/run/tidewaiter/box/agent.sock", "box", "/run/tidewaiter/box/hosts"})),
      HasSubstr("/files/copy_on_write: podman's hook cannot copy folders"));
}

}  // namespace
}  // namespace tidewaiter::policy
