// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include "git/submodule_rules.hpp"

#include <random>

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

std::string url_of(const std::string& url, const std::string& parent) {
    auto made = submodule_url({"lib", "lib", url}, parent);
    return made ? *made : made.error().code;
}

} // namespace

TEST_CASE("a .gitmodules file is read as git reads it") {
    TemporaryDirectory directory;
    const std::string text =
        "# a comment\n"
        "[submodule \"lib/one\"]\n\tpath = lib/one ; where it is\n\turl = \"https://git.example/a#b\"\n"
        "[core]\n\turl = elsewhere\n[include]\n\tpath = /etc/passwd\n"
        "[Submodule \"a \\\"quoted\\\" name\"] path = two words\n\tURL=../two\\\n/more\n\tbranch = x\n\tshallow\n"
        "[submodule \"empty\"]\n";
    auto found = parse_gitmodules(text);
    REQUIRE(found.has_value());
    REQUIRE(found->size() == 3);
    write_file(directory / ".gitmodules", text);
    for (const auto& submodule : *found) {
        CAPTURE(submodule.name);
        const auto theirs = [&](const std::string& key) {
            return run({"sh", "-c", "git config --no-includes --file \"$0\" \"$1\" || :", (directory / ".gitmodules").string(),
                        "submodule." + submodule.name + "." + key});
        };
        CHECK(submodule.path == theirs("path"));
        CHECK(submodule.url == theirs("url"));
    }
    CHECK(found->at(1).url == "../two/more");
}

TEST_CASE("a .gitmodules file that is none") {
    for (const char* text : {"[submodule \"a\"", "[submodule \"a]", "[]", "= b", "[submodule \"a\"]\npath = \"b", "path ! b",
                             "[submodule \"a\"]\npath = b\\x", "[submodule \"a\"]\nurl = a\nurl = b", "[submodule \"a\\"}) {
        CAPTURE(text);
        auto found = parse_gitmodules(text);
        REQUIRE(found.has_error());
        CHECK(found.error().code == "gitmodules_malformed");
    }
    CHECK(parse_gitmodules("").value().empty());
}

TEST_CASE("names and paths that lead elsewhere") {
    for (const char* good : {"lib", "lib/one", "a b", "x.git", ".github", "\xC3\xA9"}) {
        CHECK(check_names({good, "lib", ""}));
        CHECK(check_names({"lib", good, ""}));
    }
    for (const char* bad : {"",     ".",    "..",           "../x",  "x/../../y", "x/..",  "/x",   "x//y", "x/",   "-x",
                            "x/-y", ".git", "x/.GIT/hooks", "git~1", ".git.",     ".git ", "a\\b", "a:b",  "a\nb", "a\"b"}) {
        CAPTURE(bad);
        CHECK_FALSE(check_names({bad, "lib", ""}));
        CHECK_FALSE(check_names({"lib", bad, ""}));
    }
}

TEST_CASE("relative URLs are what git makes of them") {
    CHECK(url_of("../lib.git", "https://git.example/team/app.git") == "https://git.example/team/lib.git");
    CHECK(url_of("../lib.git/", "https://git.example/team/app.git/") == "https://git.example/team/lib.git");
    CHECK(url_of("./lib", "https://git.example/app") == "https://git.example/app/lib");
    CHECK(url_of(".././../lib", "https://git.example/team/app") == "https://git.example/lib");
    CHECK(url_of("../lib", "git@git.example:app") == "git@git.example:lib");
    CHECK(url_of("../lib", "git@git.example:team/app") == "git@git.example:team/lib");
    CHECK(url_of("../../lib", "ssh://git@git.example/team/app") == "ssh://git@git.example/lib");
    CHECK(url_of("../lib", "file:///srv/app") == "file:///srv/lib");
    for (const char* above : {"../../../lib", "../../../../../../lib"})
        CHECK(url_of(above, "https://git.example/app") == "submodule_refused");
}

TEST_CASE("a submodule is reached no less safely than its parent") {
    const std::string https = "https://git.example/app", http = "http://git.example/app", ssh = "git@git.example:app",
                      file = "file:///srv/app", here = "http://localhost:8080/app";
    for (const auto& parent : {https, http, ssh, here}) {
        CAPTURE(parent);
        CHECK(url_of("file:///etc", parent) == "submodule_refused");
        CHECK(url_of("https://other.example/lib", parent) == "https://other.example/lib");
        CHECK(url_of("git@other.example:lib", parent) == "submodule_refused");
        for (const char* hostile : {"", "-uX", "--upload-pack=x", "ext::sh -c x", "/srv/lib", "lib", "ssh://-oProxyCommand=x/y",
                                    "https://user:secret@git.example/lib", "https://git.example/lib?x", "git://git.example/lib"})
            CHECK(url_of(hostile, parent) == "submodule_refused");
    }
    for (const auto& parent : {https, http, ssh})
        for (const char* near : {"localhost", "LOCALHOST", "x.localhost", "localhost.", "127.1", "2130706433", "0x7f.1",
                                 "0.0.0.0", "0", "[::]", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "[fe80::1]"})
            CHECK_MESSAGE(url_of("https://" + std::string(near) + "/lib", parent) == "submodule_refused", near);
    CHECK(url_of("https://10.0.0.7/lib", https) == "https://10.0.0.7/lib");
    for (const auto& parent : {https, ssh}) CHECK(url_of("http://git.example/lib", parent) == "submodule_refused");
    CHECK(url_of("http://git.example/lib", http) == "http://git.example/lib");
    CHECK(url_of("http://127.0.0.1/lib", here) == "http://127.0.0.1/lib");
    CHECK(url_of("git@git.example:lib", https) == "git@git.example:lib");
    for (const auto& url : {https, http, ssh, file, here}) CHECK(url_of(url, file) == url);
}

TEST_CASE("a credential stays with its server") {
    const auto same = [](const char* a, const char* b) { return same_server(*parse_url(a), *parse_url(b)); };
    CHECK(same("https://git.example/a", "https://git.example/b"));
    for (const char* other :
         {"https://other.example/a", "https://git.example:444/a", "http://git.example/a", "git@git.example:a"})
        CHECK_FALSE(same("https://git.example/a", other));
}

TEST_CASE("whatever comes is read or refused, and what is read is safe or refused") {
    std::mt19937 random(7);
    const std::string parts[] = {
        "[submodule \"", "\"]", "\n",       "path", "url", " = ", "../", "a", "\"", "\\", "]", "[", "#", "-", "/",
        ".git",          ":",   "https://", "\xff"};
    for (int i = 0; i < 20'000; ++i) {
        std::string text;
        for (unsigned n = random() % 16; n > 0; --n) text += parts[random() % std::size(parts)];
        const auto found = parse_gitmodules(text);
        if (!found) continue;
        for (const auto& submodule : *found) {
            if (check_names(submodule)) {
                const auto joined = (fs::path("/w") / submodule.path).lexically_normal().string();
                CHECK(joined.starts_with("/w/"));
            }
            if (const auto url = submodule_url(submodule, "https://git.example/a/b")) CHECK(parse_url(*url).has_value());
        }
    }
}
