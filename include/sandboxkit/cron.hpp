// SPDX-License-Identifier: Apache-2.0
// Cron expressions of five fields, in UTC: which are possible, and when they fire.
#pragma once

#include <sandboxkit/clock.hpp>
#include <sandboxkit/profile_rules.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sandboxkit {

// What a cron expression means: sets of numbers, each a bit at its number. A time matches when its minute, hour, month and day
// do.
struct CronSchedule {
    std::uint64_t minutes = 0;  // 0..59
    std::uint32_t hours = 0;    // 0..23
    std::uint32_t days = 0;     // of the month, 1..31
    std::uint32_t months = 0;   // 1..12
    std::uint32_t weekdays = 0; // 0..6 from Sunday
    // Whether one of day of month and day of week is enough: so when both fields are restricted, that is, without a '*'. Else a
    // day must be in both sets.
    bool either_day = false;

    // The first time after `after`, and never `after` itself, that matches; at second 0. Nothing when there is none, also when
    // there is none in the years 0 to 9999, which are looked at. Looks at months, not at minutes.
    [[nodiscard]] std::optional<Timestamp> next(Timestamp after) const {
        using namespace std::chrono;
        constexpr sys_days begin = sys_days(year(0) / January / 1), end = sys_days(year(10000) / January / 1);
        if (after < begin || after >= end || !ever_fires()) return {};
        const auto from = floor<std::chrono::minutes>(after) + std::chrono::minutes(1);
        if (from >= end) return {};
        const auto today = floor<std::chrono::days>(from);
        year_month_day date(today);
        std::uint32_t left = days_of(date.year(), date.month()) >> unsigned(date.day()) << unsigned(date.day());
        if ((left >> unsigned(date.day()) & 1) != 0) {
            if (const auto time = time_from(static_cast<unsigned>((from - today) / std::chrono::minutes(1))))
                return today + *time;
            left &= left - 1;
        }
        for (year_month month(date.year(), date.month()); month.year() < year(10000);) {
            if (left != 0) return sys_days(month / day(static_cast<unsigned>(std::countr_zero(left)))) + *time_from(0);
            month += std::chrono::months(1);
            left = days_of(month.year(), month.month());
        }
        return {};
    }

    // Whether any day has what is asked for: "0 0 30 2 *" never fires, "0 0 29 2 *" does.
    [[nodiscard]] bool ever_fires() const noexcept {
        if (minutes == 0 || hours == 0 || weekdays == 0 || months == 0) return false;
        if (either_day) return true;
        // Every date, the 29th of February too, is each day of the week in some year.
        for (unsigned month = 1; month <= 12; ++month)
            if ((months >> month & 1) != 0 && (days & first_days(longest(month))) != 0) return true;
        return false;
    }

    friend bool operator==(const CronSchedule&, const CronSchedule&) = default;

private:
    static constexpr unsigned longest(unsigned month) noexcept {
        return month == 2 ? 29 : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
    }
    // The days 1 to `count`.
    static constexpr std::uint32_t first_days(unsigned count) noexcept {
        return static_cast<std::uint32_t>((std::uint64_t{2} << count) - 2);
    }

    [[nodiscard]] std::uint32_t days_of(std::chrono::year year, std::chrono::month month) const {
        if ((months >> unsigned(month) & 1) == 0) return 0;
        const std::uint32_t all = first_days(unsigned((year / month / std::chrono::last).day()));
        const unsigned first = std::chrono::weekday(std::chrono::sys_days(year / month / 1)).c_encoding();
        std::uint32_t by_weekday = 0;
        for (unsigned day = 1; day <= 31; ++day) by_weekday |= (weekdays >> ((first + day - 1) % 7) & 1) << day;
        return (either_day ? days | by_weekday : days & by_weekday) & all;
    }

    // The first time of a day from `minute` (of the day) on.
    [[nodiscard]] std::optional<std::chrono::minutes> time_from(unsigned minute) const {
        const unsigned hour = minute / 60;
        const auto time = [](unsigned h, std::uint64_t bits, unsigned base) {
            return std::chrono::minutes(h * 60 + base + static_cast<unsigned>(std::countr_zero(bits)));
        };
        if ((hours >> hour & 1) != 0 && minutes >> (minute % 60) != 0) return time(hour, minutes >> (minute % 60), minute % 60);
        const std::uint32_t later = hours >> hour >> 1;
        if (later == 0) return {};
        return time(hour + 1 + static_cast<unsigned>(std::countr_zero(later)), minutes, 0);
    }
};

