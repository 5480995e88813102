// SPDX-License-Identifier: Apache-2.0
// Giving up capabilities for good: this process has them no more, and nothing that it starts gets them.
#pragma once

namespace sandboxkit::guest {

// One capability, CAP_NET_ADMIN say; it leaves the bounding set, too. 0, or why not (errno).
[[nodiscard]] int drop_capability(int capability);
// All of this process's. 0, or why not (errno).
[[nodiscard]] int drop_capabilities();

} // namespace sandboxkit::guest
