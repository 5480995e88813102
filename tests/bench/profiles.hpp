// SPDX-License-Identifier: Apache-2.0
// What it costs to work with a profile's document.
#pragma once

namespace sandboxkit::bench {

// A document of 20 KB: read, checked, put into its canonical form and digested; and the plans of two, compiled and compared.
void bench_profiles(int samples);

} // namespace sandboxkit::bench
