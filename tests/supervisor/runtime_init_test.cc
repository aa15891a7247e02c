#include "supervisor/runtime_init.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "tests/supervisor/scripted_kernel.h"

namespace tidewaiter::supervisor {
namespace {

using Kind = ScriptedKernel::Kind;

constexpr pid_t kLoader = 100;
constexpr pid_t kOther = 101;

ScriptedKernel::Process process(const char* executable, const char* auxv) {
  return {.status = {}, .auxiliary_vector = auxv, .executable = {}, .executable_identity = executable};
}

bool is(RuntimeInit& runtime_init, ScriptedKernel& kernel, pid_t tid) {
  return runtime_init.is(Target(kernel, tid));
}

TEST(RuntimeInit, IsTheLoaderAsLongAsItRunsTheImageThatLoaded) {
  ScriptedKernel kernel;
  kernel.put_process(kLoader, process("1:1", "random"));
  RuntimeInit runtime_init(kernel, kLoader);
  EXPECT_TRUE(is(runtime_init, kernel, kLoader));
  EXPECT_TRUE(is(runtime_init, kernel, kLoader));
  kernel.put_process(kLoader, process("1:2", "random"));
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
  // For ever, whatever it turns itself into.
  kernel.put_process(kLoader, process("1:1", "random"));
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
}

TEST(RuntimeInit, IsNotTheSameProgramExecutedAnew) {
  ScriptedKernel kernel;
  kernel.put_process(kLoader, process("1:1", "random"));
  RuntimeInit runtime_init(kernel, kLoader);
  kernel.put_process(kLoader, process("1:1", "other random"));
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
}

TEST(RuntimeInit, IsNoOtherTaskAndEndsWithTheFirst) {
  ScriptedKernel kernel;
  kernel.put_process(kLoader, process("1:1", "random"));
  kernel.put_process(kOther, process("1:1", "random"));
  RuntimeInit runtime_init(kernel, kLoader);
  EXPECT_FALSE(is(runtime_init, kernel, kOther));
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
}

TEST(RuntimeInit, IsNobodyWhenTheLoaderCouldNotBeLookedAt) {
  for (const Kind kind : {Kind::kExecutableIdentity, Kind::kReadProcFile}) {
    for (const int code : {ENOENT, ESRCH, EPERM, EMFILE}) {
      ScriptedKernel kernel;
      kernel.put_process(kLoader, process("1:1", "random"));
      kernel.fail_always(kind, code);
      RuntimeInit runtime_init(kernel, kLoader);
      EXPECT_FALSE(is(runtime_init, kernel, kLoader));
    }
  }
  ScriptedKernel kernel;
  kernel.put_process(kLoader, process("1:1", ""));  // a process that has ended has an empty one
  RuntimeInit runtime_init(kernel, kLoader);
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
}

TEST(RuntimeInit, EndsWhenATargetCannotBeLookedAt) {
  ScriptedKernel kernel;
  kernel.put_process(kLoader, process("1:1", "random"));
  RuntimeInit runtime_init(kernel, kLoader);
  kernel.put_process(kLoader, process("1:1", ""));
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
  kernel.put_process(kLoader, process("1:1", "random"));
  EXPECT_FALSE(is(runtime_init, kernel, kLoader));
}

// An image can have the runtime's file executed with code of its own, so the file alone makes nobody trusted.
TEST(RuntimeInit, IsNobodyWhenTheLoaderIsUnknown) {
  ScriptedKernel kernel;
  kernel.put_process(kOther, process("1:1", "init"));
  RuntimeInit runtime_init(kernel, 0);
  EXPECT_FALSE(is(runtime_init, kernel, kOther));
}

}  // namespace
}  // namespace tidewaiter::supervisor
