// Nothing but the headers that tests/CMakeLists.txt has precompiled with it.
