// SPDX-License-Identifier: Apache-2.0
// How many of the made-up credentials are found, by format, and how many ordinary values are taken for one, by kind. No value
// is printed, not even of a miss: make_corpus.py makes it again.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include <sandboxkit/secrets.hpp>

#include <boost/json/parse.hpp>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <string>
#include <vector>

using namespace sandboxkit;

namespace {

struct Labelled {
    std::string kind, form, name, value;
    std::set<std::string> rules; // that are right
};

std::vector<Labelled> read(const std::string& file) {
    std::ifstream lines(std::string(SANDBOXKIT_SECRETS_CORPUS) + "/" + file);
    std::vector<Labelled> out;
    for (std::string line; std::getline(lines, line);) {
        const auto value = boost::json::parse(line);
        Labelled one;
        const auto text = [&](const char* member) { return std::string(value.at(member).as_string()); };
        one.kind = text("kind"), one.form = text("form"), one.name = text("name"), one.value = text("value");
        for (const auto& rule : value.at("rules").as_array()) one.rules.emplace(rule.as_string());
        out.push_back(std::move(one));
    }
    return out;
}

struct Count {
    int all = 0, hits = 0;
    [[nodiscard]] double share() const { return all == 0 ? 0 : static_cast<double>(hits) / all; }
};

} // namespace

TEST_CASE("credentials of every format are found, in all places") {
    const auto corpus = read("secrets.jsonl");
    REQUIRE(corpus.size() > 10'000);
    Count all, named;
    std::map<std::string, Count> formats, places;
    for (const auto& one : corpus) {
        const auto found = find_secret(one.name, one.value);
        for (Count* count : {&all, &formats[one.kind], &places[one.form]}) ++count->all, count->hits += found.has_value();
        if (!found) continue;
        ++named.all, named.hits += one.rules.contains(found->rule);
        CHECK(found->length > 0);
        CHECK(found->length <= one.value.size());
    }
    for (const auto& [place, count] : places)
        std::printf("%-40s %6.2f %% of %d\n", place.c_str(), 100 * count.share(), count.all);
    for (const auto& item : formats) {
        const std::string& format = item.first; // clang 14 captures no structured binding, which INFO does
        const Count& count = item.second;
        std::printf("  %-38s %6.2f %% of %d\n", format.c_str(), 100 * count.share(), count.all);
        INFO(format);
        CHECK(count.all >= 40);
        CHECK(count.share() >= 0.95);
    }
    std::printf("recall: %.2f %% of %d credentials in %zu formats; of them by the rule of their format: %.2f %%\n",
                100 * all.share(), all.all, formats.size(), 100 * named.share());
    CHECK(all.share() >= 0.99);
    CHECK(named.share() >= 0.95);
}

TEST_CASE("ordinary values are let through") {
    const auto corpus = read("ordinary.jsonl");
    REQUIRE(corpus.size() > 6000);
    Count all;
    std::map<std::string, Count> kinds;
    std::map<std::string, int> rules;
    for (const auto& one : corpus) {
        const auto found = find_secret(one.name, one.value);
        for (Count* count : {&all, &kinds[one.kind]}) ++count->all, count->hits += found.has_value();
        if (found) ++rules[found->rule];
    }
    for (const auto& [kind, count] : kinds)
        if (count.hits > 0) std::printf("  taken for a credential: %-40s %d of %d\n", kind.c_str(), count.hits, count.all);
    for (const auto& [rule, count] : rules) std::printf("  by rule: %-40s %d\n", rule.c_str(), count);
    std::printf("false positives: %.2f %% of %d ordinary values of %zu kinds\n", 100 * all.share(), all.all, kinds.size());
    CHECK(all.share() <= 0.01);
}
