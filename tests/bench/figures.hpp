// SPDX-License-Identifier: Apache-2.0
// What was measured, and how it is printed.
#pragma once

#include <sandboxkit/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

namespace sandboxkit::bench {

using Milliseconds = std::chrono::duration<double, std::milli>;

template <class T>
T must(Result<T> result) {
    if (!result) {
        const auto& error = result.error();
        std::string text = error.code + ": " + error.message + " " + error.detail;
        for (const auto& problem : error.problems) text += "\n" + problem.pointer + ": " + problem.message;
        throw std::runtime_error(text + (error.remedy.empty() ? "" : "\nhint: " + error.remedy));
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

template <class Work>
Milliseconds timed(Work work) {
    const auto begin = std::chrono::steady_clock::now();
    work();
    return std::chrono::steady_clock::now() - begin;
}

struct Samples {
    std::vector<double> values; // ms
    void add(Milliseconds m) { values.push_back(m.count()); }
    [[nodiscard]] double percentile(double p) const {
        auto sorted = values;
        std::sort(sorted.begin(), sorted.end());
        return sorted.at(static_cast<std::size_t>(p * static_cast<double>(sorted.size() - 1)));
    }
};

inline void row(const char* what, const Samples& samples) {
    std::printf("  %-44s p50 %8.2f ms   p95 %8.2f ms   (%zu samples)\n", what, samples.percentile(0.5), samples.percentile(0.95),
                samples.values.size());
}

inline void ratio(const char* what, double value, const char* aim) {
    std::printf("  %-44s     %8.2f      aim: %s\n", what, value, aim);
}

// Bytes that took so long.
inline void rate(const char* what, const Samples& samples, std::uint64_t bytes, const char* aim) {
    const double median = static_cast<double>(bytes) / 1000 / samples.percentile(0.5);
    const double best = static_cast<double>(bytes) / 1000 / samples.percentile(0);
    std::printf("  %-44s p50 %8.0f MB/s best %7.0f MB/s (%zu samples)      aim: %s\n", what, median, best, samples.values.size(),
                aim);
}

} // namespace sandboxkit::bench
