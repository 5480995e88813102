// SPDX-License-Identifier: Apache-2.0
#include "git/push_commands.hpp"
#include "git/session_access.hpp"

#include <doctest/doctest.h>
#include <git2.h>

#include <array>
#include <cstdio>
#include <random>

using namespace sandboxkit;
using namespace sandboxkit::git;

namespace {

const std::string none(40, '0'), one(40, '1'), two(40, '2');

std::string packet(const std::string& payload) {
    std::array<char, 5> size{};
    std::snprintf(size.data(), size.size(), "%04zx", payload.size() + 4);
    return size.data() + payload;
}

std::string command(const std::string& from, const std::string& to, const std::string& reference) {
    return from + " " + to + " " + reference;
}

const std::string capabilities = std::string(1, '\0') + " report-status-v2 side-band-64k object-format=sha1 agent=git/2.39.2";

std::string refused(const std::string& bytes) {
    PushCommandReader reader;
    const auto fed = reader.feed(bytes);
    REQUIRE(fed.has_error());
    CHECK(!fed.error().message.empty());
    return fed.error().code;
}

} // namespace

TEST_CASE("the commands of a push are read the same, however its bytes are cut") {
    const std::string list = packet("shallow " + two) + packet(command(one, two, "refs/heads/main") + capabilities) +
                             packet(command(none, two, "refs/heads/a/b") + "\n") + packet(command(two, none, "refs/tags/v1")) +
                             "0000";
    const std::vector<PushCommand> expected{
        {one, two, "refs/heads/main"}, {none, two, "refs/heads/a/b"}, {two, none, "refs/tags/v1"}};
    const std::string bytes = list + "PACK and more";
    for (std::size_t piece = 1; piece <= bytes.size(); ++piece) {
        PushCommandReader reader;
        std::size_t at = 0;
        for (bool complete = false; !complete; at += piece) {
            REQUIRE(at < bytes.size());
            const auto fed = reader.feed(std::string_view(bytes).substr(at, piece));
            REQUIRE(fed.has_value());
            complete = *fed;
            CHECK(complete == (at + piece >= list.size()));
        }
        CHECK((reader.commands() == expected));
        CHECK(reader.received() == bytes.substr(0, std::min(at, bytes.size())));
        CHECK(reader.has_capability("report-status-v2"));
        CHECK_FALSE(reader.has_capability("report-status"));
    }
    PushCommandReader probe; // git tries whether it is let in
    CHECK(probe.feed("0000").value());
    CHECK(probe.commands().empty());
}

TEST_CASE("what is no list of commands, or could do more, is refused by name") {
    const std::string good = command(one, two, "refs/heads/main");
    CHECK(refused("PACK") == "git_push_malformed");
    CHECK(refused("0001") == "git_push_malformed");
    CHECK(refused("0004") == "git_push_malformed");
    CHECK(refused("fff1") == "git_push_malformed");
    CHECK(refused("-004") == "git_push_malformed");
    CHECK(refused(packet("nonsense")) == "git_push_malformed");
    CHECK(refused(packet(one + " " + two + "refs/heads/main")) == "git_push_malformed");
    CHECK(refused(packet(command(one, two.substr(1), "refs/heads/main"))) == "git_push_malformed");
    CHECK(refused(packet(command(one, std::string(64, 'a'), "refs/heads/main"))) == "git_push_malformed");
    CHECK(refused(packet(command(one, std::string(40, 'A'), "refs/heads/main"))) == "git_push_malformed");
    CHECK(refused(packet(command(one, two, "HEAD"))) == "git_push_malformed");
    CHECK(refused(packet(command(one, two, "refs/heads/../config"))) == "git_push_malformed");
    CHECK(refused(packet(good + capabilities) + packet(good + capabilities)) == "git_push_malformed");
    CHECK(refused(packet(good) + packet("shallow " + two)) == "git_push_malformed");
    CHECK(refused(packet("shallow main")) == "git_push_malformed");
    CHECK(refused(packet(good + std::string(1, '\0') + "a\tpush-options")) == "git_push_malformed");
    CHECK(refused(packet(good + std::string(1, '\0') + "push-options")) == "git_push_option");
    CHECK(refused(packet(good + std::string(1, '\0') + "atomic push-options=1 quiet")) == "git_push_option");
    CHECK(refused(packet("push-cert" + std::string(1, '\0') + "report-status")) == "git_push_certificate");
    std::string many;
    for (std::size_t i = 0; i <= PushCommandReader::count_limit; ++i)
        many += packet(command(one, two, "refs/heads/" + std::to_string(i)));
    CHECK(refused(many) == "git_push_too_large");
    std::string long_names;
    for (int i = 0; i < 20; ++i) long_names += packet(command(one, two, "refs/heads/" + std::string(60'000, 'x')));
    CHECK(refused(long_names) == "git_push_too_large");
}

TEST_CASE("a name of a reference is one that git takes, and every other is refused") {
    git_libgit2_init();
    std::mt19937 random(7);
    const std::array<std::string, 21> parts{"refs", "/", "heads", "a", ".", "..", ".lock", "@",  "{",  "@{", "~",
                                            "^",    ":", "?",     "*", "[", "\\", " ",     "\t", "b.", "-"};
    int valid_ones = 0;
    for (int i = 0; i < 200'000; ++i) {
        std::string name = i % 2 == 0 ? "refs/heads/" : "refs/";
        for (auto left = random() % 5; left > 0; --left) name += parts[random() % parts.size()];
        CAPTURE(name);
        int valid = 0;
        REQUIRE(git_reference_name_is_valid(&valid, name.c_str()) == 0);
        if (is_reference_name(name) != (valid != 0)) CHECK(is_reference_name(name) == (valid != 0));
        valid_ones += valid;
    }
    CHECK(valid_ones > 1000);
    CHECK_FALSE(is_reference_name(std::string("refs/heads/a\0b", 14)));
    CHECK_FALSE(is_reference_name("refs/heads/a\x7f")); // which libgit2 takes, and git does not
    git_libgit2_shutdown();
}

TEST_CASE("a refused push is reported as git wants it") {
    PushCommandReader reader;
    REQUIRE(reader.feed(packet(command(one, two, "refs/heads/main") + capabilities) +
                        packet(command(one, none, "refs/heads/dev")) + "0000"));
    const auto report = report_refusal(reader, {std::nullopt, "no"});
    REQUIRE(report.has_value());
    const std::string inner = packet("unpack ok\n") +
                              packet("ng refs/heads/main another reference of the same push is refused\n") +
                              packet("ng refs/heads/dev no\n") + "0000";
    CHECK(*report == packet("\x01" + inner) + "0000");

    PushCommandReader plain;
    REQUIRE(plain.feed(packet(command(one, none, "refs/heads/dev") + std::string(1, '\0') + "report-status") + "0000"));
    CHECK(report_refusal(plain, {"no"}) == packet("unpack ok\n") + packet("ng refs/heads/dev no\n") + "0000");
    PushCommandReader silent;
    REQUIRE(silent.feed(packet(command(one, none, "refs/heads/dev")) + "0000"));
    CHECK_FALSE(report_refusal(silent, {"no"}).has_value());
}
