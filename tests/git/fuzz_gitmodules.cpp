// SPDX-License-Identifier: Apache-2.0
// What a repository says of its submodules.
#include "git/submodule_rules.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>

using namespace sandboxkit::git;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto found = parse_gitmodules({reinterpret_cast<const char*>(data), size});
    if (!found) return 0;
    for (const auto& submodule : *found) {
        if (check_names(submodule) && (submodule.name + "/").find("../") == 0) std::abort();
        const auto url = submodule_url(submodule, "https://git.example/team/app.git");
        if (url && (url->starts_with("file:") || !parse_url(*url))) std::abort();
    }
    return 0;
}
