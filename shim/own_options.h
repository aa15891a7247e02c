#pragma once

#include <boost/program_options.hpp>
#include <string>

#include "oci/base/result.h"

namespace tidewaiter::shim {

// Reads the command line of one of our own verbs; argv[0] is the verb. An unknown option, or an argument too
// many, is an error in words.
Result<boost::program_options::variables_map> read_own_options(
    int argc, char** argv, const boost::program_options::options_description& options,
    const boost::program_options::positional_options_description& arguments);

// The exit code of one of our own verbs; a failure is told on stderr.
int exit_code(const std::string& verb, const Status& status);

}  // namespace tidewaiter::shim
