// SPDX-License-Identifier: Apache-2.0
#include "cli/dialogue.hpp"

#include "cli/standard_streams.hpp"

#include <unistd.h>

#include <cctype>
#include <iostream>

namespace sandboxkit::cli {

bool somebody_there() {
    return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDERR_FILENO) == 1;
}

char ask(const std::string& question, std::string_view letters) {
    for (;;) {
        write_all(STDERR_FILENO, question + ' ');
        std::string line;
        if (!std::getline(std::cin, line)) return 'n';
        if (line.empty()) return letters.front();
        const char letter = static_cast<char>(std::tolower(static_cast<unsigned char>(line.front())));
        if (letters.find(letter) != std::string_view::npos) return letter;
    }
}

} // namespace sandboxkit::cli
