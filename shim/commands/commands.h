#pragma once

#include "shim/invocation.h"

// One function per command, each in a file of its own. They return the exit code.

namespace tidewaiter::shim {

// Commands of the runtime that the shim looks into; they end in the runtime itself.
int create(const Invocation& invocation);  // and `run`
int exec(const Invocation& invocation);
int remove(const Invocation& invocation);  // `delete`
int restore(const Invocation& invocation);
int start(const Invocation& invocation);
int update(const Invocation& invocation);

// Our own verbs, which no runtime has; argv[0] is the verb.
int changes(int argc, char** argv);
int doctor(int argc, char** argv);
int log(int argc, char** argv);
int policy(int argc, char** argv);
int status(int argc, char** argv);

}  // namespace tidewaiter::shim
