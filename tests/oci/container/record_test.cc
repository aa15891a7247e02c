#include "oci/container/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "oci/base/system.h"
#include "oci/spec/config.h"
#include "tests/oci/base/temporary_folder.h"

namespace tidewaiter::container {
namespace {

using ::testing::HasSubstr;
using testing::TemporaryFolder;

Record full_record() {
  Record record;
  record.id = "box";
  record.config_path = "/b/config.json";
  record.runtime = "/usr/bin/crun";
  record.config_owner = "12345";
  record.policy_name = "quickstart";
  record.policy_path = "/etc/tidewaiter/policies/quickstart.json";
  record.policy_text = "{\n  \"version\": 1, \"x\": \"ü\\u0000\"\n}\n";
  record.own_seccomp =
      spec::parse_json(R"({"z":18446744073709551615,"a":[{"op":"SCMP_CMP_EQ"}]})", "test").value();
  record.agent = false;
  record.open_files = 64;
  record.timeout = 5400;
  record.stop_signal = 3;
  record.stop_grace = 10;
  record.shuts_real_time = true;
  record.sees_others = true;
  record.root = "/run/containerd/runc/k8s.io";
  record.snapshots = true;
  record.bounds_memory = true;
  record.processors = "0-1";
  record.holds_process = true;
  record.pinned_hosts = "10.0.0.5\tdb\n";
  record.residual = {"connect", "bind"};
  record.exempts_start = true;
  record.told_of_execs = true;
  record.init = {"/dev/.tidewaiter-init", "r", "r/usr", "--"};
  record.init_file = Record::File{0xfe01, std::numeric_limits<std::uint64_t>::max()};
  record.hosts = spec::HostsBase{"/b/rootfs", "/etc/hosts"};
  record.log_directory = "/var/log/tidewaiter";
  record.log_max_bytes = std::numeric_limits<std::uint64_t>::max();
  record.log_total_bytes = 1;
  record.restart_seconds = 3600;
  return record;
}

void expect_same(const Record& a, const Record& b) {
  EXPECT_EQ(a.id, b.id);
  EXPECT_EQ(a.config_path, b.config_path);
  EXPECT_EQ(a.runtime, b.runtime);
  EXPECT_EQ(a.root, b.root);
  EXPECT_EQ(a.config_owner, b.config_owner);
  EXPECT_EQ(a.policy_name, b.policy_name);
  EXPECT_EQ(a.policy_path, b.policy_path);
  EXPECT_EQ(a.policy_text, b.policy_text);
  EXPECT_EQ(a.own_seccomp, b.own_seccomp);
  EXPECT_EQ(a.agent, b.agent);
  EXPECT_EQ(a.open_files, b.open_files);
  EXPECT_EQ(a.timeout, b.timeout);
  EXPECT_EQ(a.stop_signal, b.stop_signal);
  EXPECT_EQ(a.stop_grace, b.stop_grace);
  EXPECT_EQ(a.shuts_real_time, b.shuts_real_time);
  EXPECT_EQ(a.sees_others, b.sees_others);
  EXPECT_EQ(a.snapshots, b.snapshots);
  EXPECT_EQ(a.bounds_memory, b.bounds_memory);
  EXPECT_EQ(a.processors, b.processors);
  EXPECT_EQ(a.holds_process, b.holds_process);
  EXPECT_EQ(a.pinned_hosts, b.pinned_hosts);
  EXPECT_EQ(a.residual, b.residual);
  EXPECT_EQ(a.exempts_start, b.exempts_start);
  EXPECT_EQ(a.told_of_execs, b.told_of_execs);
  EXPECT_EQ(a.init, b.init);
  EXPECT_EQ(a.init_file, b.init_file);
  EXPECT_EQ(a.hosts, b.hosts);
  EXPECT_EQ(a.log_directory, b.log_directory);
  EXPECT_EQ(a.log_max_bytes, b.log_max_bytes);
  EXPECT_EQ(a.log_total_bytes, b.log_total_bytes);
  EXPECT_EQ(a.restart_seconds, b.restart_seconds);
}

TEST(Record, IsReadAsItWasWritten) {
  const TemporaryFolder folder;
  for (const Record& record : {Record(), full_record()}) {
    const Status written = write_record(folder.path(), record);
    ASSERT_TRUE(written) << written.error().message();
    const auto read = read_record(folder.path());
    ASSERT_TRUE(read) << read.error().message();
    expect_same(*read, record);
  }
  EXPECT_EQ(sys::stat(folder / Record::kFileName)->st_mode & 07777U, 0600U);
}

TEST(Record, HasTheDefaultWhereItIsOlderThanASetting) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_record(folder.path(), full_record()));
  const std::string path = folder / Record::kFileName;
  auto document = spec::parse_json(sys::read_file(path).value(), path).value();
  ASSERT_EQ(document.erase("restart_seconds"), 1U);
  ASSERT_EQ(document.erase("told_of_execs"), 1U);
  ASSERT_EQ(document.erase("init"), 1U);
  ASSERT_EQ(document.erase("init_file"), 1U);
  ASSERT_TRUE(sys::replace_file(path, spec::dump_json(document)));
  const auto read = read_record(folder.path());
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->restart_seconds, kRestartSeconds);
  EXPECT_FALSE(read->told_of_execs);
  EXPECT_TRUE(read->init.empty());
  EXPECT_FALSE(read->init_file);
}

TEST(Record, KeepsTheOrderOfTheOwnSeccomp) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_record(folder.path(), full_record()));
  EXPECT_EQ(spec::dump_json(*read_record(folder.path())->own_seccomp, -1),
            R"({"z":18446744073709551615,"a":[{"op":"SCMP_CMP_EQ"}]})");
}

