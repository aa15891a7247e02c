#include "oci/policy/cpu_list.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace tidewaiter::policy {
namespace {

using Set = std::set<unsigned>;

TEST(CpuList, IsReadAsTheKernelWritesIt) {
  const struct {
    const char* text;
    Set processors;
  } cases[] = {{"0", {0}},           {"0-3", {0, 1, 2, 3}}, {"0-1,4,6-7\n", {0, 1, 4, 6, 7}},
               {"3,1,2", {1, 2, 3}}, {"8191", {8191}},      {"5-5", {5}}};
  for (const auto& one : cases) {
    const auto parsed = parse_cpu_list(one.text);
    ASSERT_TRUE(parsed) << one.text << ": " << parsed.error().message();
    EXPECT_EQ(*parsed, one.processors) << one.text;
  }
  for (const char* wrong : {"", "\n", "a", "-", "-1", "1-", "0,", ",0", "0-1-2", "1 2", "0x1", "+1", "2-1",
                            "8192", "0-99999999999", "0\n\n"}) {
    EXPECT_FALSE(parse_cpu_list(wrong)) << wrong;
  }
}

TEST(CpuList, IsWrittenInItsShortestForm) {
  EXPECT_EQ(cpu_list_text({}), "");
  EXPECT_EQ(cpu_list_text({0}), "0");
  EXPECT_EQ(cpu_list_text({0, 1}), "0-1");
  EXPECT_EQ(cpu_list_text({0, 2, 3, 4, 9}), "0,2-4,9");
}

TEST(CpuinfoOf, KeepsWhatIsAboutTheseProcessors) {
  const std::string zero = "processor\t: 0\nmodel name\t: a\n\n";
  const std::string one = "processor\t: 1\nmodel name\t: b\n\n";
  const std::string ten = "processor\t: 10\nmodel name\t: c\n\n";
  EXPECT_EQ(cpuinfo_of(zero + one + ten, {1}), one);
  EXPECT_EQ(cpuinfo_of(zero + one + ten, {0, 10}), zero + ten);
  EXPECT_EQ(cpuinfo_of(zero + one + ten, {7}), "");
  EXPECT_EQ(cpuinfo_of("", {0}), "");
  // Of the machine; and a last block without an empty line.
  EXPECT_EQ(cpuinfo_of("Features\t: fp\n\n" + zero + one + "Hardware\t: x\n", {0}),
            "Features\t: fp\n\n" + zero + "Hardware\t: x\n");
  EXPECT_EQ(cpuinfo_of("processor\t: 1\nlast", {0}), "");
}

}  // namespace
}  // namespace tidewaiter::policy
