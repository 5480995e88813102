// SPDX-License-Identifier: Apache-2.0
// How long each step of a start took. The JSON, table and Chrome trace forms: timeline_format.hpp.
#pragma once

#include <chrono>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit {

struct TimelineStep {
    std::string name;                  // e.g. "store.begin", "provider.create", "guest.ready"
    std::chrono::microseconds begin{}; // since the start was requested
    std::chrono::microseconds duration{};
    friend bool operator==(const TimelineStep&, const TimelineStep&) = default;
};

struct Timeline {
    std::vector<TimelineStep> steps; // in order of begin
    friend bool operator==(const Timeline&, const Timeline&) = default;
};

// Measures consecutive steps against the monotonic clock: `step("a")` ends the step before it.
class TimelineRecorder {
public:
    TimelineRecorder() : origin_(std::chrono::steady_clock::now()) {}

    void step(std::string name) {
        (void)finish();
        open_ = {std::move(name), since_origin(), {}};
        running_ = true;
    }
    [[nodiscard]] Timeline finish() {
        if (running_) {
            open_.duration = since_origin() - open_.begin;
            timeline_.steps.push_back(open_);
            running_ = false;
        }
        return timeline_;
    }

private:
    [[nodiscard]] std::chrono::microseconds since_origin() const {
        return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - origin_);
    }
    std::chrono::steady_clock::time_point origin_;
    TimelineStep open_;
    bool running_ = false;
    Timeline timeline_;
};

} // namespace sandboxkit
