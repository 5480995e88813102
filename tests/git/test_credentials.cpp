// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include "git/url.hpp"

#include <openssl/evp.h>

#include <array>
#include <chrono>
#include <cstdlib>
#include <new>
#include <sstream>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

const std::string user = "somebody", secret = "canary-7f3e9a-is-a-secret";

std::string base64(const std::string& text) {
    std::string coded((text.size() + 2) / 3 * 4 + 1, '\0');
    coded.resize(static_cast<std::size_t>(::EVP_EncodeBlock(reinterpret_cast<unsigned char*>(coded.data()),
                                                            reinterpret_cast<const unsigned char*>(text.data()),
                                                            static_cast<int>(text.size()))));
    return coded;
}

// As it is, and as HTTP carries it.
bool holds_secret(const std::string& text) {
    for (const auto& form : {secret, base64(secret), base64(user + ":" + secret)})
        if (text.find(form) != std::string::npos) return true;
    return false;
}

void check_holds_no_secret(const fs::path& directory) {
    for (const auto& entry : fs::recursive_directory_iterator(directory)) {
        CAPTURE(entry.path().string());
        CHECK_FALSE(holds_secret(entry.path().string()));
        if (entry.is_regular_file() && !entry.is_symlink()) CHECK_FALSE(holds_secret(read_file(entry.path())));
    }
}

void check_holds_no_secret(const Error& error) {
    CHECK_FALSE(holds_secret(error.code + error.message + error.remedy + error.detail));
}

struct Server {
    TemporaryDirectory directory;
    HttpServer http;
    int asked = 0;
    Server() : http((make_repository(directory / "repo.git"), directory.path())) {
        write_file(directory / "login", user + ":" + secret);
    }
    [[nodiscard]] CloneRequest request(const std::string& path) const {
        return test::request(http.url(path), directory / "clone");
    }
    // With a source that gives this.
    CloneRequest request(const std::string& path, Result<std::optional<Credential>> answer) {
        auto r = request(path);
        r.credential = [this, answer = std::move(answer)](const std::string&) {
            ++asked;
            return answer;
        };
        return r;
    }
    // What came since the last look.
    std::vector<std::string> requests() {
        std::stringstream text(read_file(directory / "requests"));
        std::vector<std::string> lines;
        for (std::string line; std::getline(text, line);) lines.push_back(line);
        fs::remove(directory / "requests");
        return lines;
    }
};

Result<std::optional<Credential>> give(const std::string& name, const std::string& password) {
    return std::optional<Credential>(Credential(name, password));
}

} // namespace

TEST_CASE("a private repository, and nothing of its credential is kept") {
    Server server;
    auto r = server.request("/private/repo.git", give(user, secret));
    SUBCASE("plain") {}
    SUBCASE("shallow") {
        r.depth = 1;
    }
    SUBCASE("by way of a mirror") {
        r.mirrors = server.directory / "mirrors";
    }
    SUBCASE("redirected on its host") {
        r.url = server.http.url("/moved/repo.git");
    }
    cloned(r);
    CHECK(server.asked == 1);
    CHECK(read_file(r.destination / "README") == "third\n");
    check_healthy(r.destination);
    check_holds_no_secret(r.destination);
    if (!r.mirrors.empty()) check_holds_no_secret(r.mirrors);
    CHECK(git::test::git(r.destination, {"config", "remote.origin.url"}) == r.url);
    CHECK(git::test::git(r.destination, {"config", "--list", "--local"}).find("credential") == std::string::npos);
}

TEST_CASE("nobody is asked for a public repository") {
    Server server;
    cloned(server.request("/repo.git", give(user, secret)));
    CHECK(server.asked == 0);
    for (const auto& line : server.requests()) CHECK(line.ends_with(' '));
}

TEST_CASE("a credential that the server refuses") {
    Server server;
    auto r = server.request("/private/repo.git", give(user, secret));
    SUBCASE("another secret") {
        write_file(server.directory / "login", user + ":another");
    }
    SUBCASE("another name") {
        write_file(server.directory / "login", "another:" + secret);
    }
    SUBCASE("whatever comes") {
        r.url = server.http.url("/auth/repo.git");
    }
    SUBCASE("into a mirror") {
        r.mirrors = server.directory / "mirrors";
        r.url = server.http.url("/auth/repo.git");
    }
    const auto error = refused(r, ErrorClass::permission, "credentials_refused");
    CHECK(server.asked == 1);
    CHECK_FALSE(error.remedy.empty());
    check_holds_no_secret(error);
    if (!r.mirrors.empty()) check_holds_no_secret(r.mirrors);
}

TEST_CASE("a server that sends the credential back") {
    Server server;
    const auto error = refused(server.request("/parrot/repo.git", give(user, secret)), ErrorClass::not_found, "not_a_repository");
    CHECK(error.detail.find("[...]") != std::string::npos);
    check_holds_no_secret(error);
}

TEST_CASE("no credential, and none that can be told now") {
    Server server;
    auto error = refused(server.request("/private/repo.git"), ErrorClass::permission, "credentials_required");
    CHECK(error.remedy.find("EngineOptions::credentials") != std::string::npos);
    refused(server.request("/private/repo.git", std::optional<Credential>()), ErrorClass::permission, "credentials_required");
    CHECK(server.asked == 1);
    const Error mine{ErrorClass::unavailable, "vault_sealed", "the vault is sealed", "", "", {}};
    refused(server.request("/private/repo.git", mine), ErrorClass::unavailable, "vault_sealed");
}

