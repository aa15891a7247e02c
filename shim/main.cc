#include "shim/invocation.h"

int main(int argc, char** argv) { return tidewaiter::shim::run(argc, argv); }
