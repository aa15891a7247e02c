#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <system_error>
#include <vector>

#include "tests/fuzz/fuzz.h"

// What libFuzzer's main does with -runs=0, for builds without it: gives a fuzzer each file of a folder, so
// that neither can rot unseen. What is found wrong ends the process; the last file named is to blame.

namespace {

std::vector<std::filesystem::path> files_in(const char* folder) {
  std::vector<std::filesystem::path> files;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    std::cerr << "usage: " << arguments[0] << " FOLDER\n";
    return 2;
  }
  const auto files = files_in(arguments[1]);
  if (files.empty()) {
    std::cerr << arguments[1] << " holds no input\n";
    return 1;
  }
  for (const auto& file : files) {
    std::cerr << file.filename().string() << '\n';
    std::ifstream opened(file, std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(opened), {}};
    LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
  }
  const auto& counts = tidewaiter::fuzz::counts();
  std::cerr << files.size() << " inputs: " << counts.accepted << " accepted, " << counts.refused
            << " refused\n";
  if (counts.accepted + counts.refused != files.size()) {
    std::cerr << "the fuzzer does not note each\n";
    return 1;
  }
  if (counts.accepted == 0 || counts.refused == 0) {
    std::cerr << "they come to one and the same\n";
    return 1;
  }
  return 0;
}
