// SPDX-License-Identifier: Apache-2.0
// The small rules that are tables: states and their transitions, limits, persistence, and the names of enumerations.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/error.hpp>
#include <sandboxkit/persistence.hpp>
#include <sandboxkit/resources.hpp>
#include <sandboxkit/session.hpp>
#include <sandboxkit/snapshot.hpp>

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <utility>

using namespace sandboxkit;

TEST_CASE("a job moves only as it may") {
    using enum JobState;
    const std::set<std::pair<JobState, JobState>> allowed = {{queued, running},    {queued, cancelled}, {queued, failed},
                                                             {running, succeeded}, {running, failed},   {running, cancelled},
                                                             {running, queued}};
    for (const JobState from : {queued, running, succeeded, failed, cancelled}) {
        for (const JobState to : {queued, running, succeeded, failed, cancelled}) {
            CAPTURE(to_string(from));
            CAPTURE(to_string(to));
            CHECK(may_become(from, to) == allowed.contains({from, to}));
            // What has ended stays as it is.
            if (!is_active(from)) CHECK_FALSE(may_become(from, to));
        }
    }
}

TEST_CASE("a session moves only as it may") {
    using enum SessionState;
    const std::set<std::pair<SessionState, SessionState>> allowed = {
        {starting, running}, {starting, failed},  {starting, stopped}, {starting, removing}, {running, stopped},
        {running, removing}, {stopped, starting}, {stopped, removing}, {removing, removed}};
    for (const SessionState from : {starting, running, stopped, removing, removed, failed}) {
        for (const SessionState to : {starting, running, stopped, removing, removed, failed}) {
            CAPTURE(to_string(from));
            CAPTURE(to_string(to));
            CHECK(may_become(from, to) == allowed.contains({from, to}));
        }
    }
}

TEST_CASE("classes of resources, and overrides on top") {
    CHECK(limits_of({}) == Limits{2, 4ULL << 30, 4096, {}});
    CHECK(limits_of({ResourceClass::planning, {}, {}, {}, {}}) == Limits{1, 2ULL << 30, 4096, {}});
    CHECK(limits_of({ResourceClass::development_large, {}, {}, {}, {}}) == Limits{4, 8ULL << 30, 4096, {}});
    CHECK(limits_of({ResourceClass::planning, 0.5, 100, 10, 20}) == Limits{0.5, 100ULL << 20, 10, 20ULL << 20});
}

TEST_CASE("persistence is decided by profile, organization and host, in this order") {
    Persistence p;
    CHECK(decide_persistence(p, true, true) == PersistenceDecision::ephemeral);
    p.enabled = true;
    CHECK(decide_persistence(p, true, true) == PersistenceDecision::persistent);
    CHECK(decide_persistence(p, false, true) == PersistenceDecision::ephemeral_by_org);
    CHECK(decide_persistence(p, false, false) == PersistenceDecision::ephemeral_by_org);
    CHECK(decide_persistence(p, true, false) == PersistenceDecision::refused_no_backend);
}

TEST_CASE("the end of a process as a shell reports it") {
    CHECK(ProcessEnd{7, 0, false}.shell_code() == 7);
    CHECK(ProcessEnd{-1, 9, false}.shell_code() == 137);
}

TEST_CASE("names and numbers of error classes are stable") {
    CHECK(static_cast<int>(ErrorClass::invalid) == 1);
    CHECK(static_cast<int>(ErrorClass::internal) == 11);
    std::set<std::string> names;
    for (int i = 1; i <= 11; ++i) names.emplace(to_string(static_cast<ErrorClass>(i)));
    CHECK(names == std::set<std::string>{"invalid", "not_found", "conflict", "permission", "unavailable", "quota", "timeout",
                                         "cancelled", "data_loss", "unsupported", "internal"});
}

TEST_CASE("a result taken without looking throws the error it holds") {
    const Result<int> failed = Error{ErrorClass::conflict, "code", "message", "remedy", "detail", {}};
    try {
        (void)failed.value();
        FAIL("no exception");
    } catch (const Exception& e) {
        CHECK(e.error().kind == ErrorClass::conflict);
        CHECK(std::string(e.what()) == "message");
    }
}
