// SPDX-License-Identifier: Apache-2.0
// The system-call filter of the sandbox. The host compiled it; loading it here costs a fraction of what an OCI runtime takes.
#pragma once

#include "guest/file_descriptor.hpp"

#include <string>

namespace sandboxkit::guest {

// `file` holds struct sock_filter[], as seccomp(2) takes it, and is read from its beginning. Sets no_new_privs. The
// filter holds for this program and all its children. Empty, or what is wrong.
[[nodiscard]] std::string load_seccomp_filter(FileDescriptor file);

} // namespace sandboxkit::guest
