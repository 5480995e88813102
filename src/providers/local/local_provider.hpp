// SPDX-License-Identifier: Apache-2.0
// The embedded default: an OCI runtime over overlayfs, no daemon.
#pragma once

#include <sandboxkit/engine.hpp>
#include <sandboxkit/provider.hpp>

#include "async/blocking.hpp"

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace sandboxkit::local {

struct LocalOptions {
    std::filesystem::path state_directory; // created with mode 0700; a real file system
    std::filesystem::path guest;           // the static guest program
    std::string runtime;                   // "", "crun", "runc", "runsc" or "kata-runtime", or a path; "": chosen by probing
};

// Errors: permission "needs_root" without root privileges; unsupported for what the host lacks.
Result<std::shared_ptr<Provider>> make_local_provider(LocalOptions options, async::Pool& pool);

// What this host can do. Makes no state directory: one that is not there yet is tried with another beside it, which goes
// again. One that is there gets the runtimes' verdicts, which the next engine then finds.
std::vector<DoctorCheck> doctor(const LocalOptions& options);

} // namespace sandboxkit::local
