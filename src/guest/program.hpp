// SPDX-License-Identifier: Apache-2.0
// sandboxkit-guest: PID 1 of a sandbox, and the server of its in-sandbox API.
#pragma once

namespace sandboxkit::guest {

// The whole program. Returns its exit code: 0 after SIGTERM, 64 for wrong arguments, 1 when it cannot serve;
// the reason is on standard error.
int run(int argc, char** argv);

} // namespace sandboxkit::guest
