#include "shim/terminal_text.h"

#include <gtest/gtest.h>

namespace tidewaiter::shim {
namespace {

TEST(TerminalText, LetsNoControlCharacterThrough) {
  EXPECT_EQ(terminal_text("plain ünïcode"), "plain ünïcode");
  EXPECT_EQ(terminal_text("\x1b[31mred"), "\\x1b[31mred");
  EXPECT_EQ(terminal_text("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
  EXPECT_EQ(terminal_text("\xc2\x9b"
                          "31m"),
            "\\x9b31m");  // CSI as one character of two bytes
  EXPECT_EQ(terminal_text("\xc2\xa0"), "\xc2\xa0");
  EXPECT_EQ(terminal_text("\xc2"), "\xc2");
  EXPECT_EQ(terminal_text(std::string_view("\0", 1)), "\\x00");
}

TEST(TerminalText, LetsNothingTurnTheLineAround) {
  EXPECT_EQ(terminal_text("a\u202eb\u2066c"), "a\\u202eb\\u2066c");
  EXPECT_EQ(terminal_text("\u061c\u200f\u2029"), "\\u061c\\u200f\\u2029");
  EXPECT_EQ(terminal_text("\u0627 \u2026 \u20ac"), "\u0627 \u2026 \u20ac");
}

TEST(TerminalText, IsCutAtAWholeCharacter) {
  EXPECT_EQ(terminal_text("äöü", 3), "äöü");
  EXPECT_EQ(terminal_text("äöüß", 3), "äöü…");
  EXPECT_EQ(terminal_text("", 0), "");
}

TEST(TerminalText, FillsColumnsByCharacters) {
  EXPECT_EQ(column("ab", 4), "ab  ");
  EXPECT_EQ(column("äö", 4), "äö  ");
  EXPECT_EQ(column("longer", 4), "longer");
}

}  // namespace
}  // namespace tidewaiter::shim
