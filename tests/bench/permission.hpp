// SPDX-License-Identifier: Apache-2.0
// What asking for permission costs.
#pragma once

namespace sandboxkit::bench {

// Decisions about a session, each sample so many, against looking for one scope in the same principal.
void bench_permission(int decisions, int samples);

} // namespace sandboxkit::bench
