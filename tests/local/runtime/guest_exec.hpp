// SPDX-License-Identifier: Apache-2.0
// Runs a command in a sandbox over the guest's socket, by hand: these tests must not lean on the client of the library.
#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

namespace sandboxkit::test {

struct Output {
    int code = -1;     // of the command; -1: it did not exit, or the guest did not answer
    std::string text;  // its two outputs together
    std::string trace; // what the guest answered, for messages
};

Output exec(const std::filesystem::path& socket, const std::vector<std::string>& command,
            std::chrono::seconds limit = std::chrono::seconds(60));
// By /bin/sh -c.
Output shell(const std::filesystem::path& socket, const std::string& script,
             std::chrono::seconds limit = std::chrono::seconds(60));

} // namespace sandboxkit::test
