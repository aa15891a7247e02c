#pragma once

// What the shim does before anything else, the C library's own start included: where a call concerns no
// container under a policy, it becomes the runtime at once. The start of a C++ program costs more than all of
// this, above all on a virtual machine, where each cpuid of the C library is a trip to the hypervisor.
//
// Nothing is decided here that the program proper would decide otherwise. Each question has two answers: "as
// far as can be seen the runtime's, and the runtime is this", or "the program is to look", and everything
// unusual (an error, a spelling, a file that is larger, a user without HOME) gets the second.
//
// The code runs without relocations, without a stack protector and without any library: no pointer in a
// constant, nothing but loops and system calls. ctest shim_at_entry_stands_alone holds the object to that.

namespace tidewaiter::shim {

struct EntryPlan {
  const char* runtime = nullptr;  // to be executed, with the caller's arguments behind it; null: look
};

// REQUIRES: argc >= 1, argv and environment end in a null pointer. What the plan points to lies in static
// memory or in the environment.
EntryPlan plan_at_entry(int argc, char* const* argv, char* const* environment);

}  // namespace tidewaiter::shim
