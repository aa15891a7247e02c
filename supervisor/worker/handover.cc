#include "supervisor/worker/handover.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "oci/base/system.h"

namespace tidewaiter::supervisor {

Result<HandoverMessage::Progress> HandoverMessage::read(std::size_t size, bool closed) {
  const std::size_t known = message_.size();
  if (size > known) {
    message_.resize(size);
    const ssize_t count =
        ::pread(bytes_.get(), message_.data() + known, size - known, static_cast<off_t>(known));
    if (count < 0 || static_cast<std::size_t>(count) != size - known)
      return fail(count < 0 ? errno : EIO, "pread");
    switch (scanner_.feed(std::string_view(message_).substr(known))) {
      case spec::JsonObjectScanner::Progress::kIncomplete:
        break;
      case spec::JsonObjectScanner::Progress::kComplete:
        return Progress::kComplete;
      case spec::JsonObjectScanner::Progress::kNotAnObject:
        return fail("the container process state is not a JSON object");
    }
  }
  if (!closed) return Progress::kWaiting;
  if (message_.empty()) return Progress::kEmpty;
  return fail("the connection closed in the middle of the container process state");
}

Result<Handover> HandoverMessage::take() {
  Handover handover;
  handover.state = TRY(spec::parse_state(std::string_view(message_).substr(0, scanner_.size())));
  const auto& names = handover.state.fds;
  if (names.size() != fds_.size()) {
    return fail("the container process state names " + std::to_string(names.size()) + " descriptors, and " +
                std::to_string(fds_.size()) + " came with it");
  }
  const auto listener = std::find(names.begin(), names.end(), "seccompFd") - names.begin();
  handover.index = static_cast<std::size_t>(listener);
  handover.notify_fd = std::move(fds_[static_cast<std::size_t>(listener)]);
  const std::string kind = TRY(sys::readlink("/proc/self/fd/" + std::to_string(handover.notify_fd.get())));
  if (kind != "anon_inode:seccomp notify")
    return fail("\"seccompFd\" is \"" + kind + "\", not a seccomp listener");
  return handover;
}

}  // namespace tidewaiter::supervisor
