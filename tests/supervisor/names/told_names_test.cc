#include "supervisor/names/told_names.h"

#include <gtest/gtest.h>

#include "tests/supervisor/names/scripted_resolver.h"

namespace tidewaiter::supervisor {
namespace {

TEST(ToldNames, HasALineForEachName) {
  ScriptedResolver resolver;
  resolver.will_answer("two.example", resolution({"192.0.2.1", "2001:db8::1"}));
  resolver.will_answer("odd.example", fail("no \"such\" name"));
  EXPECT_EQ(told_names(resolver, {"two.example", "odd.example"}),
            "{\"name\": \"two.example\", \"addresses\": [\"192.0.2.1\", \"2001:db8::1\"]}\n"
            "{\"name\": \"odd.example\", \"error\": \"no \\\"such\\\" name\"}\n");
}

}  // namespace
}  // namespace tidewaiter::supervisor
