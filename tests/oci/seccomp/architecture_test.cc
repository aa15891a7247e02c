#include "oci/seccomp/architecture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/audit.h>
#include <seccomp.h>

#include <string>
#include <vector>

#include "oci/seccomp/filter_context.h"

namespace tidewaiter::seccomp {
namespace {

using testing::Contains;
using testing::ElementsAre;

const Architecture kX86_64{"SCMP_ARCH_X86_64", SCMP_ARCH_X86_64};
const Architecture kX86{"SCMP_ARCH_X86", SCMP_ARCH_X86};
const Architecture kX32{"SCMP_ARCH_X32", SCMP_ARCH_X32};
const Architecture kAarch64{"SCMP_ARCH_AARCH64", SCMP_ARCH_AARCH64};
const Architecture kArm{"SCMP_ARCH_ARM", SCMP_ARCH_ARM};

TEST(Architecture, HasTheKernelsNumbers) {
  struct Case {
    const Architecture& architecture;
    std::uint32_t audit_arch;
    bool compares_64_bits;
    std::uint32_t getpid;
  };
  const std::vector<Case> kCases{
      {kX86_64, AUDIT_ARCH_X86_64, true, 39},
      {kX86, AUDIT_ARCH_I386, false, 20},
      {kX32, AUDIT_ARCH_X86_64, false, 0x40000027},
      {kAarch64, AUDIT_ARCH_AARCH64, true, 172},
      {kArm, AUDIT_ARCH_ARM, false, 20},
  };
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.architecture.name);
    EXPECT_EQ(one.architecture.audit_arch(), one.audit_arch);
    EXPECT_EQ(one.architecture.compares_64_bits(), one.compares_64_bits);
    EXPECT_EQ(one.architecture.number("getpid"), one.getpid);
    EXPECT_FALSE(one.architecture.number("a_call_of_tomorrow"));
  }
  EXPECT_FALSE(kX86_64.number("chown32"));
  EXPECT_EQ(kX86.number("chown32"), 212U);
}

// What libseccomp turns into rules on socketcall and ipc is what we take for multiplexed.
TEST(Architecture, KnowsWhatIsMultiplexed) {
  EXPECT_EQ(kX86.multiplexer("connect"), "socketcall");
  EXPECT_EQ(kX86.multiplexer("shmat"), "ipc");
  EXPECT_EQ(kX86.multiplexer("socketcall"), "socketcall");
  EXPECT_EQ(kX86.multiplexer("chown"), "");
  for (const Architecture* architecture : {&kX86_64, &kX32, &kAarch64, &kArm})
    EXPECT_EQ(architecture->multiplexer("connect"), "") << architecture->name;

  std::size_t found = 0;
  for (int pseudo = -100; pseudo > -300; --pseudo) {
    const auto name = syscall_name(SCMP_ARCH_X86, pseudo);
    if (!name) continue;
    ++found;
    const std::string through = pseudo > -200 ? "socketcall" : "ipc";
    EXPECT_EQ(kX86.multiplexer(*name), through) << *name;
    EXPECT_THAT(reached_through(through), Contains(*name));
  }
  EXPECT_GT(found, 25U);
}

// Every call that a 32-bit ABI has, and its 64-bit one does not, and whose name is that of another call with
// an ending for wider numbers, is known as its spelling.
TEST(OtherSpellings, CoverTheWiderVariantsOf32BitAbis) {
  std::size_t found = 0;
  const std::vector<std::pair<const Architecture*, const Architecture*>> kPairs{{&kX86, &kX86_64},
                                                                                {&kArm, &kAarch64}};
  for (const auto& [narrow, wide] : kPairs) {
    for (int number = 0; number < 500; ++number) {
      const auto name = syscall_name(narrow->token, number);
      if (!name || wide->number(*name) || !narrow->multiplexer(*name).empty()) continue;
      for (const std::string ending : {"_time64", "32", "64"}) {
        if (name->size() <= ending.size() || name->substr(name->size() - ending.size()) != ending) continue;
        const std::string call = name->substr(0, name->size() - ending.size());
        if (!wide->number(call)) continue;
        ++found;
        EXPECT_THAT(other_spellings(call), Contains(*name));
      }
    }
  }
  EXPECT_GT(found, 60U);
  EXPECT_THAT(other_spellings("umount2"), ElementsAre("umount"));
  EXPECT_THAT(other_spellings("mmap"), ElementsAre("mmap2"));
  EXPECT_THAT(other_spellings("openat"), ElementsAre("creat", "open"));
  EXPECT_TRUE(other_spellings("ptrace").empty());
}

TEST(OtherSpellings, AreCallsThatLibseccompKnows) {
  for (const char* call : {"chown", "fchownat", "newfstatat", "clone", "openat", "select", "mmap", "sendto"})
    for (const std::string& other : other_spellings(call))
      EXPECT_TRUE(syscall_number(native_architecture(), other)) << other;
}

}  // namespace
}  // namespace tidewaiter::seccomp