namespace detail {

struct CronField {
    std::string_view name;
    unsigned low, high;
    std::span<const std::string_view> words; // the first means `low`
};

inline constexpr std::array<std::string_view, 12> cron_months = {"JAN", "FEB", "MAR", "APR", "MAY", "JUN",
                                                                 "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"};
inline constexpr std::array<std::string_view, 7> cron_weekdays = {"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"};
inline constexpr std::array<CronField, 5> cron_fields = {{{"minute", 0, 59, {}},
                                                          {"hour", 0, 23, {}},
                                                          {"day of month", 1, 31, {}},
                                                          {"month", 1, 12, cron_months},
                                                          {"day of week", 0, 7, cron_weekdays}}}; // 0 and 7 are Sunday

struct CronMacro {
    std::string_view name, means;
};
inline constexpr std::array<CronMacro, 5> cron_macros = {{{"@hourly", "0 * * * *"},
                                                          {"@daily", "0 0 * * *"},
                                                          {"@weekly", "0 0 * * 0"},
                                                          {"@monthly", "0 0 1 * *"},
                                                          {"@yearly", "0 0 1 1 *"}}};

// One field: a list of '*', numbers and ranges; '*' and ranges may have a step.
class CronFieldReader {
public:
    CronFieldReader(const CronField& field, std::string_view text) : field_(field), text_(text) {}

    [[nodiscard]] std::optional<FormFault> read(std::uint64_t& set) {
        for (std::size_t begin = 0; begin <= text_.size();) {
            const std::size_t end = std::min(text_.find(',', begin), text_.size());
            if (!item(text_.substr(begin, end - begin), set)) return std::move(fault_);
            begin = end + 1;
        }
        return {};
    }

private:
    bool fail(std::string code, std::string message, std::string remedy = {}) {
        fault_ =
            FormFault{std::move(code), "the field " + std::string(field_.name) + ": " + std::move(message), std::move(remedy)};
        return false;
    }

    bool item(std::string_view text, std::uint64_t& set) {
        unsigned low = field_.low, high = field_.low == 0 && field_.high == 7 ? 6 : field_.high, step = 1;
        const std::size_t slash = text.find('/');
        const std::string_view range = text.substr(0, slash);
        const std::size_t dash = range.find('-');
        if (range != "*") {
            if (!value(range.substr(0, dash), low)) return false;
            high = low;
            if (dash != std::string_view::npos) {
                if (!value(range.substr(dash + 1), high)) return false;
                if (high == 0 && low > 0 && !is_digit(range.back())) high = 7; // MON-SUN
            } else if (slash != std::string_view::npos) {
                return fail("bad_form", "a step needs a range",
                            "write for example */5, or 10-" + std::to_string(field_.high) + "/5");
            }
        }
        if (low > high) return fail("bad_form", "this range ends before it begins", "write it as two, with a comma between them");
        if (slash != std::string_view::npos) {
            const auto number = digits(text.substr(slash + 1));
            if (!number) return fail("bad_form", "expected a number after '/'");
            if (*number == 0 || *number > field_.high)
                return fail("bad_form", "a step is a number from 1 to " + std::to_string(field_.high));
            step = *number;
        }
        for (unsigned i = low; i <= high; i += step) set |= std::uint64_t{1} << i;
        return true;
    }

    static std::optional<unsigned> digits(std::string_view text) {
        if (text.empty() || text.size() > 3 || !std::all_of(text.begin(), text.end(), is_digit)) return {};
        unsigned number = 0;
        for (const char c : text) number = number * 10 + static_cast<unsigned>(c - '0');
        return number;
    }

    bool value(std::string_view text, unsigned& number) {
        const std::string limits = std::to_string(field_.low) + " to " + std::to_string(field_.high);
        const std::string expected =
            "a number from " + limits + (field_.words.empty() ? "" : " or a name as " + std::string(field_.words.front()));
        if (const auto read = digits(text)) {
            number = *read;
            return (number >= field_.low && number <= field_.high) || fail("bad_form", "expected " + expected);
        }
        std::string word(text);
        for (char& c : word)
            if (is_lower(c)) c = static_cast<char>(c - 'a' + 'A');
        const auto known = std::find(field_.words.begin(), field_.words.end(), word);
        if (known != field_.words.end()) {
            number = field_.low + static_cast<unsigned>(known - field_.words.begin());
            return true;
        }
        // What other programs know, said by name: 5L, LW, 15W, MON#2, FRIL, '?', and H.
        for (const char c : std::string_view("#?"))
            if (word.find(c) != std::string::npos) return unsupported(c);
        for (const char c : std::string_view("LWH"))
            if (word.ends_with(c) || word.starts_with(c)) return unsupported(c);
        return fail("bad_form", "expected " + expected + (word.empty() ? ", found nothing" : ""),
                    word.find('*') != std::string::npos ? "write * alone, or with a step as in */5" : "");
    }

