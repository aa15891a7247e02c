#include "shim/init_place.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <linux/stat.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string_view>

#include "oci/base/system.h"
#include "oci/base/unique_fd.h"
#include "oci/policy/wording.h"
#include "oci/spec/members.h"
#include "oci/spec/mounts.h"

namespace tidewaiter::shim {
namespace {

constexpr std::string_view kAdvice =
    ", and whoever may change that chooses what runs under no file rules: take /files out of the policy, or "
    "use an image without it";

Status check_mounts(const spec::Json& config) {
  const spec::Json* mounts = spec::member(config, "mounts");
  if (mounts == nullptr || !mounts->is_array()) return {};
  for (std::size_t i = 0; i < mounts->size(); ++i) {
    const spec::Json& mount = (*mounts)[i];
    if (!mount.is_object() || spec::absolute(spec::text_member(mount, "destination")) != "/") continue;
    return fail(
        "/mounts/" + std::to_string(i) +
        ": is mounted over the container's root, so where tidewaiter-init is bound is not known before");
  }
  return {};
}

// --- in the container's mount namespace -------------------------------------------------------------------

enum class Seen : std::uint8_t {
  kInit,
  kNoEntry,  // the namespace cannot be entered
  kNothing,  // or a link leads there
  kNoMount,  // a file like others
  kOther,    // another file
};

struct Answer {
  Seen seen = Seen::kNoEntry;
  int error = 0;
};

// The root of a mount namespace is the root of who enters it, whatever the container's own processes have for
// theirs.
bool enter(int mount_namespace, int user_namespace) {
  if (::setns(mount_namespace, CLONE_NEWNS) == 0) return true;
  // An ordinary user has the right to in the container's user namespace alone.
  return errno == EPERM && ::setns(user_namespace, CLONE_NEWUSER) == 0 &&
         ::setns(mount_namespace, CLONE_NEWNS) == 0;
}

Answer look(int mount_namespace, int user_namespace, const char* place, const container::Record::File& init) {
  if (!enter(mount_namespace, user_namespace)) return {Seen::kNoEntry, errno};
  struct open_how how {};
  how.flags = O_PATH | O_CLOEXEC;
  how.resolve = RESOLVE_NO_SYMLINKS;
  const auto file = static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, place, &how, sizeof how));
  if (file < 0) return {Seen::kNothing, errno};
  struct statx status {};
  if (::syscall(SYS_statx, file, "", AT_EMPTY_PATH, STATX_INO, &status) != 0) return {Seen::kNothing, errno};
  const container::Record::File found{makedev(status.stx_dev_major, status.stx_dev_minor), status.stx_ino};
  if (found != init) return {Seen::kOther, 0};
  if ((status.stx_attributes & STATX_ATTR_MOUNT_ROOT) == 0) return {Seen::kNoMount, 0};
  return {Seen::kInit, 0};
}

// A process of its own has to go there. This one has one thread, so its fork may do as it likes.
Result<Answer> look_in(pid_t pid, const std::string& place, const container::Record::File& init) {
  const std::string namespaces = "/proc/" + std::to_string(pid) + "/ns/";
  const UniqueFd mounts = TRY(sys::open(namespaces + "mnt", O_RDONLY));
  const UniqueFd users = TRY(sys::open(namespaces + "user", O_RDONLY));
  sys::Pipe pipe = TRY(sys::pipe());
  const pid_t child = ::fork();
  if (child < 0) return fail(errno, "fork");
  if (child == 0) {
    const Answer answer = look(mounts.get(), users.get(), place.c_str(), init);
    [[maybe_unused]] const ssize_t written = ::write(pipe.write_end.get(), &answer, sizeof answer);
    ::_exit(0);
  }
  pipe.write_end.reset();
  Answer answer;
  const auto size = sys::read(pipe.read_end.get(), &answer, sizeof answer);
  // ECHILD where the caller has us ignore SIGCHLD: it has ended all the same.
  while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (!size) return tl::unexpected(size.error());
  if (*size != sizeof answer) return fail("nobody could look");
  return answer;
}

}  // namespace

Status check_init_place(const spec::Json& config, const std::string& bundle, const std::string& place) {
  TRY(check_mounts(config));
  const spec::Json* root = spec::member(config, "root");
  std::string path = root == nullptr ? "" : spec::text_member(*root, "path");
  if (path.empty()) return {};  // the runtime refuses
  if (!path.starts_with('/')) path = bundle + "/" + path;
  auto here = sys::open(path, O_PATH | O_DIRECTORY);
  if (!here && here.error().code == ENOENT) return {};  // likewise
  if (!here) return in_context("/root/path", Status(tl::unexpected(here.error())));
  std::string walked;
  for (std::string_view rest = place; !rest.empty();) {
    rest.remove_prefix(1);
    const std::string name(rest.substr(0, rest.find('/')));
    rest.remove_prefix(name.size());
    walked += "/" + name;
    auto next = sys::openat(here->get(), name, O_PATH | O_NOFOLLOW);
    if (!next && next.error().code == ENOENT) return {};  // the runtime makes it
    if (!next) return in_context(path + walked, Status(tl::unexpected(next.error())));
    const struct stat status = TRY(sys::fstat(next->get()));
    if (S_ISLNK(status.st_mode))
      return fail("in the container's root file system " + policy::quote(walked) + " is a symbolic link" +
                  std::string(kAdvice));
    here = std::move(next);
  }
  return {};
}

Status check_init_bound(pid_t pid, const std::string& place, const container::Record::File& init) {
  const Answer answer = TRY(in_context("look at " + place + " in the container", look_in(pid, place, init)));
  switch (answer.seen) {
    case Seen::kInit:
      return {};
    case Seen::kNoEntry:
      return fail(answer.error, "look at " + place + " in the container");
    case Seen::kNothing:
      return fail(answer.error,
                  place + " in the container, which was bound there, or a link on the way to it");
    case Seen::kNoMount:
    case Seen::kOther:
      break;
  }
  return fail(place +
              " in the container is no longer the tidewaiter-init that was bound there, so nothing is "
              "executed: create the container again");
}

}  // namespace tidewaiter::shim
