// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/line_diff.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace sandboxkit;

namespace {

std::string side(const std::vector<LineChange>& changes, LineKind left_out) {
    std::string out;
    for (const LineChange& change : changes)
        if (change.kind != left_out) out += change.text;
    return out;
}

std::size_t changed(const std::vector<LineChange>& changes) {
    return static_cast<std::size_t>(
        std::count_if(changes.begin(), changes.end(), [](const LineChange& c) { return c.kind != LineKind::same; }));
}

// "=a -b +c" for texts of one-letter lines.
std::string brief(std::string_view before, std::string_view after) {
    std::string out;
    for (const LineChange& change : line_diff(before, after)) {
        if (!out.empty()) out += ' ';
        out += change.kind == LineKind::same ? '=' : change.kind == LineKind::removed ? '-' : '+';
        out += change.text.substr(0, change.text.find('\n'));
    }
    return out;
}

// The fewest lines to remove and add, by the table of the longest common subsequence.
std::size_t fewest(std::string_view before, std::string_view after) {
    const auto a = detail::lines_of(before), b = detail::lines_of(after);
    std::vector<std::vector<std::size_t>> common(a.size() + 1, std::vector<std::size_t>(b.size() + 1, 0));
    for (std::size_t i = 0; i < a.size(); ++i)
        for (std::size_t j = 0; j < b.size(); ++j)
            common[i + 1][j + 1] = a[i] == b[j] ? common[i][j] + 1 : std::max(common[i][j + 1], common[i + 1][j]);
    return a.size() + b.size() - 2 * common[a.size()][b.size()];
}

// Follows a unified difference as patch does, by line numbers alone.
std::string patched(std::string_view before, std::string_view difference) {
    const auto lines = detail::lines_of(before), steps = detail::lines_of(difference);
    std::string out;
    std::size_t line = 0, added_lines = 0;
    for (std::size_t i = 0; i < steps.size(); ++i) {
        const std::string step(steps[i]);
        if (step.starts_with("@@")) {
            unsigned long first = 0, count = 1, new_first = 0, new_count = 1;
            const std::size_t plus = step.find('+');
            REQUIRE(plus != std::string::npos);
            REQUIRE(std::sscanf(step.c_str(), "@@ -%lu,%lu", &first, &count) >= 1);
            REQUIRE(std::sscanf(step.c_str() + plus, "+%lu,%lu", &new_first, &new_count) >= 1);
            REQUIRE(step.ends_with(" @@\n"));
            const std::size_t begin = count == 0 ? first : first - 1;
            REQUIRE(begin >= line);
            for (; line < begin; ++line, ++added_lines) out += lines.at(line);
            REQUIRE(added_lines == (new_count == 0 ? new_first : new_first - 1));
            std::size_t old_seen = 0, new_seen = 0;
            for (std::size_t k = i + 1; k < steps.size() && !steps[k].starts_with("@@"); ++k) {
                if (steps[k].front() == '\\') continue;
                if (steps[k].front() != '+') ++old_seen;
                if (steps[k].front() != '-') ++new_seen;
            }
            REQUIRE(old_seen == count);
            REQUIRE(new_seen == new_count);
            continue;
        }
        if (step.starts_with("\\")) continue;
        std::string text = step.substr(1);
        if (i + 1 < steps.size() && steps[i + 1].starts_with("\\")) text.pop_back();
        if (step.front() != '+') REQUIRE(lines.at(line++) == text);
        if (step.front() != '-') out += text, ++added_lines;
    }
    for (; line < lines.size(); ++line) out += lines[line];
    return out;
}

struct RandomText {
    std::mt19937_64 engine;
    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine); }
    std::string text(std::size_t lines, std::size_t alphabet) {
        std::string out;
        for (std::size_t n = below(lines + 1); n > 0; --n)
            out += std::string(below(2), 'x') + std::to_string(below(alphabet)) + "\n";
        if (!out.empty() && below(4) == 0) out.pop_back();
        return out;
    }
    std::string edited(std::string_view text, std::size_t edits, std::size_t alphabet) {
        std::vector<std::string> lines;
        for (const auto line : detail::lines_of(text)) lines.emplace_back(line);
        for (std::size_t n = below(edits + 1); n > 0; --n) {
            const auto place = static_cast<std::ptrdiff_t>(below(lines.size() + 1));
            if (below(2) == 0)
                lines.insert(lines.begin() + place, std::to_string(below(alphabet)) + "\n");
            else if (static_cast<std::size_t>(place) < lines.size())
                lines.erase(lines.begin() + place);
        }
        std::string out;
        for (const auto& line : lines) out += line;
        return out;
    }
};

} // namespace

TEST_CASE("lines that stay, go and come") {
    CHECK(brief("", "") == "");
    CHECK(brief("a\nb\n", "a\nb\n") == "=a =b");
    CHECK(brief("", "a\n") == "+a");
    CHECK(brief("a\n", "") == "-a");
    CHECK(brief("a\nb\nc\n", "a\nx\nc\n") == "=a -b +x =c");
    CHECK(brief("a\nb\nc\nd\n", "a\nx\ny\nd\n") == "=a -b -c +x +y =d");
    CHECK(brief("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n").size() ==
          9 * 3 - 1); // Myers' example: five changes, four the same
    CHECK(brief("a\na\n", "a\na\na\n") == "=a =a +a");
    CHECK(brief("\n\n", "\n") == "= -");
}

