// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/cron.hpp>

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace sandboxkit;

namespace {

// "2024-02-29 12:30", in UTC.
Timestamp time_of(const char* text) {
    int y = 0;
    unsigned month = 0, day = 0, hour = 0, minute = 0;
    REQUIRE(std::sscanf(text, "%d-%u-%u %u:%u", &y, &month, &day, &hour, &minute) == 5);
    return std::chrono::sys_days(std::chrono::year(y) / month / day) + std::chrono::hours(hour) + std::chrono::minutes(minute);
}

std::string text_of(std::optional<Timestamp> time) {
    if (!time) return "never";
    const auto day = std::chrono::floor<std::chrono::days>(*time);
    const std::chrono::year_month_day date(day);
    const auto rest = (*time - day).count();
    char text[64];
    std::snprintf(text, sizeof text, "%04d-%02u-%02u %02d:%02d", int(date.year()), unsigned(date.month()), unsigned(date.day()),
                  int(rest / 3'600'000), int(rest / 60'000 % 60));
    return rest % 60'000 == 0 ? text : std::string(text) + " and not at second 0";
}

std::string next(std::string_view expression, const char* after) {
    const auto schedule = parse_cron(expression);
    return schedule ? text_of(schedule->next(time_of(after))) : "not an expression";
}

std::string fault(std::string_view expression) {
    const auto found = check_cron(expression);
    CHECK(parse_cron(expression).has_value() == (!found || found->code == "never_fires"));
    return found ? found->code + ": " + found->message : "";
}

// An expression and what it means, by the words of the rule and not by the code under test.
struct Oracle {
    std::vector<std::set<unsigned>> sets;
    std::vector<bool> star;
    std::string text;

    explicit Oracle(std::mt19937_64& engine) {
        const auto below = [&](unsigned bound) { return std::uniform_int_distribution<unsigned>(0, bound - 1)(engine); };
        const std::vector<std::pair<unsigned, unsigned>> limits = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};
        for (std::size_t f = 0; f < limits.size(); ++f) {
            const auto [low, high] = limits[f];
            std::set<unsigned> set;
            std::string field;
            for (unsigned n = below(4) == 0 ? 3 : 1; n > 0; --n) {
                if (!field.empty()) field += ',';
                unsigned a = low + below(high - low + 1), b = low + below(high - low + 1), step = 1;
                if (a > b) std::swap(a, b);
                const unsigned kind = below(f >= 2 ? 6 : 4);
                if (kind == 0 || kind > 3) {
                    field += '*';
                    a = low, b = f == 4 ? 6 : high;
                } else if (kind == 1) {
                    field += (a < 10 && below(2) == 0 ? "0" : "") + std::to_string(a);
                    b = a;
                } else {
                    field += std::to_string(a) + "-" + std::to_string(b);
                }
                if (kind != 1 && below(3) == 0) {
                    step = 1 + below(high);
                    field += "/" + std::to_string(step);
                }
                for (unsigned i = a; i <= b; i += step) set.insert(f == 4 ? i % 7 : i);
            }
            text += (f == 0 ? "" : " ") + field;
            star.push_back(field.find('*') != std::string::npos);
            sets.push_back(set);
        }
    }

    [[nodiscard]] bool matches(Timestamp time) const {
        const auto day = std::chrono::floor<std::chrono::days>(time);
        const std::chrono::year_month_day date(day);
        const auto minute = static_cast<unsigned>((time - day) / std::chrono::minutes(1));
        const bool by_date = sets[2].count(unsigned(date.day())) > 0;
        const bool by_weekday = sets[4].count(std::chrono::weekday(day).c_encoding()) > 0;
        return sets[0].count(minute % 60) > 0 && sets[1].count(minute / 60) > 0 && sets[3].count(unsigned(date.month())) > 0 &&
               (star[2] || star[4] ? by_date && by_weekday : by_date || by_weekday);
    }
};

} // namespace

TEST_CASE("the time after") {
    CHECK(next("* * * * *", "2024-05-01 10:30") == "2024-05-01 10:31");
    CHECK(next("30 10 * * *", "2024-05-01 10:29") == "2024-05-01 10:30");
    CHECK(next("30 10 * * *", "2024-05-01 10:30") == "2024-05-02 10:30"); // strictly after
    CHECK(next("*/15 * * * *", "2024-12-31 23:45") == "2025-01-01 00:00");
    CHECK(next("0 9-17/4 * * MON-FRI", "2024-05-03 17:00") == "2024-05-06 09:00");
    CHECK(next("5,10 3 * * *", "2024-05-03 03:05") == "2024-05-03 03:10");
    CHECK(next("0 0 31 * *", "2024-03-31 00:00") == "2024-05-31 00:00");
    CHECK(next("0 0 1 jan,Jul *", "2024-01-01 00:00") == "2024-07-01 00:00");
    CHECK(next("\t 0  0\t1 * *  ", "2024-01-01 00:00") == "2024-02-01 00:00");
    const auto schedule = parse_cron("30 10 * * *").value();
    CHECK(text_of(schedule.next(time_of("2024-05-01 10:30") - std::chrono::milliseconds(1))) == "2024-05-01 10:30");
    CHECK(text_of(schedule.next(time_of("2024-05-01 10:30") + std::chrono::milliseconds(1))) == "2024-05-02 10:30");
    CHECK(text_of(schedule.next(time_of("1969-12-31 10:30") - std::chrono::milliseconds(1))) == "1969-12-31 10:30");
}

TEST_CASE("days of the week") {
    CHECK(next("0 0 * * 0", "2024-05-01 00:00") == "2024-05-05 00:00");
    CHECK(parse_cron("0 0 * * 7") == parse_cron("0 0 * * SUN"));
    CHECK(parse_cron("0 0 * * 0") == parse_cron("0 0 * * sun"));
    CHECK(parse_cron("0 0 * * 5-7") == parse_cron("0 0 * * FRI,SAT,SUN"));
    CHECK(parse_cron("0 0 * * FRI-SUN") == parse_cron("0 0 * * 5-7"));
    CHECK(parse_cron("0 0 * * SUN-SUN") == parse_cron("0 0 * * 0"));
    CHECK(parse_cron("0 0 * * SUN-TUE") == parse_cron("0 0 * * 0-2"));
    CHECK(parse_cron("0 0 * * */2") == parse_cron("0 0 * * 0-6/2"));
    CHECK(parse_cron("0 0 * * 1-7/2")->weekdays == 0b0101011);
}

TEST_CASE("day of month or day of week, when both are restricted") {
    CHECK(next("0 0 13 * FRI", "2024-05-01 00:00") == "2024-05-03 00:00");
    CHECK(next("0 0 13 * FRI", "2024-05-10 00:00") == "2024-05-13 00:00");
    CHECK(next("0 0 30 2 MON", "2024-01-01 00:00") == "2024-02-05 00:00");  // by the weekday alone
    CHECK(next("0 0 */2 * MON", "2024-05-01 00:00") == "2024-05-13 00:00"); // the 6th is even
    CHECK(next("0 0 13 * *", "2024-05-01 00:00") == "2024-05-13 00:00");
    CHECK(next("0 0 * * FRI", "2024-05-01 00:00") == "2024-05-03 00:00");
}

TEST_CASE("the 29th of February") {
    CHECK(next("0 0 29 2 *", "2024-02-29 00:00") == "2028-02-29 00:00");
    CHECK(next("0 0 29 2 *", "2096-02-29 00:00") == "2104-02-29 00:00"); // 2100 has none
    CHECK(next("0 0 29 2 *", "1996-02-29 00:00") == "2000-02-29 00:00"); // 2000 has one
    CHECK(next("0 0 29 2 *", "2023-03-01 00:00") == "2024-02-29 00:00");
    CHECK(next("0 0 29-31/3 FEB */6", "2024-03-01 00:00") == "2032-02-29 00:00"); // on a Sunday or a Saturday
}

TEST_CASE("what never fires, and where the calendar ends") {
    CHECK(fault("0 0 30 2 *") == "never_fires: no month that this names has such a day");
    CHECK(fault("0 0 31 2,4,6,9,11 *").starts_with("never_fires"));
    CHECK(fault("0 0 30,31 FEB */2").starts_with("never_fires"));
    CHECK(fault("0 0 31 2-5/3 *").empty());
    CHECK(fault("0 0 30 2 1").empty()); // or Monday
    CHECK(next("0 0 30 2 *", "2024-01-01 00:00") == "never");
    CHECK(!parse_cron("0 0 30 2 *")->ever_fires());
    CHECK(!CronSchedule{}.ever_fires());
    CHECK(!CronSchedule{}.next(Timestamp{}));
    const auto always = parse_cron("* * * * *").value();
    CHECK(next("0 0 29 2 *", "9996-02-29 00:00") == "never");
    CHECK(next("* * * * *", "9999-12-31 23:58") == "9999-12-31 23:59");
    CHECK(next("* * * * *", "9999-12-31 23:59") == "never");
    CHECK(next("* * * * *", "0000-01-01 00:00") == "0000-01-01 00:01");
    CHECK(!always.next(Timestamp::max()));
    CHECK(!always.next(Timestamp::min()));
}

TEST_CASE("macros") {
    CHECK(parse_cron("@hourly") == parse_cron("0 * * * *"));
    CHECK(parse_cron("@daily") == parse_cron("0 0 * * *"));
    CHECK(parse_cron("@weekly") == parse_cron("0 0 * * SUN"));
    CHECK(parse_cron("@monthly") == parse_cron("0 0 1 * *"));
    CHECK(parse_cron("@yearly") == parse_cron("0 0 1 JAN *"));
    for (const char* other : {"@reboot", "@Daily", "@every 5m", "@daily @daily", "@"})
        CHECK(fault(other) == "bad_form: this is not one of @hourly, @daily, @weekly, @monthly and @yearly");
}

TEST_CASE("faults say which field and what was expected") {
    CHECK(fault("") == "bad_form: expected five fields (minute, hour, day of month, month, day of week), found 0");
    CHECK(fault("* * * *").ends_with("found 4"));
    CHECK(fault("0 * * * * *").ends_with("found 6"));
    CHECK(check_cron("0 * * * * *")->remedy == "seconds, years and time zones are not supported; times are UTC");
    CHECK(fault("60 * * * *") == "bad_form: the field minute: expected a number from 0 to 59");
    CHECK(fault("* 24 * * *") == "bad_form: the field hour: expected a number from 0 to 23");
    CHECK(fault("* * 0 * *") == "bad_form: the field day of month: expected a number from 1 to 31");
    CHECK(fault("* * * 13 *") == "bad_form: the field month: expected a number from 1 to 12 or a name as JAN");
    CHECK(fault("* * * * 8") == "bad_form: the field day of week: expected a number from 0 to 7 or a name as SUN");
    CHECK(fault("x * * * *") == "bad_form: the field minute: expected a number from 0 to 59");
    CHECK(fault("1,,2 * * * *") == "bad_form: the field minute: expected a number from 0 to 59, found nothing");
    CHECK(fault(", * * * *").starts_with("bad_form"));
    CHECK(fault("1-2-3 * * * *").starts_with("bad_form"));
    CHECK(fault("-1 * * * *").starts_with("bad_form"));
    CHECK(fault("1- * * * *").starts_with("bad_form"));
    CHECK(fault("** * * * *").starts_with("bad_form"));
    CHECK(fault("*-5 * * * *").starts_with("bad_form"));
    CHECK(fault("5-1 * * * *") == "bad_form: the field minute: this range ends before it begins");
    CHECK(fault("* * * * FRI-MON").starts_with("bad_form"));
    CHECK(fault("5/15 * * * *") == "bad_form: the field minute: a step needs a range");
    CHECK(fault("*/0 * * * *") == "bad_form: the field minute: a step is a number from 1 to 59");
    CHECK(fault("*/60 * * * *") == "bad_form: the field minute: a step is a number from 1 to 59");
    CHECK(fault("*/ * * * *") == "bad_form: the field minute: expected a number after '/'");
    CHECK(fault("*/5/5 * * * *") == "bad_form: the field minute: expected a number after '/'");
    CHECK(fault("*/4294967297 * * * *").starts_with("bad_form"));
    CHECK(fault("4294967296 * * * *").starts_with("bad_form"));
    CHECK(fault("* * * * JAN").starts_with("bad_form"));
    CHECK(fault("* * MON * *").starts_with("bad_form"));
    CHECK(fault("* * * * *\n").starts_with("bad_form"));
    CHECK(fault(std::string("* * * * *") + '\0').starts_with("bad_form"));
    CHECK(fault("* * * *    *" + std::string(1024, ' ')).starts_with("bad_form"));
}

TEST_CASE("what other programs know is refused by name") {
    for (const char* expression : {"0 0 L * *", "0 0 LW * *", "0 0 L-3 * *", "0 0 * * 5L", "0 0 * * FRIL", "0 0 l * *"})
        CHECK(fault(expression).find("'L' is not supported") != std::string::npos);
    CHECK(fault("0 0 15W * *") == "bad_form: the field day of month: 'W' is not supported");
    CHECK(fault("0 0 * * MON#2") == "bad_form: the field day of week: '#' is not supported");
    CHECK(fault("0 0 ? * MON") == "bad_form: the field day of month: '?' is not supported");
    CHECK(fault("H * * * *") == "bad_form: the field minute: 'H' is not supported");
}

TEST_CASE("property: next is what a walk over the minutes finds, and goes only forward") {
    std::mt19937_64 engine(20240229);
    const auto begin = time_of("1995-01-01 00:00").time_since_epoch().count();
    const auto end = time_of("2110-01-01 00:00").time_since_epoch().count();
    int found = 0;
    for (int i = 0; i < 400; ++i) {
        const Oracle oracle(engine);
        CAPTURE(oracle.text);
        const auto schedule = parse_cron(oracle.text);
        REQUIRE(schedule);
        Timestamp at{std::chrono::milliseconds(std::uniform_int_distribution<std::int64_t>(begin, end)(engine))};
        if (i % 4 == 0) at = std::chrono::floor<std::chrono::minutes>(at);
        CAPTURE(text_of(at));
        const Timestamp last = at + std::chrono::days(20);
        auto told = schedule->next(at);
        for (Timestamp minute = std::chrono::floor<std::chrono::minutes>(at) + std::chrono::minutes(1); minute <= last;
             minute += std::chrono::minutes(1)) {
            if (!oracle.matches(minute)) continue;
            REQUIRE(told);
            REQUIRE(text_of(told) == text_of(minute));
            told = schedule->next(*told);
            if (++found % 50 == 0) break; // those that fire each minute are soon known
        }
        if (told) CHECK(*told > at);
    }
    CHECK(found > 1000);
}

TEST_CASE("property: over years, the days that fire are those of the rule") {
    std::mt19937_64 engine(4);
    for (int i = 0; i < 300; ++i) {
        Oracle oracle(engine);
        CAPTURE(oracle.text);
        const auto schedule = parse_cron(oracle.text).value();
        const unsigned hour = *oracle.sets[1].begin(), minute = *oracle.sets[0].begin();
        const auto first_of_day = std::chrono::hours(hour) + std::chrono::minutes(minute);
        auto day = std::chrono::sys_days(std::chrono::year(2093) / 1 / 1);
        const auto end = std::chrono::sys_days(std::chrono::year(2106) / 1 / 1);
        auto told = schedule.next(day - std::chrono::milliseconds(1));
        for (; day < end; day += std::chrono::days(1)) {
            if (!oracle.matches(day + first_of_day)) continue;
            REQUIRE(told);
            REQUIRE(text_of(told) == text_of(day + first_of_day));
            told = schedule.next(day + std::chrono::days(1) - std::chrono::milliseconds(1));
        }
        if (told) CHECK(*told >= end);
        CHECK(schedule.ever_fires() == schedule.next(time_of("2001-01-01 00:00")).has_value());
    }
}
