#include "shim/own_options.h"

#include <cstdlib>
#include <exception>

#include "shim/failure.h"

namespace tidewaiter::shim {

namespace po = boost::program_options;

Result<po::variables_map> read_own_options(int argc, char** argv, const po::options_description& options,
                                           const po::positional_options_description& arguments) {
  po::variables_map values;
  try {
    po::store(po::command_line_parser(argc, argv).options(options).positional(arguments).run(), values);
    po::notify(values);
  } catch (const std::exception& error) {
    return fail(std::string(error.what()) + "; see --help");
  }
  return values;
}

int exit_code(const std::string& verb, const Status& status) {
  if (status) return EXIT_SUCCESS;
  CommandLine line;
  line.command = verb;
  report_failure(line, "", status.error());
  return EXIT_FAILURE;
}

}  // namespace tidewaiter::shim
