// SPDX-License-Identifier: Apache-2.0
#include "git/url.hpp"

#include <doctest/doctest.h>

using namespace sandboxkit;
using namespace sandboxkit::git;
using Kind = RemoteUrl::Kind;

namespace {

RemoteUrl good(std::string_view text) {
    CAPTURE(text);
    auto url = parse_url(text);
    REQUIRE(url.has_value());
    return *url;
}

std::string refused(std::string_view text) {
    CAPTURE(text);
    auto url = parse_url(text);
    REQUIRE(url.has_error());
    CHECK(url.error().kind == ErrorClass::invalid);
    CHECK(!url.error().remedy.empty());
    return url.error().code;
}

} // namespace

TEST_CASE("every kind of URL is taken apart") {
    auto url = good("https://example.org/a/b.git");
    CHECK(url.kind == Kind::http);
    CHECK(url.host == "example.org");
    CHECK_FALSE(url.port.has_value());
    CHECK(url.tls);
    url = good("http://[::1]:8080/a");
    CHECK_FALSE(url.tls);
    CHECK(url.host == "::1");
    CHECK(url.port == 8080);
    url = good("ssh://git@example.org:2222/a%20b.git");
    CHECK(url.kind == Kind::ssh);
    CHECK(url.user == "git");
    CHECK(url.port == 2222);
    CHECK(url.path == "/a b.git");
    CHECK(good("ssh://example.org/~user/x").path == "~user/x");
    url = good("git@example.org:team/x.git");
    CHECK(url.kind == Kind::ssh);
    CHECK(url.user == "git");
    CHECK(url.host == "example.org");
    CHECK(url.path == "team/x.git");
    url = good("file:///srv/a%25b.git");
    CHECK(url.kind == Kind::file);
    CHECK(url.path == "/srv/a%b.git");
    CHECK(good("file://localhost/srv/x").path == "/srv/x");
}

TEST_CASE("what is not such a URL is refused with a reason") {
    for (const auto* text : {"",
                             "x",
                             "/srv/x",
                             "./x",
                             "C:\\x",
                             "git://example.org/x",
                             "ext::sh -c id",
                             "ftp://example.org/x",
                             "https://",
                             "https:///x",
                             "https://example.org",
                             "https://example.org/",
                             "https://example.org:0/x",
                             "https://example.org:99999/x",
                             "https://exa mple.org/x",
                             "https://example.org/x\ny",
                             "https://example.org/%zz",
                             "https://example.org/%0a",
                             "ssh://-oProxyCommand=id/x",
                             "ssh://-l@example.org/x",
                             "-o@example.org:x",
                             "git@-host:x",
                             "git@example.org:",
                             "git@example.org:-x",
                             "file://example.org/x",
                             "file://",
                             "file:///",
                             "https://example.org/x?token=1",
                             "https://example.org/x#main",
                             "https://[::1/x",
                             "https://[zz]/x"})
        refused(text);
    CHECK(refused("https://user@example.org/x") == "url_has_credentials");
    CHECK(refused("https://user:secret@example.org/x") == "url_has_credentials");
    CHECK(refused("ssh://user:secret@example.org/x") == "url_has_credentials");
    CHECK(refused("https://" + std::string(5000, 'a') + "/x") == "bad_repository_url");
}
