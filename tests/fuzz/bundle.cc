#include "oci/container/bundle.h"

#include <string>

#include "oci/spec/config.h"
#include "tests/fuzz/files.h"
#include "tests/fuzz/fuzz.h"

// A bundle's config.json, and behind a line `---` what lies beside it when it has been rewritten.

namespace tidewaiter::container {
namespace {

void check(fuzz::Input input) {
  static const fuzz::Folder folder;
  const std::string_view present = input.take_document();
  const std::string path = folder.write("config.json", present);
  folder.write("config.json.tidewaiter", input.rest());
  const auto bundle = Bundle::open(folder.path());
  fuzz::note(bundle.has_value());
  if (!bundle) {
    MUST(bundle.error().message().find(path) != std::string::npos);
    return;
  }
  MUST(bundle->config_path() == path && bundle->has_record());
  const auto config = spec::parse_json(present, path);
  if (config && bundle->original() == *config) return;
  // It is the one in the record, then, which speaks of what is there now.
  MUST(input.rest().find(present) != std::string_view::npos);
  const auto again = spec::parse_json(spec::dump_json(bundle->original()), path);
  MUST(again && *again == bundle->original());
}

}  // namespace
}  // namespace tidewaiter::container

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  tidewaiter::container::check(tidewaiter::fuzz::Input(data, size));
  return 0;
}
