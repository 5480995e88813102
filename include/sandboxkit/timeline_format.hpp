// SPDX-License-Identifier: Apache-2.0
// A timeline as a table for terminals, as a Chrome trace for Perfetto, and as JSON.
#pragma once

#include <sandboxkit/timeline.hpp>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit {

// From the request to the end of the step that ends last.
[[nodiscard]] inline std::chrono::microseconds total_of(const Timeline& timeline) noexcept {
    std::chrono::microseconds total{};
    for (const TimelineStep& step : timeline.steps) total = std::max(total, step.begin + step.duration);
    return total;
}

namespace detail {

[[nodiscard]] inline std::size_t characters_in(std::string_view utf8) noexcept {
    return static_cast<std::size_t>(
        std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

// "12.3": milliseconds
[[nodiscard]] inline std::string milliseconds_text(std::chrono::microseconds time) {
    std::array<char, 40> text{};
    std::snprintf(text.data(), text.size(), "%lld.%lld", static_cast<long long>((time.count() + 50) / 1000),
                  static_cast<long long>((time.count() + 50) / 100 % 10));
    return text.data();
}

} // namespace detail

// One line a step: name, begin and duration in milliseconds, and a bar of 40 columns that shows when. Ends with the total.
[[nodiscard]] inline std::string timeline_table(const Timeline& timeline) {
    constexpr std::int64_t columns = 40;
    const std::chrono::microseconds total = total_of(timeline);
    struct Row {
        std::string name, begin, duration, bar;
    };
    std::vector<Row> rows = {{"step", "begin ms", "took ms", ""}};
    for (const TimelineStep& step : timeline.steps) {
        const std::int64_t whole = std::max<std::int64_t>(total.count(), 1);
        const std::int64_t from = std::clamp<std::int64_t>(step.begin.count() * columns / whole, 0, columns - 1);
        const std::int64_t to =
            std::clamp<std::int64_t>(((step.begin + step.duration).count() * columns + whole - 1) / whole, from + 1, columns);
        rows.push_back(
            {step.name, detail::milliseconds_text(step.begin), detail::milliseconds_text(step.duration),
             std::string(static_cast<std::size_t>(from), ' ') + std::string(static_cast<std::size_t>(to - from), '#')});
    }
    rows.push_back({"total", "", detail::milliseconds_text(total), ""});

    std::size_t name_width = 0, begin_width = 0, duration_width = 0;
    for (const Row& row : rows) {
        name_width = std::max(name_width, detail::characters_in(row.name));
        begin_width = std::max(begin_width, row.begin.size());
        duration_width = std::max(duration_width, row.duration.size());
    }
    std::string out;
    for (const Row& row : rows) {
        out += row.name;
        out.append(name_width - detail::characters_in(row.name) + 2 + begin_width - row.begin.size(), ' ');
        out += row.begin;
        out.append(2 + duration_width - row.duration.size(), ' ');
        out += row.duration;
        if (!row.bar.empty()) out += "  " + row.bar;
        out += '\n';
    }
    return out;
}

// The Chrome trace event format; opens in https://ui.perfetto.dev. `name` is what the process is shown as.
[[nodiscard]] inline std::string chrome_trace(const Timeline& timeline, std::string_view name) {
    boost::json::array events;
    events.push_back({{"ph", "M"}, {"name", "process_name"}, {"pid", 1}, {"tid", 1}, {"args", {{"name", name}}}});
    for (const TimelineStep& step : timeline.steps)
        events.push_back({{"ph", "X"},
                          {"name", step.name},
                          {"cat", "start"},
                          {"ts", static_cast<std::int64_t>(step.begin.count())},
                          {"dur", static_cast<std::int64_t>(step.duration.count())},
                          {"pid", 1},
                          {"tid", 1}});
    return boost::json::serialize(boost::json::object{{"traceEvents", std::move(events)}, {"displayTimeUnit", "ms"}});
}

// {"steps": [{"name", "begin_us", "duration_us"}], "total_us"}: microseconds.
[[nodiscard]] inline boost::json::value timeline_to_json(const Timeline& timeline) {
    boost::json::array steps;
    for (const TimelineStep& step : timeline.steps)
        steps.push_back({{"name", step.name},
                         {"begin_us", static_cast<std::int64_t>(step.begin.count())},
                         {"duration_us", static_cast<std::int64_t>(step.duration.count())}});
    return boost::json::object{{"steps", std::move(steps)}, {"total_us", static_cast<std::int64_t>(total_of(timeline).count())}};
}

} // namespace sandboxkit
