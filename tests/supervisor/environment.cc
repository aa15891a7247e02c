#include <fcntl.h>
#include <gtest/gtest.h>

#include "oci/base/log.h"
#include "supervisor/waiting.h"

// What tidewaiter-agent does before it starts: every test here needs the interrupt. Diagnostics of calls that
// are made to fail would drown those of the tests.

namespace tidewaiter::supervisor {
namespace {

class AgentEnvironment final : public testing::Environment {
 public:
  void SetUp() override {
    ASSERT_TRUE(Waiting::install_interrupt());
    log::set_output(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  }
};

[[maybe_unused]] const auto* const kRegistered = testing::AddGlobalTestEnvironment(new AgentEnvironment);

}  // namespace
}  // namespace tidewaiter::supervisor
