#include "supervisor/names/destinations.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "oci/base/system.h"
#include "oci/policy/load.h"
#include "supervisor/names/name_keeper.h"
#include "tests/oci/base/temporary_folder.h"
#include "tests/supervisor/eventually.h"
#include "tests/supervisor/names/scripted_resolver.h"

// The rules' host names while a container runs: Destinations, and the thread that keeps them.

namespace tidewaiter::supervisor {
namespace {

using policy::Verdict;
using std::chrono::milliseconds;
using testing::TemporaryFolder;

policy::Policy policy_of(const std::string& network) {
  auto policy = policy::parse(R"({"version": 1, "network": )" + network + "}", "test.json", "test");
  EXPECT_TRUE(policy);
  return std::move(*policy);
}

policy::Endpoint endpoint(const char* address, std::uint16_t port = 443) {
  return {.address = policy::parse_address(address).value(), .port = port};
}

Pace hurried() {
  Pace pace;
  pace.shortest_ttl = pace.longest_ttl = pace.first_retry = pace.last_retry = milliseconds(2);
  return pace;
}

TEST(Destinations, AreThoseThatTheNamesHaveAtTheStart) {
  const policy::Policy policy = policy_of(R"({"allow": ["*", "a:443"], "deny": ["b:443"]})");
  ScriptedResolver resolver;
  resolver.will_answer("a", resolution({"192.0.2.1"}));
  resolver.will_answer("b", resolution({"192.0.2.2", "192.0.2.1"}));
  const auto made = Destinations::make(policy, resolver, {});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ((*made)->decide(policy, endpoint("192.0.2.1")).rule, "/network/deny/0");
  EXPECT_EQ((*made)->decide(policy, endpoint("192.0.2.3")).rule, "/network/allow/0");
  EXPECT_EQ(resolver.asked().size(), 1U);
}

// As in the container's hosts file; nobody else is asked.
TEST(Destinations, TakePinnedNamesForWhatThePolicySays) {
  auto parsed = policy::parse(R"({"version": 1, "identity": {"hosts": {"pinned": ["10.0.0.5", "10.0.0.6"]}},
      "network": {"allow": ["a:443", "pinned:443", "b:443"]}})",
                              "test.json", "test");
  ASSERT_TRUE(parsed);
  ScriptedResolver resolver;
  resolver.will_answer("a", resolution({"192.0.2.1"}));
  resolver.will_answer("b", resolution({"192.0.2.2"}));
  resolver.will_answer("pinned", resolution({"192.0.2.3"}));
  const auto made = Destinations::make(*parsed, resolver, {});
  ASSERT_TRUE(made) << made.error().message();
  EXPECT_EQ((*made)->decide(*parsed, endpoint("192.0.2.1")).rule, "/network/allow/0");
  EXPECT_EQ((*made)->decide(*parsed, endpoint("10.0.0.5")).rule, "/network/allow/1");
  EXPECT_EQ((*made)->decide(*parsed, endpoint("10.0.0.6")).rule, "/network/allow/1");
  EXPECT_EQ((*made)->decide(*parsed, endpoint("192.0.2.2")).rule, "/network/allow/2");
  EXPECT_EQ((*made)->decide(*parsed, endpoint("192.0.2.3")).verdict, Verdict::kDeny);
  EXPECT_EQ((*made)->present().at("pinned").size(), 2U);
}

TEST(Destinations, AskNobodyWithoutNames) {
  const policy::Policy policy = policy_of(R"({"allow": ["192.0.2.1"]})");
  ScriptedResolver resolver;
  const auto made = Destinations::make(policy, resolver, {});
  ASSERT_TRUE(made);
  EXPECT_TRUE(resolver.asked().empty());
  EXPECT_FALSE((*made)->next_refresh());
}

TEST(Destinations, FailOnANameThatIsToBeDeniedAndDoesNotResolve) {
  const policy::Policy policy = policy_of(R"({"allow": ["b"], "deny": ["192.0.2.1", "b"]})");
  ScriptedResolver resolver;
  const auto made = Destinations::make(policy, resolver, {});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().message(), "/network/deny/1: host name \"b\" does not resolve: not found");
}

TEST(Destinations, AllowNothingByANameUntilItResolves) {
  const policy::Policy policy = policy_of(R"({"allow": ["a"]})");
  ScriptedResolver resolver;
  resolver.will_answer("a", fail("server failure"));
  resolver.will_answer("a", resolution({"192.0.2.1"}));
  const auto made = Destinations::make(policy, resolver, hurried());
  ASSERT_TRUE(made);
  Destinations& destinations = **made;
  EXPECT_EQ(destinations.decide(policy, endpoint("192.0.2.1")).verdict, Verdict::kDeny);
  ASSERT_TRUE(eventually([&] { return destinations.refresh(policy, resolver, -1); }));
  EXPECT_EQ(destinations.decide(policy, endpoint("192.0.2.1")).verdict, Verdict::kAllow);
  EXPECT_EQ(resolver.asked().size(), 2U);
}

