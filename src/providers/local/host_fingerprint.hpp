// SPDX-License-Identifier: Apache-2.0
// What tells one state of the host's /usr from another, without reading it.
#pragma once

#include <sandboxkit/error.hpp>

#include <string>

namespace sandboxkit::local {

// 64 hexadecimal digits that change when packages are installed, removed or upgraded and stay the same otherwise. Made
// from the package databases' contents, the names and change times of the directories that programs and libraries are
// in, the dynamic linker's cache, alternatives and certificates. Costs a few milliseconds at most; a file whose size and times
// did not change is not read again by this process. A program that is overwritten in place in /usr, behind the package manager's
// back, is not noticed.
Result<std::string> host_fingerprint();

} // namespace sandboxkit::local
