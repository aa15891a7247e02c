#include "oci/policy/load/read_argument.h"

#include <limits>
#include <string>
#include <string_view>

#include "oci/policy/constants.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

constexpr std::string_view kArgumentKeys[] = {"index", "op", "value", "mask"};
constexpr ObjectKind kArgumentObject{
    .where = Where::kArgument, .keys = kArgumentKeys, .example = R"({"index": 0, "op": "eq", "value": 1})"};
constexpr std::string_view kComparisons[] = {"eq", "ne", "lt", "le", "gt", "ge", "masked_eq"};

std::optional<std::uint64_t> read_value(Reader& reader, const Place& place) {
  constexpr const char* kExpected =
      "a whole number, a hexadecimal one in a string as in \"0xff\", or a name as in \"AF_PACKET\"";
  if (place.value.is_number_unsigned()) return place.value.get<std::uint64_t>();
  // The register then holds the number in two's complement.
  if (place.value.is_number_integer()) return static_cast<std::uint64_t>(place.value.get<std::int64_t>());
  const std::string* text = reader.read_string(place, kExpected);
  if (text == nullptr) return std::nullopt;
  if (text->starts_with("0x") && text->size() > 2 && text->size() <= 18 &&
      text->find_first_not_of("0123456789abcdefABCDEF", 2) == std::string::npos)
    return std::stoull(*text, nullptr, 16);
  const auto value = named_value(*text);
  if (!value) {
    const std::string hint = without_quotes(place, {0, 18446744073709551615.0});
    reader.wrong(place, "expected " + std::string(kExpected) + ", found " + quote(*text) +
                            (hint.empty() ? near_only(*text, value_names()) : hint));
  }
  return value;
}

}  // namespace

std::optional<ArgumentTest> read_argument_test(Reader& reader, const Place& place) {
  std::optional<unsigned> index;
  std::optional<std::uint64_t> value;
  std::optional<std::uint64_t> mask;
  std::optional<std::size_t> comparison;
  reader.each_member(kArgumentObject, place, [&](std::string_view key, const Place& member) {
    if (key == "index") {
      if (member.value.is_number_integer() && member.value >= 0 && member.value <= 5)
        index = member.value.get<unsigned>();
      else
        reader.wrong(member, "expected a number from 0 to 5, the place of the argument, found " +
                                 described(member.value) + without_quotes(member, {0, 5}));
    } else if (key == "op") {
      comparison = reader.read_word(member, kComparisons, Choice::kComparison);
    } else if (key == "value") {
      value = read_value(reader, member);
    } else {
      mask = read_value(reader, member);
    }
  });
  reader.require(place, "index", "expected the place of the argument, 0 to 5");
  reader.require(place, "op", "expected " + one_of(kComparisons));
  reader.require(place, "value", "expected what the argument is compared with");
  if (!comparison) return std::nullopt;

  // The two lists are in the same order.
  const auto op = static_cast<Comparison>(*comparison);
  if (op == Comparison::kMaskedEqual)
    reader.require(place, "mask", "masked_eq compares (argument & mask) with value");
  else if (place.has("mask"))
    reader.wrong(place.at("mask"),
                 "\"mask\" goes with op \"masked_eq\" only, found op " + quote(kComparisons[*comparison]));
  if (!index || !value || (op == Comparison::kMaskedEqual && !mask)) return std::nullopt;

  ArgumentTest test{.index = *index, .comparison = op, .value = *value};
  if (op == Comparison::kMaskedEqual) {
    test.mask = *mask;
    if ((test.value & ~test.mask) != 0)
      reader.wrong(place.at("value"), "the value has bits that the mask has not, so the test never holds");
    else if (test.mask == 0)
      reader.wrong(place.at("mask"), "a mask of 0 looks at no bit, so the test always holds; leave it out");
  }
  if (op == Comparison::kLess && test.value == 0)
    reader.wrong(
        place,
        "no argument is less than 0, so the test never holds: arguments are compared as unsigned numbers");
  if (op == Comparison::kGreater && test.value == std::numeric_limits<std::uint64_t>::max())
    reader.wrong(place,
                 "no argument is greater than this value, so the test never holds: arguments are compared as "
                 "unsigned numbers");
  return test;
}

}  // namespace tidewaiter::policy
