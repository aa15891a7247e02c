#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "oci/base/result.h"

// config.json (runtime-spec, config.md). It is kept as an ordered JSON document, not as structs: whatever
// we do not know has to come out as it went in, keys in order, 64-bit integers whole.

namespace tidewaiter::spec {

using Json = nlohmann::ordered_json;

// Parses text. The error names line and column, and what was found. `source` is the file named in it. A
// duplicate key is an error: two readers could each believe another value. Integers beyond 64 bits and
// nesting beyond 512 levels are errors too, and so is U+0000 in a string: crun would read another than we.
Result<Json> parse_json(std::string_view text, const std::string& source);

// The document as text, indented as `indent` spaces (-1: one line). Strings that are not UTF-8 cannot
// occur: parse_json refuses them.
std::string dump_json(const Json& document, int indent = 2);

// Whether `text` can be a JSON string without a change. A path may hold any bytes.
bool is_utf8(const std::string& text);

// An error when a key of what is read here and written anew (the seccomp profile, linux.readonlyPaths,
// process.args, what is limited), or of what decides how (process.noNewPrivileges, the namespaces, the
// mounts), is spelt in other letter case. crun takes it for an unknown key; runc, whose JSON reader ignores
// case (Go encoding/json), takes it for the one it resembles, and so would read another filter, or another
// limit, than we wrote.
Status check_key_case(const Json& config);
// The same of a process alone, as `exec --process` names one.
Status check_process_key_case(const Json& process, const std::string& place);

// And of linux.resources alone, as `update --resources` names them.
Status check_resources_key_case(const Json& resources, const std::string& place);

// The string member `key` of /annotations, if there is one. An annotation that is not a string is an error.
Result<std::optional<std::string>> annotation(const Json& config, std::string_view key);

// process.noNewPrivileges; false when absent.
bool no_new_privileges(const Json& config);

}  // namespace tidewaiter::spec