TEST(Record, TellsAMissingFilterFromAnEmptyOne) {
  const TemporaryFolder folder;
  Record record = full_record();
  record.own_seccomp = nlohmann::ordered_json();
  ASSERT_TRUE(write_record(folder.path(), record));
  EXPECT_EQ(read_record(folder.path())->own_seccomp, nlohmann::ordered_json());
  record.own_seccomp.reset();
  ASSERT_TRUE(write_record(folder.path(), record));
  EXPECT_FALSE(read_record(folder.path())->own_seccomp.has_value());
}

TEST(Record, CannotHoldAPathThatIsNotUtf8) {
  const TemporaryFolder folder;
  Record record = full_record();
  record.config_path = "/b\xFF/config.json";
  const Status written = write_record(folder.path(), record);
  ASSERT_FALSE(written);
  EXPECT_THAT(written.error().message(), HasSubstr("not UTF-8"));
  EXPECT_EQ(read_record(folder.path()).error().code, ENOENT) << "nothing was written";
}

TEST(ReadRecord, SaysWhatIsWrongWithEachMember) {
  const TemporaryFolder folder;
  ASSERT_TRUE(write_record(folder.path(), full_record()));
  const std::string path = folder / Record::kFileName;
  const nlohmann::ordered_json good = spec::parse_json(sys::read_file(path).value(), path).value();

  const std::vector<std::pair<nlohmann::ordered_json, std::string>> wrong = {
      {{"version", 2}, "/version: expected 1, found 2"},
      {{"version", "1"}, "/version: expected a non-negative integer, found string"},
      {{"id", 7}, "/id: expected a string, found number"},
      {{"policy_text", nullptr}, "/policy_text: expected a string, found null"},
      {{"residual", "connect"}, "/residual: expected an array of strings, found string"},
      {{"residual", {"a", 1}}, "/residual: expected an array of strings, found in it number"},
      {{"exempts_start", 1}, "/exempts_start: expected true or false, found number"},
      {{"hosts", "/etc/hosts"}, "/hosts: expected an object, found string"},
      {{"hosts", {{"root", "/"}}}, "/hosts: /path: is missing"},
      {{"restart_seconds", "x"}, "/restart_seconds: expected a non-negative integer, found string"},
      {{"agent", nullptr}, "/agent: expected true or false, found null"},
      {{"open_files", "64"}, "/open_files: expected a non-negative integer, found string"},
      {{"timeout", "1h"}, "/timeout: expected a non-negative integer, found string"},
      {{"shuts_real_time", 1}, "/shuts_real_time: expected true or false, found number"},
      {{"root", 1}, "/root: expected a string, found number"},
      {{"snapshots", 0}, "/snapshots: expected true or false, found number"},
      {{"bounds_memory", nullptr}, "/bounds_memory: expected true or false, found null"},
      {{"holds_process", "yes"}, "/holds_process: expected true or false, found string"},
      {{"processors", 1}, "/processors: expected a string, found number"},
      {{"pinned_hosts", {"10.0.0.5 db"}}, "/pinned_hosts: expected a string, found array"},
      {{"init", "r"}, "/init: expected an array of strings, found string"},
      {{"init_file", 5}, "/init_file: expected an object, found number"},
      {{"init_file", {{"device", 1}}}, "/init_file: /inode: is missing"},
      {{"init_file", {{"device", 1}, {"inode", -1}}},
       "/init_file: /inode: expected a non-negative integer, found number"},
      {{"log_max_bytes", -1}, "/log_max_bytes: expected a non-negative integer, found number"},
  };
  for (const auto& [member, error] : wrong) {
    auto document = good;
    document[member[0].get<std::string>()] = member[1];
    ASSERT_TRUE(sys::replace_file(path, spec::dump_json(document)));
    const auto read = read_record(folder.path());
    ASSERT_FALSE(read) << error;
    EXPECT_EQ(read.error().message(), path + ": " + error);
  }
  for (const auto& [key, value] : good.items()) {
    if (key == "own_seccomp" || key == "hosts" || key == "restart_seconds" || key == "told_of_execs" ||
        key == "policy_path" || key == "agent" || key == "open_files" || key == "timeout" ||
        key == "shuts_real_time" || key == "sees_others" || key == "root" || key == "snapshots" ||
        key == "bounds_memory" || key == "holds_process" || key == "processors" || key == "pinned_hosts" ||
        key == "init" || key == "init_file") {
      continue;
    }
    auto document = good;
    document.erase(key);
    ASSERT_TRUE(sys::replace_file(path, spec::dump_json(document)));
    const auto read = read_record(folder.path());
    ASSERT_FALSE(read) << key;
    EXPECT_EQ(read.error().message(), path + ": /" + key + ": is missing");
  }
}

TEST(ReadRecord, NamesTheFileThatIsMissingOrBroken) {
  const TemporaryFolder folder;
  EXPECT_EQ(read_record(folder.path()).error().code, ENOENT);
  ASSERT_TRUE(sys::replace_file(folder / Record::kFileName, "{"));
  EXPECT_THAT(read_record(folder.path()).error().message(), HasSubstr("record.json: line 1, column 2"));
  ASSERT_TRUE(sys::replace_file(folder / Record::kFileName, "[]"));
  EXPECT_THAT(read_record(folder.path()).error().message(), HasSubstr("expected an object"));
}

}  // namespace
}  // namespace tidewaiter::container
