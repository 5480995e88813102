// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <sandboxkit/profile_rules.hpp>

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace sandboxkit;

TEST_CASE("names") {
    for (const char* name : {"local", "e2b", "azure-container-apps"}) CHECK(is_provider_name(name));
    for (const char* name : {"", "Local", "2b", "-x", "a_b", "a b"}) CHECK_FALSE(is_provider_name(name));
    CHECK(is_provider_name(std::string(64, 'a')));
    CHECK_FALSE(is_provider_name(std::string(65, 'a')));

    for (const char* name : {"app", "A.b_c-9", "0"}) CHECK(is_repository_identifier(name));
    for (const char* name : {"", ".", "..", ".git", "-x", "_x", "a/b", "a b", "\xC3\xA9"})
        CHECK_FALSE(is_repository_identifier(name));
    CHECK(is_repository_identifier(std::string(100, 'a')));
    CHECK_FALSE(is_repository_identifier(std::string(101, 'a')));

    for (const char* name : {"A", "_", "path_1"}) CHECK(is_environment_name(name));
    for (const char* name : {"", "1A", "A-B", "A=B", "A B", "\xC3\xA9"}) CHECK_FALSE(is_environment_name(name));
}

TEST_CASE("control characters, of C1 too") {
    CHECK(detail::has_control_character("a\nb"));
    CHECK(detail::has_control_character("\x7F"));
    CHECK(detail::has_control_character("\xC2\x9B")); // CSI
    CHECK_FALSE(detail::has_control_character("\xC2\xA0 \xC3\x9B \xE2\x82\xAC"));
}

TEST_CASE("absolute, normalized paths") {
    for (const char* path : {"/a", "/a/b.c", "/a/..b", "/a/...", "/a b", "/\xC3\xA9", "/etc/codex"})
        CHECK_FALSE(check_absolute_path(path));
    for (const char* path : {"", "a", "./a", "/", "//", "/a/", "/a//b", "/./a", "/a/.", "/..", "/a/../b", "/a\n", "~/a"})
        CHECK(check_absolute_path(path));
    CHECK_FALSE(check_absolute_path("/" + std::string(255, 'a')));
    CHECK(check_absolute_path("/" + std::string(256, 'a'))->code == "bad_form");
    std::string deep;
    for (int i = 0; i < 512; ++i) deep += "/a";
    CHECK_FALSE(check_absolute_path(deep));
    CHECK(check_absolute_path(deep + "b")->code == "bad_form");
}

TEST_CASE("mount paths stay out of the system") {
    for (const char* path : {"/workspace/app", "/srv", "/usrlocal", "/home/user/etc", "/processes"})
        CHECK_FALSE(check_mount_path(path));
    for (const char* path :
         {"/proc", "/proc/1", "/sys/fs", "/dev/shm", "/usr", "/usr/src/x", "/etc/x", "/bin", "/lib/x", "/", "x"})
        CHECK(check_mount_path(path));
}

TEST_CASE("branches") {
    for (const char* name : {"main", "feature/x", "v1.2", "a-b", "\xC3\xA9", "a@b"}) CHECK_FALSE(check_branch(name));
    for (const char* name : {"",
                             "-x",
                             "@",
                             "a..b",
                             "a b",
                             "a~1",
                             "a^",
                             "a:b",
                             "a?",
                             "a*",
                             "a[b",
                             "a\\b",
                             "a@{1}",
                             "/a",
                             "a/",
                             "a//b",
                             ".a",
                             "a/.b",
                             "a.lock",
                             "a.lock/b",
                             "a.",
                             "a\x7F",
                             "refs/heads/main"})
        CHECK(check_branch(name));
    CHECK(check_branch(std::string(251, 'a')));
}

TEST_CASE("revisions") {
    for (const char* name : {"v1.2", "release/3", "0123456789abcdef0123456789abcdef01234567"}) CHECK_FALSE(check_revision(name));
    for (const char* name : {"", "-x", "a b", "HEAD~1", "v1^{}"})
        CHECK(check_revision(name)->message.find("commit") != std::string::npos);
    CHECK(check_revision("refs/tags/v1")->remedy.find("refs/tags/") != std::string::npos);
}

