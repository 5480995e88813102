// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace sandboxkit::bench {

// How fast ordinary text and ordinary values are found to hold no credential. Needs no sandbox and no root.
void bench_secrets(int samples);

} // namespace sandboxkit::bench
