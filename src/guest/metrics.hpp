// SPDX-License-Identifier: Apache-2.0
// How much of processors, memory and disk is used, for GET /metrics.
#pragma once

#include <string>

namespace sandboxkit::guest {

// Of the control group of the sandbox where it can be seen, which is where the unified hierarchy is mounted at
// /sys/fs/cgroup and has the controller; else of the machine, as /proc tells. Each of processors and memory by itself. The
// disk is the file system of "/".
class Metrics {
public:
    Metrics() : last_(work()) {}
    // The body of the response. The use of processors is that since the last call, or since this was made.
    [[nodiscard]] std::string json();

private:
    // Seconds that processors worked, and that they could have worked.
    struct Work {
        double busy = 0, possible = 0;
    };
    [[nodiscard]] static Work work();

    Work last_;
};

} // namespace sandboxkit::guest
