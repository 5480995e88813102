// SPDX-License-Identifier: Apache-2.0
// A clock that goes when the test says so.
#pragma once

#include <sandboxkit/clock.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>

namespace sandboxkit::test {

class ManualClock final : public Clock {
public:
    [[nodiscard]] Timestamp now() const override { return Timestamp(std::chrono::milliseconds(now_.load())); }
    void advance(std::chrono::milliseconds by) { now_ += by.count(); }

private:
    std::atomic<std::int64_t> now_ = 1'800'000'000'000;
};

} // namespace sandboxkit::test
