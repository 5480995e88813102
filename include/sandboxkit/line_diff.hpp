// SPDX-License-Identifier: Apache-2.0
// The difference of two texts by lines, for people.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace sandboxkit {

enum class LineKind : std::uint8_t { same, removed, added };

struct LineChange {
    LineKind kind = LineKind::same;
    std::string_view text; // with its '\n', which only the last line of a text may lack; a view of the text that was given

    friend bool operator==(const LineChange&, const LineChange&) = default;
};

// Lines removed and added, together, up to which the difference is the shortest there is. Bounds the work: at worst twice as
// many passes over the lines of the shorter text, and 4 MB of memory.
inline constexpr std::size_t longest_line_script = 1000;

namespace detail {

[[nodiscard]] inline std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const std::size_t end = text.find('\n');
        const std::size_t size = end == std::string_view::npos ? text.size() : end + 1;
        lines.push_back(text.substr(0, size));
        text.remove_prefix(size);
    }
    return lines;
}

// For each line of `a`, then of `b`, whether it stays: a shortest script of removals and additions (Myers, "An O(ND) Difference
// Algorithm", 1986, the greedy form, with a frontier kept for each number of changes). Nothing when it is longer than the bound.
struct KeptLines {
    std::vector<bool> a, b;
};
[[nodiscard]] inline std::optional<KeptLines> shortest_script(std::span<const std::uint32_t> a,
                                                              std::span<const std::uint32_t> b) {
    const auto rows = static_cast<std::ptrdiff_t>(a.size()), columns = static_cast<std::ptrdiff_t>(b.size());
    const std::ptrdiff_t most = std::min(rows + columns, static_cast<std::ptrdiff_t>(longest_line_script));
    // furthest[most + k] is how many lines of `a` the best script of d changes has come past on diagonal k (lines of a minus
    // lines of b). `trace` holds those of all d: d + 1 diagonals each, -d, -d + 2, ..., d.
    std::vector<std::int32_t> furthest(static_cast<std::size_t>(2 * most + 3), 0), trace;
    const auto at = [&](std::ptrdiff_t k) -> std::int32_t& { return furthest[static_cast<std::size_t>(most + 1 + k)]; };
    const auto traced = [&](std::ptrdiff_t d, std::ptrdiff_t k) {
        return static_cast<std::ptrdiff_t>(trace[static_cast<std::size_t>(d * (d + 1) / 2 + (k + d) / 2)]);
    };
    // Whether the step to diagonal k of d changes is an addition (from k + 1), rather than a removal (from k - 1).
    const auto adds = [](std::ptrdiff_t d, std::ptrdiff_t k, auto&& before) {
        return k == -d || (k != d && before(k - 1) < before(k + 1));
    };

    std::ptrdiff_t changes = -1;
    for (std::ptrdiff_t d = 0; d <= most && changes < 0; ++d) {
        for (std::ptrdiff_t k = -d; k <= d; k += 2) {
            std::ptrdiff_t x = d == 0 ? 0 : adds(d, k, at) ? at(k + 1) : at(k - 1) + 1;
            // A step may lead past the end of a text. What comes of it is longer than the script that stopped there.
            while (x < rows && x - k < columns && a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(x - k)]) ++x;
            at(k) = static_cast<std::int32_t>(x);
            trace.push_back(at(k));
            if (k == rows - columns && x >= rows) changes = d;
        }
    }
    if (changes < 0) return {};

    KeptLines kept{std::vector<bool>(a.size(), true), std::vector<bool>(b.size(), true)};
    std::ptrdiff_t k = rows - columns;
    for (std::ptrdiff_t d = changes; d > 0; --d) {
        const auto before = [&](std::ptrdiff_t diagonal) { return traced(d - 1, diagonal); };
        const bool added = adds(d, k, before);
        k = added ? k + 1 : k - 1;
        const std::ptrdiff_t x = before(k); // where the step began
        if (added)
            kept.b[static_cast<std::size_t>(x - k)] = false;
        else
            kept.a[static_cast<std::size_t>(x)] = false;
    }
    return kept;
}

} // namespace detail

