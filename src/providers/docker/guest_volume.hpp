// SPDX-License-Identifier: Apache-2.0
// The guest program for sandboxes of a daemon that does not see this host's files: in a volume of its own, named after what is in
// it.
#pragma once

#include "providers/docker/daemon.hpp"

namespace sandboxkit::docker {

// The volume's name. `image` is any that the daemon has: it takes a container, which is never started, to put files into a
// volume.
Task<std::string> guest_volume(DaemonPtr daemon, std::string image);

} // namespace sandboxkit::docker
