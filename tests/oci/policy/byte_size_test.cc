#include "oci/policy/byte_size.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewaiter::policy {
namespace {

TEST(ParseByteSize, TakesWhatPodmanTakes) {
  const struct {
    const char* text;
    std::uint64_t bytes;
  } cases[] = {
      {"0", 0},
      {"1", 1},
      {"512b", 512},
      {"512B", 512},
      {"1k", 1024},
      {"1K", 1024},
      {"1KB", 1024},
      {"1Ki", 1024},
      {"1kib", 1024},
      {"256M", 268435456},
      {"1.5G", 1610612736},
      {"0.5k", 512},
      {"1.50M", 1572864},
      {"2T", 2199023255552},
      {"0.0078125M", 8192},
      {"9223372036854775807", 9223372036854775807},
      {"8388607T", 9223370937343148032},
  };
  for (const auto& row : cases) {
    const auto bytes = parse_byte_size(row.text);
    ASSERT_TRUE(bytes) << row.text << ": " << bytes.error().message();
    EXPECT_EQ(*bytes, row.bytes) << row.text;
  }
}

TEST(ParseByteSize, SaysWhatIsWrong) {
  const auto expected = [](const std::string& found) {
    return "expected a number of bytes, as in 268435456, or text as in \"256M\" or \"1.5G\", found \"" +
           found + "\"; units are K, M, G and T, powers of 1024";
  };
  const struct {
    const char* text;
    std::string message;
  } cases[] = {
      {"", expected("")},
      {"-1", expected("-1")},
      {"+1", expected("+1")},
      {"max", expected("max")},
      {"M", expected("M")},
      {"256 M", expected("256 M")},
      {" 256M", expected(" 256M")},
      {"256M ", expected("256M ")},
      {"256X", expected("256X")},
      {"256MM", expected("256MM")},
      {"1e9", expected("1e9")},
      {"0x100M", expected("0x100M")},
      {"1,5G", expected("1,5G")},
      {"1.G", expected("1.G")},
      {".5G", expected(".5G")},
      {"1.5", expected("1.5")},
      {"1.5b", expected("1.5b")},
      {"1P", expected("1P")},
      {"1.1K", "\"1.1K\" is no whole number of bytes"},
      {"0.0001K", "\"0.0001K\" is no whole number of bytes"},
      {"8388608T", "\"8388608T\" is more than can be counted (2^63 - 1 bytes)"},
      {"9223372036854775808", "\"9223372036854775808\" is more than can be counted (2^63 - 1 bytes)"},
      {"99999999999999999999999", "\"99999999999999999999999\" is more than can be counted (2^63 - 1 bytes)"},
  };
  for (const auto& row : cases) {
    const auto bytes = parse_byte_size(row.text);
    EXPECT_EQ(bytes ? "taken" : bytes.error().message(), row.message) << row.text;
  }
}

TEST(ByteSizeWords, ChoosesTheLargestUnitThatDivides) {
  EXPECT_EQ(byte_size_words(0), "0 bytes");
  EXPECT_EQ(byte_size_words(1000), "1000 bytes");
  EXPECT_EQ(byte_size_words(1024), "1K");
  EXPECT_EQ(byte_size_words(268435456), "256M");
  EXPECT_EQ(byte_size_words(1610612736), "1536M");
  EXPECT_EQ(byte_size_words(std::uint64_t{1} << 50U), "1024T");
}

}  // namespace
}  // namespace tidewaiter::policy