// Both texts in one sequence: without the added lines it is `before`, without the removed ones `after`. Of lines that were
// changed the removed ones come first. What both begin and end with is the same; between, the shortest script, or, if that had
// more than longest_line_script lines, all removed and all added. Lines are compared byte by byte, "\r" and the end included.
// The result views both texts, which must outlive it. At most 2^31 - 1 lines each.
[[nodiscard]] inline std::vector<LineChange> line_diff(std::string_view before, std::string_view after) {
    const auto old_lines = detail::lines_of(before), new_lines = detail::lines_of(after);
    const std::size_t shorter = std::min(old_lines.size(), new_lines.size());
    std::size_t prefix = 0, suffix = 0;
    while (prefix < shorter && old_lines[prefix] == new_lines[prefix]) ++prefix;
    while (suffix < shorter - prefix && old_lines[old_lines.size() - 1 - suffix] == new_lines[new_lines.size() - 1 - suffix])
        ++suffix;

    // Equal lines get equal numbers, so that each is looked at once and not at every step.
    std::unordered_map<std::string_view, std::uint32_t> numbers;
    const auto numbered = [&](const std::vector<std::string_view>& lines) {
        std::vector<std::uint32_t> out;
        for (std::size_t i = prefix; i < lines.size() - suffix; ++i)
            out.push_back(numbers.try_emplace(lines[i], static_cast<std::uint32_t>(numbers.size())).first->second);
        return out;
    };
    const auto a = numbered(old_lines), b = numbered(new_lines);
    auto kept = detail::shortest_script(a, b);
    if (!kept) kept = detail::KeptLines{std::vector<bool>(a.size(), false), std::vector<bool>(b.size(), false)};

    std::vector<LineChange> changes;
    changes.reserve(old_lines.size() + b.size());
    for (std::size_t i = 0; i < prefix; ++i) changes.push_back({LineKind::same, old_lines[i]});
    for (std::size_t i = 0, j = 0; i < a.size() || j < b.size();) {
        for (; i < a.size() && !kept->a[i]; ++i) changes.push_back({LineKind::removed, old_lines[prefix + i]});
        for (; j < b.size() && !kept->b[j]; ++j) changes.push_back({LineKind::added, new_lines[prefix + j]});
        for (; i < a.size() && j < b.size() && kept->a[i] && kept->b[j]; ++i, ++j)
            changes.push_back({LineKind::same, old_lines[prefix + i]});
    }
    for (std::size_t i = old_lines.size() - suffix; i < old_lines.size(); ++i) changes.push_back({LineKind::same, old_lines[i]});
    return changes;
}

// The changes in the unified form that diff and patch know: hunks with three lines of context, each after a line
// "@@ -<first>,<lines> +<first>,<lines> @@"; without the two lines of file names, without colours. Empty when nothing changed.
// The lines are as they are: who writes them to a terminal sees to control characters.
[[nodiscard]] inline std::string unified(std::span<const LineChange> changes) {
    constexpr std::size_t context = 3;
    const auto changed = [&](std::size_t i) { return changes[i].kind != LineKind::same; };
    const auto range = [](char sign, std::size_t before, std::size_t count) {
        // A range of no lines names the line before it; of one, its count is left out.
        std::string out = sign + std::to_string(count == 0 ? before : before + 1);
        if (count != 1) out += ',' + std::to_string(count);
        return out;
    };

    std::string out;
    std::size_t old_line = 0, new_line = 0, counted = 0; // lines of both before changes[counted]
    const auto count_to = [&](std::size_t end) {
        for (; counted < end; ++counted) {
            if (changes[counted].kind != LineKind::added) ++old_line;
            if (changes[counted].kind != LineKind::removed) ++new_line;
        }
    };
    for (std::size_t i = 0; i < changes.size(); ++i) {
        if (!changed(i)) continue;
        const std::size_t begin = std::max(counted, i > context ? i - context : 0);
        std::size_t end = i + 1; // one past the last changed line that belongs to this hunk
        for (std::size_t k = end; k < changes.size() && k - end <= 2 * context; ++k)
            if (changed(k)) end = k + 1;
        i = end - 1;
        end = std::min(end + context, changes.size());

        count_to(begin);
        const std::size_t old_before = old_line, new_before = new_line;
        count_to(end);
        out +=
            "@@ " + range('-', old_before, old_line - old_before) + ' ' + range('+', new_before, new_line - new_before) + " @@\n";
        for (const LineChange& change : changes.subspan(begin, end - begin)) {
            out += change.kind == LineKind::same ? ' ' : change.kind == LineKind::removed ? '-' : '+';
            out += change.text;
            if (!change.text.ends_with('\n')) out += "\n\\ No newline at end of file\n";
        }
    }
    return out;
}

[[nodiscard]] inline std::string unified(std::string_view before, std::string_view after) {
    return unified(line_diff(before, after));
}

} // namespace sandboxkit
