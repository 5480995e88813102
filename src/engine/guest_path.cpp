// SPDX-License-Identifier: Apache-2.0
#include "engine/guest_path.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <cstdlib>
#include <string>
#include <vector>

namespace sandboxkit::engine {

namespace fs = std::filesystem;

// The file this code was loaded from: the program, or the shared library.
static fs::path own_file() {
    Dl_info info{};
    if (::dladdr(reinterpret_cast<const void*>(&find_guest), &info) == 0 || info.dli_fname == nullptr) return {};
    std::error_code ec;
    // Of a program it is what it was called by, which may be no path at all.
    const fs::path file = info.dli_fname;
    return fs::canonical(file.is_absolute() ? file : fs::path("/proc/self/exe"), ec);
}

Result<fs::path> find_guest(const fs::path& named) {
    std::vector<fs::path> candidates;
    if (!named.empty()) {
        candidates.push_back(named);
    } else if (const char* from_environment = std::getenv("SANDBOXKIT_GUEST"); from_environment && *from_environment) {
        candidates.emplace_back(from_environment);
    } else {
        // In a build tree, its own guest before an installed one of perhaps another version. An installation that was moved is
        // found from the file this code is in.
        const auto self = own_file();
        if (self.native().starts_with(SANDBOXKIT_BUILD_TREE "/")) candidates.emplace_back(SANDBOXKIT_GUEST_BUILD_PATH);
        candidates.emplace_back(SANDBOXKIT_GUEST_INSTALL_PATH);
        if (!self.empty()) {
            candidates.push_back(self.parent_path().parent_path() / "libexec/sandboxkit/sandboxkit-guest");
            candidates.push_back(self.parent_path().parent_path().parent_path() / "libexec/sandboxkit/sandboxkit-guest");
        }
    }
    std::string looked;
    for (const auto& candidate : candidates) {
        if (candidate.empty()) continue;
        if (::access(candidate.c_str(), X_OK) == 0) {
            std::error_code ec;
            return fs::absolute(candidate, ec);
        }
        looked += (looked.empty() ? "" : ", ") + candidate.string();
    }
    return Error{ErrorClass::not_found,
                 "guest_not_found",
                 "the guest program was not found; looked at " + looked,
                 "install sandboxkit, or name the program in SANDBOXKIT_GUEST or EngineOptions::guest",
                 "",
                 {}};
}

} // namespace sandboxkit::engine
