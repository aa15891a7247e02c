#include "oci/seccomp/decision_diagram.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tidewaiter::seccomp {
namespace {

using policy::ArgumentTest;
using policy::Comparison;
using Function = DecisionDiagrams::Function;
using Tests = DecisionDiagrams::Tests;

constexpr std::uint64_t kAllOnes = ~std::uint64_t{0};

bool holds(const ArgumentTest& test, std::uint64_t argument) {
  const std::uint64_t compared = argument & test.mask;
  switch (test.comparison) {
    case Comparison::kEqual:
    case Comparison::kMaskedEqual:
      return compared == test.value;
    case Comparison::kNotEqual:
      return compared != test.value;
    case Comparison::kLess:
      return compared < test.value;
    case Comparison::kLessOrEqual:
      return compared <= test.value;
    case Comparison::kGreater:
      return compared > test.value;
    case Comparison::kGreaterOrEqual:
      return compared >= test.value;
  }
  return false;
}

std::vector<std::uint64_t> edges(std::uint64_t value, std::uint64_t mask) {
  std::vector<std::uint64_t> edges{0,      1,          value,      value + 1, value - 1, value | ~mask,
                                   ~value, 0xffffffff, 1ULL << 32, kAllOnes};
  for (unsigned bit = 0; bit < 64; ++bit) edges.push_back(value ^ (1ULL << bit));
  return edges;
}

const std::vector<std::uint64_t> kValues{
    0, 1, 9, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, 0x7e02000000000005, kAllOnes - 1, kAllOnes};

const std::vector<std::uint64_t> kMasks{kAllOnes, 0xff, 0xffffffff00000000, 0};

TEST(DecisionDiagrams, HoldsEveryComparisonAtItsEdges) {
  DecisionDiagrams diagrams;
  for (const unsigned index : {0U, 5U}) {
    for (int comparison = 0; comparison <= static_cast<int>(Comparison::kMaskedEqual); ++comparison) {
      for (const std::uint64_t value : kValues) {
        for (const std::uint64_t mask : kMasks) {
          const ArgumentTest test{index, static_cast<Comparison>(comparison), value, mask};
          const Function function = diagrams.holds(test);
          for (const std::uint64_t argument : edges(value, mask)) {
            std::uint64_t arguments[6] = {3, 3, 3, 3, 3, 3};
            arguments[index] = argument;
            ASSERT_EQ(diagrams.at(function, arguments), holds(test, argument) ? 1U : 0U)
                << comparison << " " << std::hex << value << " " << mask << " " << argument;
          }
        }
      }
    }
  }
}

TEST(DecisionDiagrams, ComparesWordsOfARegister) {
  DecisionDiagrams diagrams;
  const DecisionDiagrams::Bits high{1, 32, 32, 0xf0};
  std::uint64_t arguments[6] = {};
  for (const std::uint64_t word : {0x00ULL, 0x10ULL, 0x1fULL, 0x20ULL, 0xf3ULL, 0x100000010ULL}) {
    for (const std::uint64_t bound :
         {0x00ULL, 0x0fULL, 0x10ULL, 0x1fULL, 0x20ULL, 0xf0ULL, 0xffULL, 0x100000000ULL}) {
      arguments[1] = word << 32 | 0xabcd;
      const std::uint64_t seen = word & 0xf0;
      EXPECT_EQ(diagrams.at(diagrams.equals(high, bound), arguments), seen == bound ? 1U : 0U)
          << word << " " << bound;
      EXPECT_EQ(diagrams.at(diagrams.exceeds(high, bound), arguments), seen > bound ? 1U : 0U)
          << word << " " << bound;
    }
  }
}

TEST(DecisionDiagrams, AreAsNewWhenCleared) {
  DecisionDiagrams diagrams(300);
  for (int round = 0; round < 3; ++round) {
    EXPECT_FALSE(diagrams.exhausted());
    for (std::uint64_t value = 1; value < 40; ++value) {
      const Function larger = diagrams.holds({0, Comparison::kGreater, value * 0x123456789abcdef, kAllOnes});
      const std::uint64_t arguments[6] = {value * 0x123456789abcdef + 1};
      if (diagrams.exhausted()) break;
      EXPECT_EQ(diagrams.at(larger, arguments), 1U);
    }
    EXPECT_TRUE(diagrams.exhausted()) << "or nothing was to be cleared";
    diagrams.clear();
  }
  EXPECT_EQ(diagrams.constant(DecisionDiagrams::kFalse), 0U);
  EXPECT_EQ(diagrams.constant(DecisionDiagrams::kTrue), 1U);
  EXPECT_EQ(diagrams.constant(77), diagrams.constant(77));
}

TEST(DecisionDiagrams, HoldsEqualFunctionsOnce) {
  DecisionDiagrams diagrams;
  const auto test = [&](unsigned index, Comparison comparison, std::uint64_t value,
                        std::uint64_t mask = kAllOnes) {
    return diagrams.holds({index, comparison, value, mask});
  };
  EXPECT_EQ(test(0, Comparison::kLess, 8), test(0, Comparison::kMaskedEqual, 0, ~7ULL));
  EXPECT_EQ(test(0, Comparison::kLess, 8), test(0, Comparison::kLessOrEqual, 7));
  EXPECT_EQ(test(2, Comparison::kGreaterOrEqual, 1), test(2, Comparison::kNotEqual, 0));
  EXPECT_EQ(test(2, Comparison::kGreaterOrEqual, 0), diagrams.constant(1));
  EXPECT_NE(test(0, Comparison::kLess, 8), test(1, Comparison::kLess, 8));
  const Function a = test(0, Comparison::kEqual, 5);
  const Function b = test(1, Comparison::kGreater, 9);
  const Function zero = diagrams.constant(0);
  EXPECT_EQ(diagrams.select(a, b, zero), diagrams.select(b, a, zero));
  EXPECT_EQ(diagrams.negate(diagrams.negate(a)), a);
  EXPECT_EQ(diagrams.combine(a, b, [](std::uint32_t x, std::uint32_t y) { return x & y; }),
            diagrams.select(a, b, zero));
}

// Random decision lists, taken apart into regions and put together again.
TEST(DecisionDiagrams, TakesFunctionsApartIntoDisjointRegions) {
  std::mt19937_64 random(20260101);
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  std::size_t taken_apart = 0;
  for (int round = 0; round < 150; ++round) {
    DecisionDiagrams diagrams;
    Function function = diagrams.constant(static_cast<std::uint32_t>(below(3)));
    const std::size_t cases = 1 + below(4);
    for (std::size_t i = 0; i < cases; ++i) {
      Function matches = diagrams.constant(1);
      const std::size_t tests = 1 + below(2);
      for (std::size_t j = 0; j < tests; ++j) {
        ArgumentTest test{static_cast<unsigned>(below(3)), static_cast<Comparison>(below(7)),
                          kValues[below(kValues.size())], kAllOnes};
        if (below(2) == 0) test.value = below(20);
        if (test.comparison == Comparison::kMaskedEqual) test.mask = test.value | 0xf;
        matches = diagrams.select(diagrams.holds(test), matches, diagrams.constant(0));
      }
      function = diagrams.select(matches, diagrams.constant(static_cast<std::uint32_t>(below(3))), function);
    }
    const auto made_of = round % 2 == 0 ? Tests::kEqualitiesFirst : Tests::kFewest;
    const auto regions = diagrams.regions(function, 0, made_of, 1000);
    if (!regions) continue;
    ++taken_apart;
    Function together = diagrams.constant(0);
    for (const DecisionDiagrams::Region& region : *regions) {
      EXPECT_NE(region.value, 0U);
      Function inside = diagrams.constant(1);
      for (std::size_t i = 0; i < region.tests.size(); ++i) {
        const ArgumentTest& test = region.tests[i];
        if (i > 0) {
          EXPECT_GT(test.index, region.tests[i - 1].index);
        }
        if (i + 1 < region.tests.size() && made_of == Tests::kEqualitiesFirst) {
          EXPECT_THAT(test.comparison, testing::AnyOf(Comparison::kEqual, Comparison::kMaskedEqual));
        }
        inside = diagrams.select(diagrams.holds(test), inside, diagrams.constant(0));
      }
      // Disjoint: nothing was there before.
      EXPECT_EQ(diagrams.select(inside, together, diagrams.constant(0)), diagrams.constant(0));
      together = diagrams.select(inside, diagrams.constant(region.value), together);
    }
    ASSERT_EQ(together, function);
  }
  EXPECT_GT(taken_apart, 120U);
}

TEST(DecisionDiagrams, NamesRegionsInTheFewestTests) {
  struct Case {
    ArgumentTest test;
    std::vector<ArgumentTest> named;
  };
  const auto masked = [](std::uint64_t mask, std::uint64_t value) {
    return ArgumentTest{0, Comparison::kMaskedEqual, value, mask};
  };
  const std::vector<Case> kCases{
      {{0, Comparison::kEqual, 7}, {{0, Comparison::kEqual, 7}}},
      {{0, Comparison::kNotEqual, 7}, {{0, Comparison::kNotEqual, 7}}},
      {{0, Comparison::kNotEqual, 0}, {{0, Comparison::kGreaterOrEqual, 1}}},
      {{0, Comparison::kLessOrEqual, 7}, {{0, Comparison::kLess, 8}}},
      {{0, Comparison::kLess, 1}, {{0, Comparison::kEqual, 0}}},
      {{0, Comparison::kGreater, 9}, {{0, Comparison::kGreaterOrEqual, 10}}},
      {{0, Comparison::kMaskedEqual, 5, 0xf}, {masked(0xf, 5)}},
      {{0, Comparison::kMaskedEqual, 0x10, ~0xfULL}, {masked(~0xfULL, 0x10)}},
  };
  for (const Case& one : kCases) {
    DecisionDiagrams diagrams;
    const auto regions = diagrams.regions(diagrams.holds(one.test), 0, Tests::kFewest, 64);
    ASSERT_TRUE(regions);
    std::vector<ArgumentTest> tests;
    for (const auto& region : *regions) tests.insert(tests.end(), region.tests.begin(), region.tests.end());
    EXPECT_EQ(tests, one.named);
  }
}

TEST(DecisionDiagrams, GivesUpBeyondTheLimits) {
  DecisionDiagrams diagrams;
  const Function every_other = diagrams.holds({0, Comparison::kMaskedEqual, 0, 0x5555555555555555});
  const Function otherwise = diagrams.negate(every_other);
  EXPECT_TRUE(diagrams.regions(otherwise, 0, Tests::kFewest, 32));
  EXPECT_FALSE(diagrams.regions(otherwise, 0, Tests::kFewest, 31));

  DecisionDiagrams small(80);
  EXPECT_FALSE(small.exhausted());
  small.holds({0, Comparison::kEqual, 5});
  EXPECT_FALSE(small.exhausted());
  small.holds({1, Comparison::kEqual, 5});
  EXPECT_TRUE(small.exhausted());
  EXPECT_FALSE(small.regions(small.constant(1), 0, Tests::kFewest, 64));
}

}  // namespace
}  // namespace tidewaiter::seccomp
