// The commands of aloft-sim that read files. Each gives the exit code.
#pragma once

#include <string_view>
#include <vector>

// `words`: what follows the command's name. 0: as expected, 1: not, 2: the file or the words are
// wrong, said on standard error.
int scenario_command(const std::vector<std::string_view>& words);
