// SPDX-License-Identifier: Apache-2.0
// File systems to and from containers that are never started: trees of this machine into an image, and an image without volumes.
#pragma once

#include "providers/docker/daemon.hpp"
#include "providers/docker/image_status.hpp"

namespace sandboxkit::docker {

// Puts the tree at its target, which is made with those above it. Everything in it belongs to root there.
Task<void> put_tree(DaemonPtr daemon, std::string container, ImageTree tree);

// The same files in an image that declares no volumes, which a container would keep outside of what is captured. Made once.
Task<ImageStatus> without_volumes(DaemonPtr daemon, ImageStatus image);

} // namespace sandboxkit::docker
