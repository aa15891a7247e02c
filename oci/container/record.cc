#include "oci/container/record.h"

#include <utility>

#include "oci/base/system.h"
#include "oci/spec/config.h"

namespace tidewaiter::container {
namespace {

using spec::Json;

constexpr std::uint64_t kVersion = 1;

std::string record_path(const std::string& state_folder) { return state_folder + "/" + Record::kFileName; }

// Reads one member into `value`, saying what is wrong with it. Every member is required: the file is
// written by us, whole or not at all.
Status expect(const Json& document, const char* key, const char* type,
              bool (Json::*has_type)() const noexcept) {
  const auto found = document.find(key);
  if (found == document.end()) return fail(std::string("/") + key + ": is missing");
  if (!((*found).*has_type)()) {
    return fail(std::string("/") + key + ": expected " + type + ", found " + found->type_name());
  }
  return {};
}

Status read_member(const Json& document, const char* key, std::string& value) {
  TRY(expect(document, key, "a string", &Json::is_string));
  value = document.at(key).get<std::string>();
  return {};
}

Status read_member(const Json& document, const char* key, bool& value) {
  TRY(expect(document, key, "true or false", &Json::is_boolean));
  value = document.at(key).get<bool>();
  return {};
}

Status read_member(const Json& document, const char* key, std::uint64_t& value) {
  TRY(expect(document, key, "a non-negative integer", &Json::is_number_unsigned));
  value = document.at(key).get<std::uint64_t>();
  return {};
}

Status read_member(const Json& document, const char* key, std::vector<std::string>& value) {
  TRY(expect(document, key, "an array of strings", &Json::is_array));
  for (const Json& element : document.at(key)) {
    if (!element.is_string()) {
      return fail(std::string("/") + key + ": expected an array of strings, found in it " +
                  element.type_name());
    }
    value.push_back(element.get<std::string>());
  }
  return {};
}

Result<spec::HostsBase> read_hosts(const Json& document) {
  if (!document.is_object()) return fail(std::string("expected an object, found ") + document.type_name());
  spec::HostsBase hosts;
  TRY(read_member(document, "root", hosts.root));
  TRY(read_member(document, "path", hosts.path));
  return hosts;
}

Result<Record::File> read_file_id(const Json& document) {
  if (!document.is_object()) return fail(std::string("expected an object, found ") + document.type_name());
  Record::File file;
  TRY(read_member(document, "device", file.device));
  TRY(read_member(document, "inode", file.inode));
  return file;
}

Result<Record> from_json(const Json& document) {
  if (!document.is_object()) return fail("expected an object");
  std::uint64_t version = 0;
  TRY(read_member(document, "version", version));
  if (version != kVersion) {
    return fail("/version: expected " + std::to_string(kVersion) + ", found " + std::to_string(version));
  }
  Record record;
  TRY(read_member(document, "id", record.id));
  TRY(read_member(document, "config_path", record.config_path));
  TRY(read_member(document, "config_owner", record.config_owner));
  TRY(read_member(document, "runtime", record.runtime));
  TRY(read_member(document, "policy_name", record.policy_name));
  TRY(read_member(document, "policy_text", record.policy_text));
  TRY(read_member(document, "residual", record.residual));
  TRY(read_member(document, "exempts_start", record.exempts_start));
  TRY(read_member(document, "log_directory", record.log_directory));
  TRY(read_member(document, "log_max_bytes", record.log_max_bytes));
  TRY(read_member(document, "log_total_bytes", record.log_total_bytes));
  // Absent where the container was created before there was such a thing.
  if (document.contains("root")) TRY(read_member(document, "root", record.root));
  if (document.contains("policy_path")) TRY(read_member(document, "policy_path", record.policy_path));
  if (document.contains("told_of_execs")) {
    TRY(read_member(document, "told_of_execs", record.told_of_execs));
  }
  if (document.contains("restart_seconds")) {
    TRY(read_member(document, "restart_seconds", record.restart_seconds));
  }
  if (document.contains("init")) TRY(read_member(document, "init", record.init));
  if (const auto file = document.find("init_file"); file != document.end()) {
    record.init_file = TRY(in_context("/init_file", read_file_id(*file)));
  }
  // Absent, not null, when the bundle has no filter of its own.
  if (const auto own = document.find("own_seccomp"); own != document.end()) record.own_seccomp = *own;
  if (const auto hosts = document.find("hosts"); hosts != document.end()) {
    record.hosts = TRY(in_context("/hosts", read_hosts(*hosts)));
  }
  if (document.contains("agent")) TRY(read_member(document, "agent", record.agent));
  if (document.contains("open_files")) TRY(read_member(document, "open_files", record.open_files.emplace()));
  if (document.contains("timeout")) {
    TRY(read_member(document, "timeout", record.timeout.emplace()));
    TRY(read_member(document, "stop_signal", record.stop_signal));
    TRY(read_member(document, "stop_grace", record.stop_grace));
  }
  for (const auto& [key, value] :
       {std::pair{"shuts_real_time", &record.shuts_real_time}, std::pair{"sees_others", &record.sees_others},
        std::pair{"holds_process", &record.holds_process}, std::pair{"snapshots", &record.snapshots},
        std::pair{"bounds_memory", &record.bounds_memory}}) {
    if (document.contains(key)) TRY(read_member(document, key, *value));
  }
  for (const auto& [key, value] :
       {std::pair{"processors", &record.processors}, std::pair{"pinned_hosts", &record.pinned_hosts}}) {
    if (document.contains(key)) TRY(read_member(document, key, *value));
  }
  return record;
}

Json to_json(const Record& record) {
  Json document;
  document["version"] = kVersion;
  document["id"] = record.id;
  document["config_path"] = record.config_path;
  document["config_owner"] = record.config_owner;
  document["runtime"] = record.runtime;
  if (!record.root.empty()) document["root"] = record.root;
  document["policy_name"] = record.policy_name;
  document["policy_path"] = record.policy_path;
  document["policy_text"] = record.policy_text;
  document["residual"] = record.residual;
  document["exempts_start"] = record.exempts_start;
  document["told_of_execs"] = record.told_of_execs;
  document["log_directory"] = record.log_directory;
  document["log_max_bytes"] = record.log_max_bytes;
  document["log_total_bytes"] = record.log_total_bytes;
  document["restart_seconds"] = record.restart_seconds;
  if (!record.agent) document["agent"] = false;
  if (record.open_files) document["open_files"] = *record.open_files;
  if (record.timeout) {
    document["timeout"] = *record.timeout;
    document["stop_signal"] = record.stop_signal;
    document["stop_grace"] = record.stop_grace;
  }
  if (record.shuts_real_time) document["shuts_real_time"] = true;
  if (record.sees_others) document["sees_others"] = true;
  if (record.holds_process) document["holds_process"] = true;
  if (record.snapshots) document["snapshots"] = true;
  if (record.bounds_memory) document["bounds_memory"] = true;
  if (!record.processors.empty()) document["processors"] = record.processors;
  if (!record.pinned_hosts.empty()) document["pinned_hosts"] = record.pinned_hosts;
  if (!record.init.empty()) document["init"] = record.init;
  if (record.init_file)
    document["init_file"] = {{"device", record.init_file->device}, {"inode", record.init_file->inode}};
  if (record.own_seccomp) document["own_seccomp"] = *record.own_seccomp;
  if (record.hosts) document["hosts"] = {{"root", record.hosts->root}, {"path", record.hosts->path}};
  return document;
}

// A path may hold any bytes, JSON only UTF-8; changing one silently would point the agent elsewhere.
Result<std::string> exact_text(const Json& document) {
  try {
    return document.dump(2) + "\n";
  } catch (const Json::exception&) {
    return fail("a path or text in it is not UTF-8");
  }
}

}  // namespace

Result<Record> read_record(const std::string& state_folder) {
  const std::string path = record_path(state_folder);
  const std::string text = TRY(sys::read_file(path));
  const Json document = TRY(spec::parse_json(text, path));
  return in_context(path, from_json(document));
}

Status write_record(const std::string& state_folder, const Record& record) {
  const std::string path = record_path(state_folder);
  const std::string text = TRY(in_context(path, exact_text(to_json(record))));
  // The folder is for as long as the machine runs (XDG base directory specification, FHS on /run): nobody
  // asks for what was in it when the power went.
  auto file = TRY(sys::Replacement::write(path, text, 0600, sys::Sync::kNothing));
  return file.take_place();
}

}  // namespace tidewaiter::container