TEST(NameKeeper, FollowsANameAndWritesTheHostsFile) {
  const TemporaryFolder folder;
  const policy::Policy policy = policy_of(R"({"allow": ["a"]})");
  ScriptedResolver resolver;
  resolver.will_answer("a", resolution({"192.0.2.1"}));
  resolver.will_answer("a", fail("server failure"));
  resolver.will_answer("a", resolution({"192.0.2.3"}));
  Pace pace = hurried();
  pace.grace = milliseconds(30);
  const auto destinations = std::move(*Destinations::make(policy, resolver, pace));
  auto hosts = container::HostsFile::open(folder / "hosts", {});
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write(hosts_lines(destinations->present())));
  EXPECT_NE(sys::read_file(folder / "hosts")->find("192.0.2.1\ta\n"), std::string::npos);
  const auto allowed = [&](const char* address) {
    return destinations->decide(policy, endpoint(address)).verdict == Verdict::kAllow;
  };
  EXPECT_TRUE(allowed("192.0.2.1"));
  EXPECT_FALSE(allowed("192.0.2.3"));

  const auto keeper = NameKeeper::start(policy, *destinations, resolver, std::move(*hosts));
  ASSERT_TRUE(keeper);
  EXPECT_TRUE(eventually([&] { return allowed("192.0.2.3"); }));
  EXPECT_TRUE(eventually([&] { return !allowed("192.0.2.1"); }));
  EXPECT_TRUE(allowed("192.0.2.3"));
  EXPECT_TRUE(eventually([&] {
    const std::string text = sys::read_file(folder / "hosts").value();
    return text.find("192.0.2.3\ta\n") != std::string::npos && text.find("192.0.2.1") == std::string::npos;
  }));
}

TEST(NameKeeper, FollowsTheContainersOwnHostsFile) {
  const TemporaryFolder folder;
  const std::string base = folder / "base";
  ASSERT_TRUE(sys::replace_file(base, "10.88.0.2 box\n"));
  const policy::Policy policy = policy_of(R"({"allow": ["a"]})");
  ScriptedResolver resolver;
  resolver.will_answer("a", resolution({"192.0.2.1"}));
  const auto destinations = std::move(*Destinations::make(policy, resolver, {}));
  auto hosts = container::HostsFile::open(folder / "hosts", {"/", base});
  ASSERT_TRUE(hosts);
  ASSERT_TRUE(hosts->write(hosts_lines(destinations->present())));
  const auto keeper = NameKeeper::start(policy, *destinations, resolver, std::move(*hosts));
  ASSERT_TRUE(keeper);
  {
    const auto file = sys::open(base, O_WRONLY | O_TRUNC);
    ASSERT_TRUE(file);
    ASSERT_TRUE(sys::write_all(file->get(), "10.88.0.2 box\n10.89.0.2 box\n"));
  }
  EXPECT_TRUE(eventually([&] {
    const std::string text = sys::read_file(folder / "hosts").value();
    return text.starts_with("10.88.0.2 box\n10.89.0.2 box\n#") &&
           text.find("192.0.2.1\ta\n") != std::string::npos;
  }));
  EXPECT_EQ(resolver.asked().size(), 1U);
}

// The addresses change as fast as they can while others decide.
TEST(NameKeeper, LetsOthersDecideAllTheWhile) {
  const policy::Policy policy = policy_of(R"({"deny": ["192.0.2.9", "a", "b"]})");
  ScriptedResolver resolver;
  for (int i = 0; i < 200; ++i) {
    Resolution answer = resolution({"192.0.2.1", "198.51.100.1"});
    answer.addresses.back().bytes[3] = static_cast<std::uint8_t>(i);
    resolver.will_answer("a", answer);
    resolver.will_answer("b", answer);
  }
  const auto destinations = std::move(*Destinations::make(policy, resolver, hurried()));
  std::atomic<bool> stop = false;
  std::atomic<int> wrong = 0;
  std::vector<std::thread> deciders;
  for (int i = 0; i < 3; ++i) {
    deciders.emplace_back([&] {
      while (!stop) {
        if (destinations->decide(policy, endpoint("192.0.2.1")).rule != "/network/deny/1") ++wrong;
        if (destinations->decide(policy, endpoint("192.0.3.1")).verdict != Verdict::kAllow) ++wrong;
      }
    });
  }
  {
    const auto keeper = NameKeeper::start(policy, *destinations, resolver, std::nullopt);
    EXPECT_TRUE(keeper);
    EXPECT_TRUE(resolver.wait_for_calls(150));
  }
  stop = true;
  for (std::thread& decider : deciders) decider.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_EQ(destinations->decide(policy, endpoint("198.51.100.149")).rule, "/network/deny/1");
}

}  // namespace
}  // namespace tidewaiter::supervisor
