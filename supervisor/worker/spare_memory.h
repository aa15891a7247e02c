#pragma once

namespace tidewaiter::supervisor {

// What the beginning of a container takes, to read its record and to compile its policy, is many times what
// it takes from then on, and the C library keeps what is freed.

// Has the C library share its heaps between threads, and give large pieces back as soon as they are freed.
// Before there is any other thread.
void share_heaps();

// Gives back what of the heaps is free (malloc_trim(3)). From any thread; others wait for it, for
// milliseconds.
void give_back_heaps();

// Gives back what of the calling thread's stack lies below the caller's.
void give_back_stack();

}  // namespace tidewaiter::supervisor
