#include "oci/spec/members.h"

#include <gtest/gtest.h>

namespace tidewaiter::spec {
namespace {

template <typename T>
std::string words(const Result<std::optional<T>>& number) {
  if (!number) return number.error().message();
  return *number ? std::to_string(**number) : "none";
}

TEST(Members, AreReadAsTheRuntimeSpecHasThem) {
  const struct {
    const char* object;
    std::string as_signed;
    std::string as_unsigned;
  } cases[] = {
      {"{}", "none", "none"},
      {R"({"x": null})", "none", "none"},
      {R"({"x": 0})", "0", "0"},
      {R"({"x": -1})", "-1", "/p/x: expected a whole number that is not negative, found -1"},
      {R"({"x": 9223372036854775807})", "9223372036854775807", "9223372036854775807"},
      {R"({"x": 18446744073709551615})",
       "/p/x: expected a whole number of 64 bits, found 18446744073709551615", "18446744073709551615"},
      {R"({"x": 1.0})", "/p/x: expected a whole number of 64 bits, found 1.0",
       "/p/x: expected a whole number that is not negative, found 1.0"},
      {R"({"x": "1"})", R"(/p/x: expected a whole number of 64 bits, found "1")",
       R"(/p/x: expected a whole number that is not negative, found "1")"},
      {R"({"x": [1]})", "/p/x: expected a whole number of 64 bits, found array",
       "/p/x: expected a whole number that is not negative, found array"},
      {"[]", "none", "none"},
  };
  for (const auto& one : cases) {
    const Json object = Json::parse(one.object);
    EXPECT_EQ(words(signed_in(object, "x", "/p")), one.as_signed) << one.object;
    EXPECT_EQ(words(unsigned_in(object, "x", "/p")), one.as_unsigned) << one.object;
  }
}

TEST(ObjectIn, MakesWhatIsMissingAndRefusesWhatIsNone) {
  Json parent = Json::parse(R"({"there": {"a": 1}, "nothing": null, "text": "x"})");
  EXPECT_EQ((**object_in(parent, "there", ""))["a"], 1);
  for (const char* key : {"nothing", "new"}) {
    ASSERT_TRUE(object_in(parent, key, ""));
    EXPECT_EQ(parent[key], Json::object());
  }
  EXPECT_EQ(object_in(parent, "text", "/p").error().message(), R"(/p/text: expected an object, found "x")");
}

}  // namespace
}  // namespace tidewaiter::spec
