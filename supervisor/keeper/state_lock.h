#pragma once

#include <string>

#include "oci/base/result.h"
#include "oci/base/unique_fd.h"

namespace tidewaiter::supervisor {

// The lock of a state folder, which says that its agent is alive, and who that is: `text`, container::
// lock_text(). EWOULDBLOCK: another agent has it. It is held while any copy of the descriptor is open.
Result<UniqueFd> lock_state_folder(const std::string& state_folder, const std::string& text);
// Has it say something else.
Status sign_lock(const UniqueFd& lock, const std::string& text);

}  // namespace tidewaiter::supervisor
