#include "oci/policy/load/read_identity.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "oci/policy/address.h"
#include "oci/policy/cpu_list.h"
#include "oci/policy/network_rule.h"
#include "oci/policy/wording.h"

namespace tidewaiter::policy {
namespace {

using spec::Json;

constexpr std::string_view kIdentityKeys[] = {"hostname", "hosts", "cpus", "env", "user"};
constexpr ObjectKind kIdentityObject{
    .where = Where::kIdentity, .keys = kIdentityKeys, .example = R"({"hostname": "build"})"};

constexpr std::string_view kEnvKeys[] = {"clean", "set", "pass"};
constexpr ObjectKind kEnvObject{
    .where = Where::kEnv, .keys = kEnvKeys, .example = R"({"clean": true, "pass": ["PATH"]})"};

constexpr std::string_view kUserKeys[] = {"uid", "gid", "additional_gids"};
constexpr ObjectKind kUserObject{
    .where = Where::kUser, .keys = kUserKeys, .example = R"({"uid": 1000, "gid": 1000})"};

constexpr std::size_t kLongestHostname = 64;         // __NEW_UTS_LEN (include/uapi/linux/utsname.h)
constexpr std::uint64_t kLargestId = 4'294'967'294;  // one more, (uid_t)-1, is none (setresuid(2))
constexpr std::size_t kMostGroups = 65'536;          // NGROUPS_MAX (include/uapi/linux/limits.h)

// `expected`: "a host name, as in …". With the reason, where that is in a part of the name.
void wrong_host_name(Reader& reader, const Place& place, const std::string& expected,
                     const std::string& text) {
  const Status parts = text.empty() ? Status() : check_host_parts(text);
  if (!parts) return reader.wrong(place, parts.error().message());
  reader.wrong(place, "expected " + expected + ", found " + quote(text) +
                          (parse_host_name(text) ? "; leave out the dot at the end" : ""));
}

// What sethostname(2) takes is more; this is what other programs understand (hostname(7)).
std::optional<std::string> read_hostname(Reader& reader, const Place& place) {
  const std::string* text = reader.read_string(place, "a host name, as in \"build\"");
  if (text == nullptr) return std::nullopt;
  const auto name = parse_host_name(*text);
  if (!name || text->ends_with('.')) {
    wrong_host_name(reader, place, "a host name, as in \"build\" or \"build.example.com\"", *text);
    return std::nullopt;
  }
  if (text->size() > kLongestHostname) {
    reader.wrong(place, "a machine's host name has at most " + std::to_string(kLongestHostname) +
                            " characters, found " + std::to_string(text->size()));
    return std::nullopt;
  }
  return *text;
}

std::vector<IpAddress> read_addresses(Reader& reader, const Place& place) {
  std::vector<IpAddress> addresses;
  const auto take = [&](const Place& element) {
    const std::string* text =
        reader.read_string(element, "an IP address, as in \"10.0.0.5\" or \"2001:db8::5\"");
    if (text == nullptr) return;
    const auto address = parse_address(*text);
    if (!address)
      return reader.wrong(
          element, "expected an IP address, as in \"10.0.0.5\" or \"2001:db8::5\", found " + quote(*text));
    if (std::find(addresses.begin(), addresses.end(), *address) != addresses.end())
      return reader.wrong(element, quote(*text) + " is in the list twice");
    addresses.push_back(*address);
  };
  if (place.value.is_string()) {
    take(place);
    return addresses;
  }
  if (!place.value.is_array()) {
    reader.expected(place, "an IP address, as in \"10.0.0.5\", or an array of them");
    return addresses;
  }
  if (place.value.empty()) reader.wrong(place, "expected at least one IP address, found an empty array");
  reader.each_element(place, "IP addresses", take);
  return addresses;
}

std::vector<PinnedHost> read_hosts(Reader& reader, const Place& place) {
  std::vector<PinnedHost> hosts;
  if (!place.value.is_object()) {
    reader.expected(place, "an object of host names, as in {\"db.example.com\": \"10.0.0.5\"}");
    return hosts;
  }
  for (const auto& [key, value] : place.value.items()) {
    const Place member{value, place.pointer + "/" + pointer_token(key)};
    const auto name = parse_host_name(key);
    if (!name) {
      wrong_host_name(reader, member, "a host name, as in \"db.example.com\"", key);
      continue;
    }
    const auto is_same = [&name](const PinnedHost& one) { return one.name == name->name; };
    if (std::any_of(hosts.begin(), hosts.end(), is_same)) {
      reader.wrong(member, quote(name->name) +
                               " is there twice: letter case, and a dot at the end, make no difference");
      continue;
    }
    hosts.push_back({member.pointer, name->name, read_addresses(reader, member)});
  }
  return hosts;
}

std::optional<Processors> read_processors(Reader& reader, const Place& place) {
  const Json& value = place.value;
  if (value.is_number_unsigned() && value >= 1 && value <= kMostProcessors)
    return Processors{.count = value.get<unsigned>(), .these = {}};
  if (!value.is_string()) {
    reader.expected(place, "a whole number of processors from 1 to " + std::to_string(kMostProcessors) +
                               ", or which of them, as in \"0-3,8\"");
    return std::nullopt;
  }
  auto list = parse_cpu_list(value.get_ref<const std::string&>());
  if (list) return Processors{.count = 0, .these = *std::move(list)};
  reader.wrong(place, list.error().message());
  return std::nullopt;
}

bool is_variable_name(Reader& reader, const Place& place, std::string_view name) {
  if (!name.empty() && name.find('=') == std::string_view::npos) return true;
  reader.wrong(place, "expected the name of a variable, as in \"LANG\", found " + quote(name));
  return false;
}

EnvPolicy read_env(Reader& reader, const Place& place) {
  EnvPolicy env;
  reader.each_member(kEnvObject, place, [&](std::string_view key, const Place& member) {
    if (key == "clean") {
      if (!member.value.is_boolean()) return reader.expected(member, "true or false");
      env.clean = member.value.get<bool>();
    } else if (key == "pass") {
      reader.each_element(
          member, "names of variables, as in [\"PATH\", \"LC_*\"]", [&](const Place& element) {
            const std::string* name =
                reader.read_string(element, "the name of a variable, or a glob, as in \"LC_*\"");
            if (name == nullptr || !is_variable_name(reader, element, *name)) return;
            if (std::find(env.pass.begin(), env.pass.end(), *name) != env.pass.end())
              return reader.wrong(element, quote(*name) + " is in the list twice");
            env.pass.push_back(*name);
          });
    } else {
      if (!member.value.is_object())
        return reader.expected(member, "an object of variables, as in {\"LANG\": \"C.UTF-8\"}");
      for (const auto& [name, value] : member.value.items()) {
        const Place variable{value, member.pointer + "/" + pointer_token(name)};
        const std::string* text = reader.read_string(variable, "the variable's value, in a string");
        if (is_variable_name(reader, variable, name) && text != nullptr) env.set.emplace_back(name, *text);
      }
    }
  });
  if (place.value.is_object() && place.has("pass") && !env.clean)
    reader.wrong(place.at("pass"),
                 "\"pass\" goes with \"clean\": true; without it every variable is passed on");
  return env;
}

std::optional<std::uint32_t> read_id(Reader& reader, const Place& place, const std::string& what) {
  const Json& value = place.value;
  if (value.is_number_unsigned() && value <= kLargestId) return value.get<std::uint32_t>();
  if (value.is_string())
    reader.wrong(place,
                 "expected the number of " + what + ", found " + described(value) +
                     ": what a name stands for the image would say, in its /etc/passwd and /etc/group");
  else
    reader.expected(place, "the number of " + what + ", from 0 to " + std::to_string(kLargestId));
  return std::nullopt;
}

std::optional<UserPolicy> read_user(Reader& reader, const Place& place) {
  if (place.value.is_string() || place.value.is_number()) {
    reader.wrong(place,
                 "expected an object, as in {\"uid\": 1000, \"gid\": 1000}, found " + described(place.value));
    return std::nullopt;
  }
  UserPolicy user;
  bool whole = place.value.is_object();
  reader.each_member(kUserObject, place, [&](std::string_view key, const Place& member) {
    if (key == "additional_gids") {
      reader.each_element(member, "numbers of groups, as in [10, 27]", [&](const Place& element) {
        const auto gid = read_id(reader, element, "a group");
        if (!gid) return;
        auto& gids = user.additional_gids;
        if (std::find(gids.begin(), gids.end(), *gid) != gids.end())
          return reader.wrong(element, std::to_string(*gid) + " is in the list twice");
        if (gids.size() == kMostGroups)
          return reader.wrong(element, "a process has at most " + std::to_string(kMostGroups) + " groups");
        gids.push_back(*gid);
      });
      return;
    }
    const auto id = read_id(reader, member, key == "uid" ? "a user" : "a group");
    whole = whole && id.has_value();
    if (id) (key == "uid" ? user.uid : user.gid) = *id;
  });
  reader.require(place, "uid", "expected the user's number, as in \"uid\": 1000");
  reader.require(place, "gid", "expected the number of the user's group, as in \"gid\": 1000");
  if (!whole) return std::nullopt;
  return user;
}

}  // namespace

Identity read_identity(Reader& reader, const Place& place, std::optional<Limits>& limits) {
  Identity identity;
  reader.each_member(kIdentityObject, place, [&](std::string_view key, const Place& member) {
    if (key == "hostname") {
      identity.hostname = read_hostname(reader, member);
    } else if (key == "hosts") {
      identity.hosts = read_hosts(reader, member);
    } else if (key == "env") {
      identity.env = read_env(reader, member);
    } else if (key == "user") {
      identity.user = read_user(reader, member);
    } else if (auto processors = read_processors(reader, member)) {
      if (!limits) limits.emplace();
      limits->processors = std::move(processors);
    }
  });
  return identity;
}

}  // namespace tidewaiter::policy
