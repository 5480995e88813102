// SPDX-License-Identifier: Apache-2.0
// What cloning costs against the git program, from the same server over HTTP on this machine.
#pragma once

#include <filesystem>

namespace sandboxkit::bench {

struct GitSize {
    int files, commits, samples;
};

// Throws when a program that it needs is not there, and when what was cloned is not what the git program clones.
void bench_git(const std::filesystem::path& scratch, const GitSize& size);

} // namespace sandboxkit::bench