TEST_CASE("repository URLs") {
    for (const char* url : {
             "https://git.example/team/app.git",
             "http://127.0.0.1:8080/app",
             "https://[::1]:8443/app",
             "https://git.example/%20x",
             "ssh://git.example/app",
             "ssh://git@git.example:22/~user/app",
             "git@git.example:team/app.git",
             "git@git.example:/srv/app",
             "git@[::1]:app",
             "file:///srv/app.git",
             "file:///srv/app/",
             "https://git.example/a@b:c",
         }) {
        CAPTURE(std::string(url));
        CHECK_FALSE(check_repository_url(url));
    }
    for (const char* url : {
             "",
             "/srv/app",
             "./app",
             "../app",
             "app",
             "git.example/app",
             "git.example:app",
             "C:\\app",
             "ftp://git.example/app",
             "git://git.example/app",
             "ext::sh -c id",
             "ext://x/y",
             "HTTPS://git.example/app",
             "https://",
             "https:///app",
             "https://git.example",
             "https://git.example/",
             "https://-x/app",
             "https://git.example:0/app",
             "https://git.example:65536/app",
             "https://git.example:x/app",
             "https://git.example:/app",
             "https://a b/app",
             "https://git.example/a b",
             "https://git.example/a\n",
             "ssh://-oProxyCommand=x/app",
             "ssh://-x@git.example/app",
             "git@-x:app",
             "git@git.example:",
             "git@git.example:-x",
             "-x@git.example:app",
             "git@:app",
             "file://host/srv/app",
             "file://srv/app",
             "file:///",
             "file:///srv/../etc",
             "file:srv",
             "https://[::zz]/app",
             "https://[]/app",
         }) {
        CAPTURE(std::string(url));
        CHECK(check_repository_url(url));
    }
    CHECK(check_repository_url("https://git.example/" + std::string(2048, 'a'))->code == "bad_form");
}

TEST_CASE("a secret in a URL is refused and never repeated") {
    for (const char* url : {
             "https://user@git.example/app",
             "https://user:hunter2@git.example/app",
             "https://hunter2:@git.example/app",
             "http://:hunter2@git.example/app",
             "ssh://git:hunter2@git.example/app",
             "ssh://a@hunter2@git.example/app",
             "git:hunter2@git.example:app",
             "https://git.example/app?token=hunter2",
             "https://git.example/app#hunter2",
             "https://git.example?token=hunter2",
             "ssh://git%3Ahunter2@git.example/app",
         }) {
        CAPTURE(std::string(url));
        const auto fault = check_repository_url(url);
        REQUIRE(fault);
        CHECK(fault->code == "secret_in_url");
        CHECK(fault->message.find("hunter2") == std::string::npos);
        CHECK(fault->remedy.find("hunter2") == std::string::npos);
    }
    // A token as the login name is too long for one.
    CHECK(check_repository_url("ssh://ghp_0123456789abcdefghijklmnopqrstuvwxyz@git.example/app"));
    CHECK(check_repository_url("ghp_0123456789abcdefghijklmnopqrstuvwxyz@git.example:app"));
}

TEST_CASE("the identifier that a URL suggests") {
    CHECK(identifier_from_url("https://git.example/team/app.git") == "app");
    CHECK(identifier_from_url("https://git.example/team/app/") == "app");
    CHECK(identifier_from_url("git@git.example:app.git") == "app");
    CHECK(identifier_from_url("git@git.example:team/app") == "app");
    CHECK(identifier_from_url("file:///srv/app.v2.git") == "app.v2");
    CHECK(identifier_from_url("file:///srv/.git") == "");
}

TEST_CASE("images") {
    for (const char* image : {"host", "directory:/srv/root", "archive:/srv/root.tar.zst"}) CHECK_FALSE(check_image(image));
    for (const char* image : {"", "Host", "debian:12", "directory:", "directory:srv", "archive:/srv/../x", "directory:/"})
        CHECK(check_image(image));
}
