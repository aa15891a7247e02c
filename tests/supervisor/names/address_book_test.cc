#include "supervisor/names/address_book.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "oci/policy/load.h"
#include "tests/supervisor/names/scripted_resolver.h"

namespace tidewaiter::supervisor {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::nanoseconds;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using Time = AddressBook::Time;

const Time kStart = Time(hours(100));

AddressBook book_of(const std::string& network) {
  const auto policy = policy::parse(R"({"version": 1, "network": )" + network + "}", "test.json", "test");
  EXPECT_TRUE(policy);
  return {*policy->network, Pace{}};
}

std::vector<std::string> texts(const policy::ResolvedHosts& hosts, const std::string& name) {
  std::vector<std::string> addresses;
  if (!hosts.contains(name)) return {"no such name"};
  for (const auto& address : hosts.find(name)->second) addresses.push_back(policy::to_string(address));
  return addresses;
}

TEST(AddressBook, KnowsTheNamesOfBothListsOnce) {
  const AddressBook book =
      book_of(R"({"allow": ["b:80", "tcp://a:1", "a:2", "192.0.2.1", "*:53"], "deny": ["a", "icmp://c"]})");
  EXPECT_THAT(book.due(kStart), ElementsAre("a", "b", "c"));
  EXPECT_EQ(book_of(R"({"allow": ["192.0.2.1", "*"], "deny": ["10.0.0.0/8"]})").next(), std::nullopt);
}

TEST(AddressBook, AsksAgainWhenTheTtlIsOverWithinBounds) {
  const struct {
    std::optional<seconds> ttl;
    seconds asked_after;
  } cases[] = {
      {seconds(0), seconds(5)},     {seconds(4), seconds(5)},       {seconds(6), seconds(6)},
      {seconds(300), seconds(300)}, {seconds(3600), seconds(3600)}, {seconds(3601), seconds(3600)},
      {hours(600'000), hours(1)},   {std::nullopt, minutes(1)},
  };
  for (const auto& test : cases) {
    SCOPED_TRACE(test.ttl.value_or(seconds(-1)).count());
    AddressBook book = book_of(R"({"allow": ["a"]})");
    book.take("a", resolution({"192.0.2.1"}, test.ttl), kStart);
    EXPECT_EQ(book.next(), kStart + test.asked_after);
    EXPECT_THAT(book.due(kStart + test.asked_after - nanoseconds(1)), IsEmpty());
    EXPECT_THAT(book.due(kStart + test.asked_after), ElementsAre("a"));
  }
}

TEST(AddressBook, KeepsTheAddressesOfANameThatFailsAndTriesLaterEachTime) {
  AddressBook book = book_of(R"({"allow": ["a"], "deny": ["a"]})");
  book.take("a", resolution({"192.0.2.1"}), kStart);
  EXPECT_TRUE(book.take_change());
  for (const int after : {5, 10, 20, 40, 80, 160, 300, 300, 300}) {
    book.take("a", fail("server failure"), kStart);
    EXPECT_EQ(book.next(), kStart + seconds(after));
  }
  for (int i = 0; i < 100; ++i) book.take("a", fail("server failure"), kStart);
  EXPECT_EQ(book.next(), kStart + minutes(5));
  EXPECT_FALSE(book.take_change());
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.1"));
  EXPECT_THAT(texts(book.denied(), "a"), ElementsAre("192.0.2.1"));
  // Once it answers, all is forgiven.
  book.take("a", resolution({"192.0.2.1"}, seconds(30)), kStart);
  EXPECT_EQ(book.next(), kStart + seconds(30));
  book.take("a", fail("server failure"), kStart);
  EXPECT_EQ(book.next(), kStart + seconds(5));
}

TEST(AddressBook, AllowsAFormerAddressForAWhile) {
  AddressBook book = book_of(R"({"allow": ["a"]})");
  book.take("a", resolution({"192.0.2.1", "192.0.2.2"}, hours(1)), kStart);
  book.take("a", resolution({"192.0.2.2", "2001:db8::3"}, hours(1)), kStart + seconds(60));
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.2", "2001:db8::3", "192.0.2.1"));
  EXPECT_THAT(texts(book.present(), "a"), ElementsAre("192.0.2.2", "2001:db8::3"));
  const Time over = kStart + seconds(60) + minutes(5);
  EXPECT_EQ(book.next(), over);
  EXPECT_TRUE(book.take_change());
  book.expire(over - nanoseconds(1));
  EXPECT_FALSE(book.take_change());
  book.expire(over);
  EXPECT_TRUE(book.take_change());
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.2", "2001:db8::3"));
}

TEST(AddressBook, TakesAFormerAddressBack) {
  AddressBook book = book_of(R"({"allow": ["a"]})");
  book.take("a", resolution({"192.0.2.1"}, hours(1)), kStart);
  book.take("a", resolution({"192.0.2.2"}, hours(1)), kStart);
  book.take("a", resolution({"192.0.2.1"}, hours(1)), kStart + seconds(10));
  book.expire(kStart + minutes(5));
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.1", "192.0.2.2"));
  book.expire(kStart + minutes(5) + seconds(10));
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.1"));
}

TEST(AddressBook, DeniesEveryAddressANameEverHad) {
  AddressBook book = book_of(R"({"allow": ["a"], "deny": ["a:22", "b"]})");
  book.take("a", resolution({"192.0.2.1"}), kStart);
  book.take("a", resolution({"192.0.2.2"}), kStart + seconds(60));
  book.take("a", resolution({"192.0.2.1"}), kStart + seconds(120));
  book.expire(kStart + hours(10));
  EXPECT_THAT(texts(book.denied(), "a"), ElementsAre("192.0.2.2", "192.0.2.1"));
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.1"));
  // A name that is in one list only is not in the other's.
  EXPECT_FALSE(book.allowed().contains("b"));
  EXPECT_THAT(texts(book.denied(), "b"), IsEmpty());
}

TEST(AddressBook, TakesAnotherOrderForNoChange) {
  AddressBook book = book_of(R"({"allow": ["a"]})");
  book.take("a", resolution({"192.0.2.1", "192.0.2.2"}), kStart);
  EXPECT_TRUE(book.take_change());
  book.take("a", resolution({"192.0.2.2", "192.0.2.1"}), kStart);
  EXPECT_FALSE(book.take_change());
}

TEST(AddressBook, IsBoundedWhateverTheAnswers) {
  AddressBook book = book_of(R"({"allow": ["a"], "deny": ["a"]})");
  for (unsigned round = 0; round < 20; ++round) {
    Resolution answer;
    for (unsigned i = round * 2000; i < (round + 1) * 2000; ++i) {
      policy::IpAddress address;
      address.bytes = {10, static_cast<std::uint8_t>(i >> 16U), static_cast<std::uint8_t>(i >> 8U),
                       static_cast<std::uint8_t>(i)};
      answer.addresses.push_back(address);
    }
    book.take("a", answer, kStart);
  }
  EXPECT_EQ(book.present().at("a").size(), 1024U);
  EXPECT_EQ(book.allowed().at("a").size(), 2048U);
  EXPECT_EQ(book.denied().at("a").size(), 8192U);
}

TEST(AddressBook, TakesOverNothingButWhatAnotherSaved) {
  const auto saved = [](const std::string& until, const std::string& due, const std::string& failures) {
    return R"({"a": {"present": ["192.0.2.1"], "former": [["192.0.2.2", )" + until +
           R"(]], "all": [], "due": )" + due + R"(, "failures": )" + failures + "}}";
  };
  AddressBook book = book_of(R"({"allow": ["a"]})");
  ASSERT_TRUE(book.restore(saved("9223372036854775807", "-9223372036854775808", "4294967295")));
  EXPECT_THAT(texts(book.allowed(), "a"), ElementsAre("192.0.2.1", "192.0.2.2"));

  const std::string before = book.save();
  for (const std::string& text :
       {saved("1e19", "0", "0"), saved("0", "-9723322036854775808", "0"),
        saved("9223372036854775808", "0", "0"), saved("0", "0.5", "0"), saved("0", "true", "0"),
        saved("0", "0", "-1"), saved("0", "0", "4294967296"), saved("0", "0", "1e300"),
        saved("0", "null", "0")}) {
    SCOPED_TRACE(text);
    EXPECT_FALSE(book.restore(text));
    EXPECT_EQ(book.save(), before);
  }
}

}  // namespace
}  // namespace tidewaiter::supervisor
