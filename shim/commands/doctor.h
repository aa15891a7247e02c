#pragma once

#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include "oci/base/result.h"
#include "oci/container/directories.h"
#include "shim/machine.h"

namespace tidewaiter::shim {

enum class Grade {
  kOk,
  kWarning,  // something works less well, or not for every container
  kFailure,  // no container can be supervised here
};

// One fact about the machine.
struct Finding {
  Grade grade = Grade::kOk;
  std::string fact;
  std::string meaning;  // what it means for the user
  std::string advice;   // what to do about it; empty: nothing has to be done
};

// What a check looks at.
struct Patient {
  const Machine& machine;
  Result<container::Directories> directories;
  Result<container::Settings> settings;
};

struct DoctorCheck {
  std::string_view name;
  std::vector<Finding> (*run)(const Patient&);
};
const std::vector<DoctorCheck>& doctor_checks();

// Runs every check and prints a line, or an object, for each finding. False when any is a failure.
bool examine(const Patient& patient, bool json, std::ostream& out);

}  // namespace tidewaiter::shim
