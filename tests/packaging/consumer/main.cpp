// SPDX-License-Identifier: Apache-2.0
// A program of someone else. It opens no store and makes no sandbox; it proves that headers are found and everything links.
#include <sandboxkit/engine.hpp>
#include <sandboxkit/profile_document.hpp>

#include <iostream>

int main() {
    const auto profile = sandboxkit::read_profile(R"({"name": "consumer", "setup_script": "true"})");
    if (!profile || profile->recipe.image != "host") {
        std::cerr << "the profile was not read\n";
        return 1;
    }
    bool guest_found = false;
    for (const auto& check : sandboxkit::Engine::doctor({.store = "consumer.db"})) {
        std::cout << check.name << ": " << check.message << '\n';
        if (check.name == "guest program") guest_found = check.status == sandboxkit::DoctorCheck::Status::ok;
    }
    if (!guest_found) std::cerr << "the guest program was not found\n";
    return guest_found ? 0 : 1;
}
