#include "oci/seccomp/listener_trial.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <functional>
#include <string>

#include "tests/oci/seccomp/child.h"

namespace tidewaiter::seccomp {
namespace {

using ::testing::ElementsAre;

// Loads a filter that answers seccomp(2) with `action` and allows the rest. Returns its listener, which is
// left open; 0 of a filter without one; -1 if it cannot be loaded.
long load_filter(unsigned flags, std::uint32_t action = SECCOMP_RET_ALLOW) {
  std::array<struct sock_filter, 4> program = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, action),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const struct sock_fprog filter { static_cast<unsigned short>(program.size()), program.data() };
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return -1;
  return ::syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &filter);
}

// In a child: what the trial says there, whether a policy may be put into effect there, whether the reason
// has `word`, and what the seccomp mode is afterwards.
std::vector<long> judge_below(const std::function<bool()>& load, const std::string& word = "") {
  Child child([&]() -> std::vector<long> {
    if (!load()) return {};
    const auto trial = try_listener();
    const Status held = check_own_filter();
    return {trial ? trial->listener : -1, held ? 1 : 0,
            held || held.error().message().find(word) == std::string::npos ? 0 : 1,
            ::prctl(PR_GET_SECCOMP, 0, 0, 0, 0)};
  });
  return child.report();
}

TEST(CheckOwnFilter, PassesWhereThereIsNone) {
  if (::prctl(PR_GET_SECCOMP, 0, 0, 0, 0) != 0) GTEST_SKIP() << "a filter is in force here";
  EXPECT_THAT(judge_below([] { return true; }), ElementsAre(0, 1, 0, SECCOMP_MODE_DISABLED));
}

TEST(CheckOwnFilter, PassesBelowFiltersWithoutAListener) {
  EXPECT_THAT(judge_below([] { return load_filter(0) == 0 && load_filter(0) == 0; }),
              ElementsAre(0, 1, 0, SECCOMP_MODE_FILTER));
}

TEST(CheckOwnFilter, RefusesBelowAListener) {
  const auto load = [] { return load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER) > 0; };
  EXPECT_THAT(judge_below(load, "EBUSY"), ElementsAre(EBUSY, 0, 1, SECCOMP_MODE_FILTER));
  const auto load_another = [&] { return load() && load_filter(0) == 0; };
  EXPECT_THAT(judge_below(load_another, "outside the sandbox that listens"),
              ElementsAre(EBUSY, 0, 1, SECCOMP_MODE_FILTER));
}

// The filter is what counts: one whose listener nobody holds any more is like any other.
TEST(CheckOwnFilter, PassesBelowAListenerThatIsGone) {
  const auto load = [] {
    return ::close(static_cast<int>(load_filter(SECCOMP_FILTER_FLAG_NEW_LISTENER))) == 0;
  };
  EXPECT_THAT(judge_below(load), ElementsAre(0, 1, 0, SECCOMP_MODE_FILTER));
}

TEST(CheckOwnFilter, SaysWhatAFilterAnswersInstead) {
  EXPECT_THAT(judge_below([] { return load_filter(0, SECCOMP_RET_ERRNO | EPERM) == 0; },
                          "seccomp(2): Operation not permitted"),
              ElementsAre(EPERM, 0, 1, SECCOMP_MODE_FILTER));
}

// It may be that of another process than the runtime's: what cannot be found out is left to the runtime.
TEST(CheckOwnFilter, PassesWhereNothingCanBeTried) {
  EXPECT_THAT(judge_below([] { return load_filter(0, SECCOMP_RET_KILL_PROCESS) == 0; }),
              ElementsAre(-1, 1, 0, SECCOMP_MODE_FILTER));
}

}  // namespace
}  // namespace tidewaiter::seccomp
