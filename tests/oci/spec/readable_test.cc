#include "oci/spec/readable.h"

#include <gtest/gtest.h>

namespace tidewaiter::spec {
namespace {

TEST(Readable, KeepsWhatFitsInOneLine) {
  EXPECT_EQ(readable(Json::parse(R"({"b":[1,2],"a":{}})")), "{\"b\": [1, 2], \"a\": {}}\n");
  EXPECT_EQ(readable(Json::parse("[]")), "[]\n");
  EXPECT_EQ(readable(Json::parse("\"x\"")), "\"x\"\n");
}

TEST(Readable, GivesEachMemberALineOtherwise) {
  EXPECT_EQ(
      readable(Json::parse(R"({"first": [1, 2, 3], "second": {"third": "a long text", "fourth": null}})"),
               30),
      "{\n"
      "  \"first\": [1, 2, 3],\n"
      "  \"second\": {\n"
      "    \"third\": \"a long text\",\n"
      "    \"fourth\": null\n"
      "  }\n"
      "}\n");
}

TEST(Readable, CountsTheKeyInFrontOfAValue) {
  EXPECT_EQ(readable(Json::parse(R"({"a long key": [1, 2]})"), 20),
            "{\n  \"a long key\": [\n    1,\n    2\n  ]\n}\n");
}

TEST(Readable, SaysTheSameAsTheDocument) {
  const Json document = Json::parse(R"({"a": [[], {}, "\"\n", 1.5, -1, true], "b": {"c": ["x", "y"]}})");
  for (const std::size_t width : {1U, 10U, 20U, 100U})
    EXPECT_EQ(Json::parse(readable(document, width)).dump(), document.dump()) << width;
}

}  // namespace
}  // namespace tidewaiter::spec
