// SPDX-License-Identifier: Apache-2.0
#include "providers/local/program_path.hpp"

#include <cstdlib>
#include <sstream>

#include <unistd.h>

namespace sandboxkit::local {

std::filesystem::path find_program(const std::string& name) {
    namespace fs = std::filesystem;
    const auto executable = [](const fs::path& path) {
        std::error_code ignored;
        return path.is_absolute() && fs::is_regular_file(path, ignored) && ::access(path.c_str(), X_OK) == 0;
    };
    if (name.find('/') != std::string::npos) {
        std::error_code error;
        const fs::path path = fs::absolute(name, error);
        return !error && executable(path) ? path : fs::path();
    }
    const char* own = std::getenv("PATH");
    std::istringstream directories(std::string(own != nullptr ? own : "") +
                                   ":/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (std::string directory; std::getline(directories, directory, ':');)
        if (const fs::path path = fs::path(directory) / name; executable(path)) return path;
    return {};
}

} // namespace sandboxkit::local
