#include "supervisor/runtime_init.h"

namespace tidewaiter::supervisor {

std::optional<RuntimeInit::Image> RuntimeInit::image_of(Kernel& kernel, pid_t pid) {
  auto executable = kernel.executable_identity(pid);
  auto vector = kernel.read_proc_file(pid, "auxv");
  if (!executable || !vector || vector->empty()) return std::nullopt;
  return Image{std::move(*executable), std::move(*vector)};
}

RuntimeInit::RuntimeInit(Kernel& kernel, pid_t loader) : kernel_(kernel), loader_(loader) {
  if (loader != 0) image_ = image_of(kernel, loader);
  over_ = !image_.has_value();
}

bool RuntimeInit::is(const Target& target) {
  if (over_) return false;
  const bool same = target.tid() == loader_ && image_of(kernel_, loader_) == image_;
  // Whatever else calls under this filter was executed by the runtime's init, or is its child: it is over.
  if (!same) over_ = true;
  return same;
}

}  // namespace tidewaiter::supervisor
