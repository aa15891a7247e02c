#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/policy/load.h"
#include "oci/policy/meant.h"
#include "oci/spec/config.h"

// What every section of a policy file is read with.

namespace tidewaiter::policy {

using Words = std::span<const std::string_view>;

// One reference token of a JSON pointer (RFC 6901), fit for a line of text.
std::string pointer_token(std::string_view key);

// A value and its place in the file.
struct Place {
  const spec::Json& value;
  std::string pointer;

  [[nodiscard]] Place at(const std::string& key) const {
    return {value.at(key), pointer + "/" + pointer_token(key)};
  }
  [[nodiscard]] Place at(std::size_t index) const {
    return {value.at(index), pointer + "/" + std::to_string(index)};
  }
  [[nodiscard]] bool has(const char* key) const { return value.contains(key); }
};

// An object of the policy language: which members it has.
struct ObjectKind {
  Where where;
  Words keys;
  std::string_view example;
  // Part of the policy language, and not of this version. They must never be passed over in silence.
  Words later_keys = {};
};

// Reads one document. Each function read_*(reader, place) of this folder reads one kind of value, notes here
// what is wrong with it and goes on.
class Reader {
 public:
  // `source` names the document in mistakes.
  explicit Reader(std::string source) : source_(std::move(source)) {}

  // In the order in which they were noted.
  [[nodiscard]] const std::vector<Mistake>& mistakes() const { return mistakes_; }

  void wrong(const Place& place, std::string message);
  void expected(const Place& place, const std::string& what);

  // Calls visit(key, place) for each known member, in the order of the file.
  void each_member(const ObjectKind& kind, const Place& object,
                   const std::function<void(std::string_view, const Place&)>& visit);
  // `what`: of what the array is.
  void each_element(const Place& array, const std::string& what,
                    const std::function<void(const Place&)>& visit);

  void require(const Place& object, const char* key, const std::string& hint);

  // nullptr: it is none.
  const std::string* read_string(const Place& place, const std::string& what);

  // The position of a string in `words`. `choice`: whose words they are. `later`: as in ObjectKind.
  std::optional<std::size_t> read_word(const Place& place, Words words, std::optional<Choice> choice = {},
                                       Words later = {});

 private:
  std::string source_;
  std::vector<Mistake> mistakes_;
};

// --- ends and parts of messages ---------------------------------------------------------------------

// What stands in the file, in a few words.
std::string described(const spec::Json& value);

// `; advice`, or nothing of none.
std::string after_semicolon(const std::string& advice);

// `; did you mean "x"?`, where one is near.
std::string near_only(std::string_view found, Words known);

// `; write 100 without quotes`, where that would be right.
std::string without_quotes(const Place& place, const NumberRange& range);

}  // namespace tidewaiter::policy