TEST_CASE("a name that is left out, and forms that cannot be sent") {
    Server server;
    write_file(server.directory / "login", "x-access-token:" + secret);
    cloned(server.request("/private/repo.git", give("", secret)));
    fs::remove_all(server.directory / "clone");
    for (const auto& [name, password] : std::vector<std::pair<std::string, std::string>>{{user, ""},
                                                                                         {"a:b", secret},
                                                                                         {user, secret + "\n"},
                                                                                         {user, std::string("a\0b", 3)},
                                                                                         {std::string(1025, 'x'), secret},
                                                                                         {user, std::string(65537, 'x')}})
        check_holds_no_secret(
            refused(server.request("/private/repo.git", give(name, password)), ErrorClass::invalid, "credential_malformed"));
}

TEST_CASE("a redirect to another host does not get it") {
    Server server;
    const auto check_kept = [&](const CloneRequest& r) {
        check_holds_no_secret(refused(r, ErrorClass::permission, "redirect_refused"));
        CHECK(server.asked == 1);
        bool redirected = false;
        for (const auto& line : server.requests()) {
            CAPTURE(line);
            if (line.starts_with("127.0.0.1:")) continue;
            redirected = true;
            CHECK(line.ends_with(' '));
        }
        return redirected;
    };
    SUBCASE("that asks for it") { // without a credential it goes there, as for any public repository
        CHECK(check_kept(server.request("/elsewhere/repo.git", give(user, secret))));
    }
    SUBCASE("once it was given") {
        CHECK_FALSE(check_kept(server.request("/inside/repo.git", give(user, secret))));
    }
}

TEST_CASE("in the clear it goes to this machine alone") {
    Server server;
    auto r = server.request("/private/repo.git", give(user, secret));
    r.url.replace(r.url.find("127.0.0.1"), 9, "127.1"); // is this machine, but nobody has said so
    const auto error = refused(r, ErrorClass::permission, "credential_in_the_clear");
    CHECK(error.remedy.find("https") != std::string::npos);
    CHECK(server.asked == 0);
    for (const auto& line : server.requests()) CHECK(line.ends_with(' '));

    for (const auto* host : {"localhost", "127.0.0.1", "127.1.2.3", "::1"}) CHECK(is_this_machine(host));
    for (const auto* host : {"", "localhost.", "128.0.0.1", "127.1", "0.0.0.0", "::", "::2", "::ffff:127.0.0.1", "example.org",
                             "localhost.example.org"})
        CHECK_FALSE(is_this_machine(host));
}

TEST_CASE("in the clear it does not go to a proxy") {
    Server server;
    ::setenv("http_proxy", server.http.url("").c_str(), 1);
    ::unsetenv("no_proxy");
    cloned(server.request("/private/repo.git", give(user, secret)));
    ::unsetenv("http_proxy");
    bool proxied = false;
    for (const auto& line : server.requests()) {
        CAPTURE(line);
        if (!line.starts_with("proxied ")) continue;
        proxied = true;
        CHECK(line.ends_with(' '));
    }
    CHECK(proxied);
}

TEST_CASE("a mirror gives nothing to who has no credential for it") {
    Server server;
    auto r = server.request("/private/repo.git", give(user, secret));
    r.mirrors = server.directory / "mirrors";
    cloned(r);
    fs::remove_all(r.destination);

    auto stranger = server.request("/private/repo.git", give(user, "wrong"));
    stranger.mirrors = r.mirrors;
    refused(stranger, ErrorClass::permission, "credentials_refused");
    stranger.credential = nullptr;
    refused(stranger, ErrorClass::permission, "credentials_required");
    write_file(server.directory / "login", user + ":changed");
    refused(r, ErrorClass::permission, "credentials_refused"); // what was good once

    write_file(server.directory / "login", user + ":" + secret);
    const auto again = cloned(r); // and the mirror is whole
    CHECK(again.from_mirror);
    CHECK(again.received_bytes < 10'000);
    check_holds_no_secret(r.mirrors);
    check_holds_no_secret(r.destination);
}

TEST_CASE("who is asked may take long, and holds up nobody") {
    Server server;
    auto r = server.request("/private/repo.git", give(user, secret));
    r.mirrors = server.directory / "mirrors";
    r.limits.stall = std::chrono::seconds(1);
    r.credential = [&](const std::string&) -> Result<std::optional<Credential>> {
        auto other = server.request("/private/repo.git", give(user, secret));
        other.mirrors = r.mirrors;
        other.destination = server.directory / "other";
        cloned(other);                                                // of the same URL: no lock is held
        std::this_thread::sleep_for(std::chrono::milliseconds(1100)); // longer than a server may be silent
        return give(user, secret);
    };
    CHECK(cloned(r).from_mirror);

    auto absent = server.request("/private/absent.git");
    absent.destination = server.directory / "absent";
    absent.limits.stall = std::chrono::seconds(1);
    absent.credential = [](const std::string&) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1100));
        return give(user, secret);
    };
    refused(absent, ErrorClass::not_found, "repository_not_found"); // and not a silent server

    std::stop_source stop;
    fs::remove_all(r.destination);
    r.credential = [&](const std::string&) {
        stop.request_stop();
        return give(user, secret);
    };
    refused(r, ErrorClass::cancelled, "cancelled", stop.get_token());
}

TEST_CASE("a credential overwrites its secret") {
    alignas(Credential) std::array<unsigned char, sizeof(Credential)> memory{};
    const std::string small = "s3cret"; // in the object itself
    auto* credential = new (memory.data()) Credential(user, small);
    const auto found = [&] {
        return std::string_view(reinterpret_cast<const char*>(memory.data()), memory.size()).find(small) !=
               std::string_view::npos;
    };
    REQUIRE(found());
    SUBCASE("at its end") {
        credential->~Credential();
    }
    SUBCASE("when another takes its place") {
        *credential = Credential(user, "x");
        CHECK_FALSE(found());
        credential->~Credential();
    }
    CHECK_FALSE(found());
}
