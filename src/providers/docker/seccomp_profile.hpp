// SPDX-License-Identifier: Apache-2.0
// The system calls that sandboxes may make, as a profile that a daemon reads.
#pragma once

#include <string>

namespace sandboxkit::docker {

// JSON, made once. In place of the daemon's own profile, which lets AF_VSOCK pass: that reaches the hypervisor from within every
// network namespace.
[[nodiscard]] const std::string& seccomp_profile();

} // namespace sandboxkit::docker
