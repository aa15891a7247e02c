#include "supervisor/target/memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace tidewaiter::supervisor {
namespace {

TargetAddress address_of(const void* pointer) {
  return TargetAddress{reinterpret_cast<std::uintptr_t>(pointer)};
}

// Two pages, and none behind them.
class Pages {
 public:
  Pages() {
    void* mapped = ::mmap(nullptr, 3 * kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) std::abort();
    start_ = static_cast<char*>(mapped);
    if (::munmap(start_ + 2 * kSize, kSize) != 0) std::abort();
  }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  ~Pages() { ::munmap(start_, 2 * kSize); }

  [[nodiscard]] char* start() const { return start_; }
  [[nodiscard]] char* end() const { return start_ + 2 * kSize; }

  static constexpr std::size_t kSize = 4096;

 private:
  char* start_ = nullptr;
};

class MemoryTest : public ::testing::Test {
 protected:
  Pages pages_;
  Target target_{system_kernel(), ::gettid()};
  Memory memory_{target_};
};

TEST_F(MemoryTest, ReadsAcrossPages) {
  char* text = pages_.start() + Pages::kSize - 3;
  std::strcpy(text, "across");
  EXPECT_EQ(memory_.read_string(address_of(text), 100, E2BIG).value(), "across");
  std::array<std::byte, 6> bytes{};
  ASSERT_TRUE(memory_.read(address_of(text), bytes));
  EXPECT_EQ(std::memcmp(bytes.data(), "across", 6), 0);
}

TEST_F(MemoryTest, StaysWithWhatItReadFirst) {
  std::strcpy(pages_.start(), "first");
  EXPECT_EQ(memory_.read_string(address_of(pages_.start()), 100, E2BIG).value(), "first");
  std::strcpy(pages_.start(), "other");
  EXPECT_EQ(memory_.read_string(address_of(pages_.start()), 100, E2BIG).value(), "first");
}

TEST_F(MemoryTest, KeepsFewPages) {
  constexpr std::size_t kPages = 64;
  const std::size_t size = kPages * Pages::kSize;
  void* mapped = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(mapped, MAP_FAILED);
  auto* start = static_cast<char*>(mapped);
  for (std::size_t i = 0; i < kPages; ++i) {
    start[i * Pages::kSize] = 'a';
    EXPECT_EQ(memory_.read_string(address_of(start + i * Pages::kSize), 100, E2BIG).value(), "a");
  }
  for (std::size_t i = 0; i < kPages; ++i) start[i * Pages::kSize] = 'b';
  // The last are those that were read; the first are not kept.
  EXPECT_EQ(memory_.read_string(address_of(start + size - Pages::kSize), 100, E2BIG).value(), "a");
  EXPECT_EQ(memory_.read_string(address_of(start), 100, E2BIG).value(), "b");
  ::munmap(mapped, size);
}

TEST_F(MemoryTest, LimitsAString) {
  std::strcpy(pages_.start(), "four");
  EXPECT_EQ(memory_.read_string(address_of(pages_.start()), 5, E2BIG).value(), "four");
  EXPECT_EQ(memory_.read_string(address_of(pages_.start()), 4, ENAMETOOLONG).error().code, ENAMETOOLONG);
}

TEST_F(MemoryTest, FailsWhereThereIsNothing) {
  std::memset(pages_.end() - 4, 'x', 4);
  EXPECT_EQ(memory_.read_string(address_of(pages_.end() - 4), 100, E2BIG).error().code, EFAULT);
  EXPECT_EQ(memory_.read_string(TargetAddress{8}, 100, E2BIG).error().code, EFAULT);
  EXPECT_EQ(memory_.read_string(TargetAddress{~std::uint64_t{0}}, 100, E2BIG).error().code, EFAULT);
}

}  // namespace
}  // namespace tidewaiter::supervisor
