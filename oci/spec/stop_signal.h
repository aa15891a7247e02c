#pragma once

#include <string_view>

#include "oci/base/result.h"
#include "oci/spec/config.h"

namespace tidewaiter::spec {

// The signal by which whoever stops a container asks its first process to end: the annotation
// org.opencontainers.image.stopSignal (image-spec, annotations.md), which engines make of the image's
// STOPSIGNAL; SIGTERM where there is none.
Result<int> stop_signal(const Json& config);

// "15", "TERM", "SIGTERM", "SIGRTMIN+3", of signal(7) and in either case.
Result<int> parse_signal(std::string_view text);

}  // namespace tidewaiter::spec
