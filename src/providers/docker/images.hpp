// SPDX-License-Identifier: Apache-2.0
// The images of a daemon that are ours: the provider's operations on images, and the capture of a sandbox. Each runs on the
// daemon's executor.
#pragma once

#include "providers/docker/daemon.hpp"
#include "providers/docker/image_status.hpp"

namespace sandboxkit::docker {

Task<ImageInfo> prepare_image(DaemonPtr daemon, ImageRequest request);
Task<ImageInfo> inspect_image(DaemonPtr daemon, std::string id);
Task<std::vector<ImageInfo>> list_images(DaemonPtr daemon);
Task<void> remove_image(DaemonPtr daemon, std::string id);
// Ends the compute. The container stays, and is only good for being destroyed.
Task<CaptureResult> capture_sandbox(DaemonPtr daemon, std::string id, Labels labels);
Task<bool> was_captured(DaemonPtr daemon, std::string container); // by its id
[[nodiscard]] Error captured_already(const std::string& sandbox);

} // namespace sandboxkit::docker
