# One interface target carries the language, the warnings and the standing checks of the house.
add_library(aloft_house INTERFACE)
target_compile_options(aloft_house INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast
  -Wnon-virtual-dtor -Wswitch-enum -Wmissing-declarations -Werror
  -fno-omit-frame-pointer)
target_compile_definitions(aloft_house INTERFACE _GLIBCXX_ASSERTIONS)
