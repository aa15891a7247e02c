#include "supervisor/names/kept_names.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>

#include "oci/policy/load.h"
#include "supervisor/names/destinations.h"
#include "tests/supervisor/names/scripted_resolver.h"

// What a worker's death leaves of the host names' addresses.

namespace tidewaiter::supervisor {
namespace {

using policy::Verdict;
using std::chrono::milliseconds;

KeptNames make() { return std::move(*KeptNames::make()); }
KeptNames look_again(const KeptNames& names) {
  return std::move(*KeptNames::open(UniqueFd(::fcntl(names.memory(), F_DUPFD_CLOEXEC, 0))));
}

policy::Policy policy_of(const std::string& network) {
  return std::move(*policy::parse(R"({"version": 1, "network": )" + network + "}", "test.json", "test"));
}

Verdict verdict(const Destinations& destinations, const policy::Policy& policy, const char* address) {
  return destinations.decide(policy, {.address = policy::parse_address(address).value(), .port = 443})
      .verdict;
}

Pace hurried() {
  Pace pace;
  pace.shortest_ttl = pace.longest_ttl = pace.first_retry = pace.last_retry = milliseconds(1);
  return pace;
}

TEST(KeptNames, KeepTheLastText) {
  auto names = make();
  EXPECT_EQ(names.load().value(), "");
  for (const std::string& text : {std::string("first"), std::string(100'000, 'x'), std::string("third")}) {
    ASSERT_TRUE(names.store(text));
    EXPECT_EQ(look_again(names).load().value(), text);
  }
}

TEST(KeptNames, AreNotTakenForSomethingElse) {
  EXPECT_FALSE(KeptNames::open(UniqueFd(::memfd_create("empty", MFD_CLOEXEC))));
  UniqueFd other(::memfd_create("other", MFD_CLOEXEC));
  ASSERT_EQ(::ftruncate(other.get(), 8192), 0);
  const auto opened = KeptNames::open(std::move(other));
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code, EPROTO);
}

// The name has another address each time it is asked for.
TEST(KeptNames, RefuseWithTheNextWorkerWhatWasRefusedWithTheLast) {
  const policy::Policy policy = policy_of(R"({"deny": ["b"]})");
  ScriptedResolver resolver;
  resolver.will_answer("b", resolution({"192.0.2.1"}));
  resolver.will_answer("b", resolution({"192.0.2.2"}));
  auto kept = make();
  {
    const auto first = std::move(*Destinations::make(policy, resolver, hurried(), &kept));
    while (!first->refresh(policy, resolver, -1)) {
    }
    EXPECT_EQ(verdict(*first, policy, "192.0.2.1"), Verdict::kDeny);
  }
  ScriptedResolver later;
  later.will_answer("b", resolution({"192.0.2.3"}));
  auto kept_later = look_again(kept);
  const auto next = std::move(*Destinations::make(policy, later, hurried(), &kept_later));
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(verdict(*next, policy, "192.0.2.1"), Verdict::kDeny);
    EXPECT_EQ(verdict(*next, policy, "192.0.2.2"), Verdict::kDeny);
    while (i == 0 && !next->refresh(policy, later, -1)) {
    }
  }
  EXPECT_EQ(verdict(*next, policy, "192.0.2.3"), Verdict::kDeny);
}

TEST(KeptNames, AskNobodyAgainAndHoldWhileNoServerAnswers) {
  const policy::Policy policy = policy_of(R"({"allow": ["a"], "deny": ["b"]})");
  ScriptedResolver resolver;
  resolver.will_answer("a", resolution({"192.0.2.1"}));
  resolver.will_answer("b", resolution({"192.0.2.9"}));
  auto kept = make();
  (void)Destinations::make(policy, resolver, {}, &kept);
  ScriptedResolver down;
  auto kept_later = look_again(kept);
  const auto next = Destinations::make(policy, down, {}, &kept_later);
  ASSERT_TRUE(next) << next.error().message();
  EXPECT_TRUE(down.asked().empty());
  EXPECT_EQ(verdict(**next, policy, "192.0.2.1"), Verdict::kAllow);
  EXPECT_EQ(verdict(**next, policy, "192.0.2.9"), Verdict::kDeny);
}

TEST(KeptNames, AllowWhatANameHadUntilItsGraceIsOver) {
  const policy::Policy policy = policy_of(R"({"allow": ["a"]})");
  for (const bool over : {false, true}) {
    Pace pace = hurried();
    pace.grace = over ? milliseconds(0) : std::chrono::hours(1);
    ScriptedResolver each;
    each.will_answer("a", resolution({"192.0.2.1"}));
    each.will_answer("a", resolution({"192.0.2.2"}));
    auto kept = make();
    const auto first = std::move(*Destinations::make(policy, each, pace, &kept));
    while (!first->refresh(policy, each, -1)) {
    }
    auto kept_later = look_again(kept);
    const auto next = std::move(*Destinations::make(policy, each, pace, &kept_later));
    EXPECT_EQ(verdict(*next, policy, "192.0.2.1"), over ? Verdict::kDeny : Verdict::kAllow);
    EXPECT_EQ(verdict(*next, policy, "192.0.2.2"), Verdict::kAllow);
  }
}

// The next one gets ready while the last still follows the names.
TEST(KeptNames, AreTakenOverWhenTheLastWorkerHasEnded) {
  const policy::Policy policy = policy_of(R"({"deny": ["b"]})");
  ScriptedResolver resolver;
  resolver.will_answer("b", resolution({"192.0.2.1"}));
  resolver.will_answer("b", resolution({"192.0.2.2"}));
  auto kept = make();
  const auto first = std::move(*Destinations::make(policy, resolver, hurried(), &kept));
  auto kept_later = look_again(kept);
  ScriptedResolver nobody;
  const auto next = std::move(*Destinations::make(policy, nobody, hurried(), &kept_later));
  while (!first->refresh(policy, resolver, -1)) {
  }
  EXPECT_EQ(verdict(*next, policy, "192.0.2.2"), Verdict::kAllow);
  next->take_over(policy);
  EXPECT_EQ(verdict(*next, policy, "192.0.2.2"), Verdict::kDeny);
  EXPECT_EQ(verdict(*next, policy, "192.0.2.1"), Verdict::kDeny);
}

TEST(KeptNames, AreResolvedAnewWhereTheyCannotBeRead) {
  const policy::Policy policy = policy_of(R"({"allow": ["a"]})");
  for (const char* text : {"x", "[]", R"({"a": 1})", R"({"a": {"present": ["nowhere"]}})"}) {
    ScriptedResolver resolver;
    resolver.will_answer("a", resolution({"192.0.2.1"}));
    auto kept = make();
    ASSERT_TRUE(kept.store(text));
    const auto made = std::move(*Destinations::make(policy, resolver, {}, &kept));
    EXPECT_EQ(verdict(*made, policy, "192.0.2.1"), Verdict::kAllow) << text;
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
