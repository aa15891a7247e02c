#include "oci/base/shebang.h"

#include <gtest/gtest.h>

#include <string>

namespace tidewaiter {
namespace {

struct Case {
  std::string start;
  const char* interpreter;  // nullptr: not a script
  const char* argument;     // nullptr: none
};

TEST(ParseShebang, ReadsTheLineAsTheKernelDoes) {
  const std::string long_name(300, 'a');
  const Case cases[] = {
      {"#!/bin/sh\necho", "/bin/sh", nullptr},
      {"#!/bin/sh", "/bin/sh", nullptr},
      {"#! \t/bin/sh \t\n", "/bin/sh", nullptr},
      {"#!/usr/bin/env python3\n", "/usr/bin/env", "python3"},
      {"#!/bin/sh -e -u \nx", "/bin/sh", "-e -u"},
      {"#!/bin/sh\t-x", "/bin/sh", "-x"},
      {"#!relative\n", "relative", nullptr},
      {std::string("#!/bin/sh -x\0y\n", 15), "/bin/sh", "-x"},
      {std::string("#!/bin/sh\0 -x\n", 14), "/bin/sh", nullptr},
      // Behind a blank, what is not there is an argument all the same.
      {"#!/bin/sh ", "/bin/sh", ""},
      {std::string("#!/bin/sh\t\0-x\n", 14), "/bin/sh", ""},
      {"#!", "", nullptr},
      {"#!\n", nullptr, nullptr},
      {"#! \t \n/bin/sh", nullptr, nullptr},
      {"#!" + std::string(300, ' '), nullptr, nullptr},
      {"#!/" + long_name, nullptr, nullptr},
      {"#!/" + std::string(200, 'b') + " " + long_name, nullptr, nullptr},
      {"\x7f"
       "ELF",
       nullptr, nullptr},
      {" #!/bin/sh\n", nullptr, nullptr},
      {"#", nullptr, nullptr},
      {"", nullptr, nullptr},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.start);
    const auto shebang = parse_shebang(std::string_view(one.start).substr(0, Shebang::kBytes));
    if (one.start.size() > 250 && one.start.find('b') == 3) {
      // The name is whole, so the argument may be cut: at the last byte but one.
      ASSERT_TRUE(shebang);
      EXPECT_EQ(shebang->argument, std::string(255 - 204, 'a'));
      continue;
    }
    ASSERT_EQ(shebang.has_value(), one.interpreter != nullptr);
    if (!shebang) continue;
    EXPECT_EQ(shebang->interpreter, one.interpreter);
    ASSERT_EQ(shebang->argument.has_value(), one.argument != nullptr);
    if (one.argument != nullptr) {
      EXPECT_EQ(*shebang->argument, one.argument);
    }
  }
}

}  // namespace
}  // namespace tidewaiter
