// SPDX-License-Identifier: Apache-2.0
// The system call filter of every sandbox: Docker's default list or stricter, compiled once to the kernel's own form and kept.
// The guest loads it before it accepts anything: a runtime would compile it again at every start, which takes longer
// than all the rest of a start.
#pragma once

#include <sandboxkit/error.hpp>

#include "providers/local/file_handle.hpp"

#include <filesystem>
#include <string>

namespace sandboxkit::local {

class SeccompFilter {
public:
    // Takes the compiled filter from `cache` or compiles it and puts it there. A damaged file is compiled anew.
    static Result<SeccompFilter> load(const std::filesystem::path& cache);

    // An array of struct sock_filter for this machine.
    [[nodiscard]] const std::string& program() const { return program_; }
    // A new read-only descriptor, at the beginning, of a sealed file in memory that holds the program: a sandbox that
    // got hold of it could not change it for another one.
    [[nodiscard]] Result<FileHandle> open() const;

private:
    std::string program_;
    FileHandle sealed_;
};

// Compiles the filter. Errors: unsupported "seccomp_unavailable".
Result<std::string> compile_seccomp_filter();
// Changes with the rules, the machine and the version of libseccomp.
std::string seccomp_filter_key();

} // namespace sandboxkit::local
