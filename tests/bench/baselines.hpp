// SPDX-License-Identifier: Apache-2.0
// What sandboxkit is measured against: the bare OCI runtime, the kernel's own floor, and posix_spawn.
#pragma once

#include "bench/figures.hpp"

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sandboxkit::bench {

// An overlay mount that goes with the object; for a `host` image, with the second overlay on usr.
class MountedRoot {
public:
    // Lower directories topmost first, as overlayfs takes them; `usr` may be empty. `scratch` must be on a real file system.
    MountedRoot(const std::filesystem::path& scratch, const std::vector<std::filesystem::path>& root,
                const std::vector<std::filesystem::path>& usr);
    ~MountedRoot();
    MountedRoot(const MountedRoot&) = delete;
    MountedRoot& operator=(const MountedRoot&) = delete;
    [[nodiscard]] std::filesystem::path path() const { return scratch_ / "merged"; }

private:
    std::filesystem::path scratch_;
    bool usr_ = false;
};

// posix_spawn and wait; throws std::runtime_error unless it exits with 0.
Milliseconds spawn_and_wait(const std::vector<std::string>& argv);

// posix_spawn with a pipe as standard output, read to its end, and wait: so many bytes. Throws as spawn_and_wait.
std::uint64_t spawn_and_read(const std::vector<std::string>& argv);

// clone3 with six namespaces, an overlay mount, pivot_root, exec of /bin/true in it, wait.
Milliseconds kernel_floor(const std::filesystem::path& scratch, const std::vector<std::filesystem::path>& root,
                          const std::vector<std::filesystem::path>& usr);

} // namespace sandboxkit::bench
