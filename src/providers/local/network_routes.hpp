// SPDX-License-Identifier: Apache-2.0
// Routes in the network namespace of a sandbox.
#pragma once

#include "providers/local/file_handle.hpp"
#include "providers/local/network_filter.hpp"

#include <vector>

namespace sandboxkit::local {

// Makes connections to these ranges fail at once instead of running into the packet filter's silence. Loopback is left
// alone. `process` is a pidfd of a process in the namespace.
Result<void> refuse_routes(const FileHandle& process, const std::vector<AddressRange>& ranges);

} // namespace sandboxkit::local
