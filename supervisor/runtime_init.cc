#include "supervisor/runtime_init.h"

namespace tidewaiter::supervisor {

std::optional<RuntimeInit::Image> RuntimeInit::image_of(Kernel& kernel, pid_t pid) {
  auto executable = kernel.executable_identity(pid);
  auto vector = kernel.read_proc_file(pid, "auxv");
  if (!executable || !vector || vector->empty()) return std::nullopt;
  return Image{std::move(*executable), std::move(*vector)};
}

RuntimeInit::RuntimeInit(Kernel& kernel, pid_t loader, pid_t peer) : kernel_(kernel), loader_(loader) {
  if (loader != 0) {
    image_ = image_of(kernel, loader);
    over_ = !image_.has_value();
    return;
  }
  if (auto executable = kernel.executable_identity(peer)) {
    peer_executable_ = std::move(*executable);
  } else {
    over_ = true;
  }
}

bool RuntimeInit::is(const Target& target) {
  if (over_) return false;
  const auto image = image_of(kernel_, target.tid());
  const bool same = image && (loader_ != 0 ? target.tid() == loader_ && image == image_
                                           : image->executable == peer_executable_);
  // Whatever else calls under this filter was executed by the runtime's init, or is its child: it is over.
  if (!same) over_ = true;
  return same;
}

}  // namespace tidewaiter::supervisor