TEST_CASE("the end of a line belongs to it") {
    const auto changes = line_diff("a\nb", "a\nb\n");
    REQUIRE(changes.size() == 3);
    CHECK(changes[1] == LineChange{LineKind::removed, "b"});
    CHECK(changes[2] == LineChange{LineKind::added, "b\n"});
    CHECK(changed(line_diff("a\r\n", "a\n")) == 2);
}

TEST_CASE("the unified form") {
    CHECK(unified("a\n", "a\n") == "");
    CHECK(unified("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n") ==
          "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n");
    CHECK(unified("", "a\nb\n") == "@@ -0,0 +1,2 @@\n+a\n+b\n");
    CHECK(unified("a\n", "") == "@@ -1 +0,0 @@\n-a\n");
    CHECK(unified("a", "b\n") == "@@ -1 +1 @@\n-a\n\\ No newline at end of file\n+b\n");
    CHECK(unified("x\na", "y\na") == "@@ -1,2 +1,2 @@\n-x\n+y\n a\n\\ No newline at end of file\n");
    // Six lines between two changes are context of both; seven are not.
    CHECK(unified("x\n1\n2\n3\n4\n5\n6\nx\n", "1\n2\n3\n4\n5\n6\n") == "@@ -1,8 +1,6 @@\n-x\n 1\n 2\n 3\n 4\n 5\n 6\n-x\n");
    CHECK(unified("x\n1\n2\n3\n4\n5\n6\n7\nx\n", "1\n2\n3\n4\n5\n6\n7\n") ==
          "@@ -1,4 +1,3 @@\n-x\n 1\n 2\n 3\n@@ -6,4 +5,3 @@\n 5\n 6\n 7\n-x\n");
}

TEST_CASE("property: the changes make both sides, and are as few as possible") {
    RandomText random{std::mt19937_64(1)};
    for (int i = 0; i < 4000; ++i) {
        CAPTURE(i);
        const std::size_t alphabet = 1 + random.below(8);
        const std::string before = random.text(30, alphabet);
        const std::string after = random.below(2) == 0 ? random.text(30, alphabet) : random.edited(before, 6, alphabet);
        CAPTURE(before);
        CAPTURE(after);
        const auto changes = line_diff(before, after);
        REQUIRE(side(changes, LineKind::added) == before);
        REQUIRE(side(changes, LineKind::removed) == after);
        REQUIRE(changed(changes) == fewest(before, after));
        for (std::size_t k = 1; k < changes.size(); ++k)
            REQUIRE(!(changes[k - 1].kind == LineKind::added && changes[k].kind == LineKind::removed));
        REQUIRE(patched(before, unified(before, after)) == after);
        REQUIRE(unified(before, before).empty());
    }
}

TEST_CASE("property: the bound of the work changes how few, not what") {
    RandomText random{std::mt19937_64(2)};
    for (int i = 0; i < 10; ++i) {
        CAPTURE(i);
        const std::string before = random.text(4000, 3000), after = random.edited(before, 3000, 3000);
        const auto changes = line_diff(before, after);
        REQUIRE(side(changes, LineKind::added) == before);
        REQUIRE(side(changes, LineKind::removed) == after);
        REQUIRE(patched(before, unified(before, after)) == after);
    }
    const auto numbered = [](std::size_t begin, std::size_t count) {
        std::string out;
        for (std::size_t i = begin; i < begin + count; ++i) out += std::to_string(i) + "\n";
        return out;
    };
    const std::string middle = numbered(100'000, 500);
    // The same lines in the middle, and exactly as many changes as are looked for; then one more.
    const auto within = line_diff(numbered(0, 500) + middle, middle + numbered(1000, 500));
    CHECK(changed(within) == 1000);
    const auto beyond = line_diff(numbered(0, 501) + middle, middle + numbered(1000, 500));
    CHECK(changed(beyond) == 501 + 500 + 500 + 500);
}

TEST_CASE("256 KiB of short lines, at their worst") {
    std::string before, after;
    for (std::size_t i = 0; i < 128 * 1024; ++i) {
        before += i % 2 == 0 ? "a\n" : "b\n";
        after += i % 3 == 0 ? "a\n" : "b\n";
    }
    for (const auto& [a, b] : std::vector<std::pair<std::string, std::string>>{
             {before, after},
             {std::string(256 * 1024, '\n'), before},
             {before, "b\n" + before + "b\n"},
             {std::string(256 * 1024, '\n') + "x", "y\n" + std::string(256 * 1024, '\n')},
             {before, before.substr(2) + "c\n"}}) {
        const auto changes = line_diff(a, b);
        CHECK((side(changes, LineKind::added) == a));
        CHECK((side(changes, LineKind::removed) == b));
    }
}