    bool unsupported(char c) {
        return fail("bad_form", "'" + std::string(1, c) + "' is not supported", "use numbers, names, ranges, lists and steps");
    }

    const CronField& field_;
    std::string_view text_;
    FormFault fault_;
};

[[nodiscard]] inline std::optional<FormFault> read_cron(std::string_view text, CronSchedule& schedule) {
    static constexpr std::string_view blank = " \t";
    if (text.size() > 1024) return FormFault{"bad_form", "a cron expression has at most 1024 bytes", "use ranges and steps"};
    std::vector<std::string_view> words;
    for (std::size_t begin = text.find_first_not_of(blank); begin != std::string_view::npos;) {
        const std::size_t end = std::min(text.find_first_of(blank, begin), text.size());
        words.push_back(text.substr(begin, end - begin));
        begin = text.find_first_not_of(blank, end);
    }
    if (!words.empty() && words.front().starts_with('@')) {
        for (const CronMacro& macro : cron_macros)
            if (words.size() == 1 && words.front() == macro.name) return read_cron(macro.means, schedule);
        return FormFault{"bad_form", "this is not one of @hourly, @daily, @weekly, @monthly and @yearly",
                         "write it with five fields"};
    }
    if (words.size() != cron_fields.size())
        return FormFault{"bad_form",
                         "expected five fields (minute, hour, day of month, month, day of week), found " +
                             std::to_string(words.size()),
                         words.size() > cron_fields.size() ? "seconds, years and time zones are not supported; times are UTC"
                                                           : "write * in a field that does not matter"};
    std::array<std::uint64_t, 5> sets{};
    for (std::size_t i = 0; i < sets.size(); ++i)
        if (auto fault = CronFieldReader(cron_fields[i], words[i]).read(sets[i])) return fault;
    const auto restricted = [](std::string_view field) { return field.find('*') == std::string_view::npos; };
    schedule.minutes = sets[0];
    schedule.hours = static_cast<std::uint32_t>(sets[1]);
    schedule.days = static_cast<std::uint32_t>(sets[2]);
    schedule.months = static_cast<std::uint32_t>(sets[3]);
    schedule.weekdays = static_cast<std::uint32_t>((sets[4] | sets[4] >> 7) & 0x7F);
    schedule.either_day = restricted(words[2]) && restricted(words[4]);
    return {};
}

} // namespace detail

// Minute (0-59), hour (0-23), day of month (1-31), month (1-12 or JAN-DEC), day of week (0-7 or SUN-SAT; 0 and 7 are Sunday),
// blanks between them; names in any case. A field is a list, with commas, of '*', numbers and ranges (1-5); '*' and ranges may
// have a step
// (*/15, 8-18/2), which counts from the beginning of the range. Or one of @hourly, @daily, @weekly, @monthly, @yearly. At most
// 1024 bytes. Times are UTC, so that every day has every minute once.
//
// When neither day field has a '*', a day that is in one of them is enough (crontab(5)); so "0 0 13 * FRI" is every 13th and
// every Friday, and "0 0 */2 * MON" each Monday of an odd date.
//
// Codes: bad_form, also for what other programs know and this does not, by name (the message names the field; seconds count as a
// sixth one); never_fires, for what is well written but names no date there is.
[[nodiscard]] inline std::optional<FormFault> check_cron(std::string_view text) {
    CronSchedule schedule;
    if (auto fault = detail::read_cron(text, schedule)) return fault;
    if (!schedule.ever_fires())
        return FormFault{"never_fires", "no month that this names has such a day", "correct the day of month or the month"};
    return {};
}

// The schedule of an expression; nothing when it is not well written (check_cron says why). One that never fires is read.
[[nodiscard]] inline std::optional<CronSchedule> parse_cron(std::string_view text) {
    CronSchedule schedule;
    if (detail::read_cron(text, schedule)) return {};
    return schedule;
}

} // namespace sandboxkit
