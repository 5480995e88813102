// SPDX-License-Identifier: Apache-2.0
#include "bench/permission.hpp"

#include "bench/figures.hpp"

#include <sandboxkit/permission.hpp>

#include <algorithm>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace sandboxkit::bench {

namespace {

// One of a company: with scopes of other parts of the host application, and on the list by the last of its roles.
Principal one_of_many() {
    Principal who;
    who.id = "8d0f6f2e-1c5e-4f0e-9d0f-3f8f1d6a7b21";
    for (int i = 0; i < 10; ++i) {
        who.roles.push_back("organization/team-" + std::to_string(i));
        who.scopes.push_back("another-part-of-it.scope-" + std::to_string(i));
    }
    who.scopes.emplace_back(scopes::use_profile);
    return who;
}
AccessList list_of_many(const Principal& who) {
    AccessList list;
    for (int i = 0; i < 20; ++i) {
        list.users.push_back("8d0f6f2e-1c5e-4f0e-9d0f-" + std::to_string(100'000'000'000 + i));
        list.roles.push_back("organization/squad-" + std::to_string(i));
    }
    list.roles.push_back(who.roles.back());
    return list;
}

struct Asked {
    Principal who;
    AccessList list;
    std::string owner; // of the session
};

struct Measure {
    const char* what;
    Asked asked;
    bool expected;
    bool (*one)(const Asked&);
    Samples samples{};
};

bool find_one_scope(const Asked& asked) {
    return std::find(asked.who.scopes.begin(), asked.who.scopes.end(), scopes::use_profile) != asked.who.scopes.end();
}
bool decide_one(const Asked& asked) {
    return decide(Action::use_session, asked.who, {&asked.list, asked.owner}).allowed;
}

} // namespace

void bench_permission(int decisions, int samples) {
    const Principal many = one_of_many(), all = with_every_scope("administrator");
    const AccessList others{{"somebody"}, {"something"}};
    Measure measures[] = {
        {"baseline: std::find of one scope among 11", {many, {}, {}}, true, find_one_scope},
        {"allowed: the last of 10 roles, a list of 41", {many, list_of_many(many), many.id}, true, decide_one},
        {"allowed: every scope, somebody's session", {all, others, many.id}, true, decide_one},
        {"refused, with its reason", {many, others, many.id}, false, decide_one},
    };
    for (int i = -1; i < samples; ++i) {
        for (auto& [what, asked, expected, one, times] : measures) {
            auto* volatile call = one; // a call that the compiler cannot see through is made each time
            int as_expected = 0;
            const auto took = timed([&] {
                for (int n = 0; n < decisions; ++n) as_expected += call(asked) == expected ? 1 : 0;
            });
            if (as_expected != decisions) throw std::runtime_error(std::string(what) + ": decided otherwise");
            if (i >= 0) times.add(took);
        }
    }
    std::printf("a decision on a permission\n");
    const double baseline = measures[0].samples.percentile(0.5);
    for (const auto& measure : measures) {
        const double median = measure.samples.percentile(0.5);
        std::printf("  %-44s p50 %8.1f ns   %6.2f times the baseline      aim: %s\n", measure.what, median * 1e6 / decisions,
                    median / baseline, &measure == measures ? "-" : "1000 ns");
    }
}

} // namespace sandboxkit::bench
