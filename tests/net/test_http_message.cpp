// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "net/http_message.hpp"
#include "net/http_parser.hpp"

using namespace sandboxkit;
using net::HttpRequest;
using net::HttpResponseParser;

TEST_CASE("a request's head") {
    HttpRequest request{"POST", "/a?b=c", {{"X-One", "1"}}, "body", false};
    CHECK(*net::encode_request_head(request, "localhost") ==
          "POST /a?b=c HTTP/1.1\r\nX-One: 1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n");
    request = {"GET", "/", {{"host", "else.where"}}, "", true};
    CHECK(*net::encode_request_head(request, "localhost") == "GET / HTTP/1.1\r\nhost: else.where\r\n\r\n");
}

TEST_CASE("nothing can be smuggled into a head") {
    const auto refused = [](HttpRequest request, std::string_view host = "h") {
        const auto head = net::encode_request_head(request, host);
        REQUIRE(!head);
        CHECK(head.error().kind == ErrorClass::invalid);
        CHECK(head.error().code == "http_request");
        CHECK(head.error().message.find("secret") == std::string::npos);
    };
    refused({"GET", "/a b", {}, "", false});
    refused({"GET", "/a\r\nX: y", {}, "", false});
    refused({"GET", "a", {}, "", false});
    refused({"GET", "", {}, "", false});
    refused({"G ET", "/", {}, "", false});
    refused({"", "/", {}, "", false});
    refused({"GET", "/", {{"X-Token", "secret\r\nX: y"}}, "", false});
    refused({"GET", "/", {{"X-Token", std::string("secret\0", 7)}}, "", false});
    refused({"GET", "/", {{"X Token", "secret"}}, "", false});
    refused({"GET", "/", {{"", "secret"}}, "", false});
    refused({"GET", "/", {{"content-length", "7"}}, "", false});
    refused({"GET", "/", {{"Transfer-Encoding", "chunked"}}, "", false});
    refused({"GET", "/", {{"Connection", "close"}}, "", false});
    refused({"GET", "/", {}, "", false}, "h\r\nX: y");
}

TEST_CASE("paths are percent-encoded byte by byte") {
    CHECK(net::percent_encode_path("/a-b_c.d~e/F9") == "/a-b_c.d~e/F9");
    CHECK(net::percent_encode_path("/a b&c=d?e#f%+") == "/a%20b%26c%3Dd%3Fe%23f%25%2B");
    CHECK(net::percent_encode_path("/\xc3\xa4\n\xff") == "/%C3%A4%0A%FF");
}

TEST_CASE("media types compare without case and parameters") {
    CHECK(net::has_media_type({{"content-type", "Application/JSON; charset=utf-8"}}, "application/json"));
    CHECK(net::has_media_type({{"Content-Type", "application/json "}}, "application/json"));
    CHECK(!net::has_media_type({{"Content-Type", "application/jsonx"}}, "application/json"));
    CHECK(!net::has_media_type({}, "application/json"));
}

namespace {

struct Sample {
    const char* name;
    std::string bytes;
    unsigned status;
    std::string body;
    bool reusable;
};

const Sample samples[] = {
    {"no content", "HTTP/1.1 204 No Content\r\nContent-Type: \r\nVary: Origin\r\n\r\n", 204, "", true},
    {"length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
    {"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true},
    {"close", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", 200, "hello", false},
    {"old", "HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", false},
    {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nh\r\n4;a=b\r\nello\r\n0\r\n\r\n", 200, "hello", true},
    {"trailer", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-T: 1\r\n\r\n", 200, "hello", true},
    {"interim",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\nno",
     404, "no", true},
};

} // namespace

TEST_CASE("a response is the same however its bytes are cut") {
    for (const auto& sample : samples) {
        CAPTURE(sample.name);
        for (std::size_t cut = 0; cut <= sample.bytes.size(); ++cut) {
            CAPTURE(cut);
            HttpResponseParser parser;
            std::string body;
            REQUIRE(parser.feed(std::string_view(sample.bytes).substr(0, cut), body));
            CHECK(parser.done() == (cut == sample.bytes.size()));
            REQUIRE(parser.feed(std::string_view(sample.bytes).substr(cut), body));
            REQUIRE(parser.done());
            CHECK(parser.head().status == sample.status);
            CHECK(body == sample.body);
            CHECK(parser.reusable() == sample.reusable);
            CHECK(!net::find_header(parser.head().headers, "X-T"));
            CHECK(!net::find_header(parser.head().headers, "Link"));
        }
        HttpResponseParser parser;
        std::string body;
        for (const char c : sample.bytes) REQUIRE(parser.feed(std::string_view(&c, 1), body));
        CHECK(parser.done());
        CHECK(body == sample.body);
    }
}

TEST_CASE("a connection's end completes only a message that ends with it") {
    for (const auto& sample : samples) {
        CAPTURE(sample.name);
        for (std::size_t cut = 0; cut < sample.bytes.size(); ++cut) {
            HttpResponseParser parser;
            std::string body;
            REQUIRE(parser.feed(std::string_view(sample.bytes).substr(0, cut), body));
            CHECK(!parser.finish());
        }
    }
    HttpResponseParser parser;
    std::string body;
    REQUIRE(parser.feed("HTTP/1.1 200 OK\r\n\r\nhello", body));
    CHECK(parser.ends_with_connection());
    CHECK(!parser.done());
    CHECK(parser.finish());
    CHECK(body == "hello");
    CHECK(!parser.reusable());
}

TEST_CASE("bytes after the message make the connection unusable") {
    HttpResponseParser parser;
    std::string body;
    REQUIRE(parser.feed("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab", body));
    CHECK(parser.done());
    CHECK(body == "a");
    CHECK(!parser.reusable());
    REQUIRE(parser.feed("more", body));
    CHECK(body == "a");
}

TEST_CASE("what is not HTTP is a protocol error, and bounded") {
    std::string fields;
    while (fields.size() < 200'000) fields += "X: y\r\n";
    const std::string bad[] = {
        "HTTP/1.1 200 OK\r\n" + fields,
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + fields,
        "SSH-2.0-OpenSSH\r\n\r\n",
        "HTTP/1.1 20 OK\r\n\r\n",
        "HTTP/1.1 099 No\r\n\r\n",
        "HTTP/1.1 700 No\r\n\r\n",
        "HTTP/2 200\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: " + std::string(70 * 1024, 'x'),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + std::string(200 * 1024, 'x'),
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: " + std::string(200 * 1024, 'x'),
    };
    for (const auto& bytes : bad) {
        CAPTURE(bytes.substr(0, 100));
        HttpResponseParser parser;
        std::string body;
        Result<void> fed;
        for (std::size_t at = 0; at < bytes.size() && fed; at += 1000)
            fed = parser.feed(std::string_view(bytes).substr(at, 1000), body);
        REQUIRE(!fed);
        CHECK(fed.error().kind == ErrorClass::internal);
        CHECK(fed.error().code == "peer_protocol");
    }
    HttpResponseParser parser;
    std::string body;
    Result<void> fed;
    int interim = 0;
    for (; interim < 1000 && fed; ++interim) fed = parser.feed("HTTP/1.1 100 Continue\r\n\r\n", body);
    CHECK(!fed);
    CHECK(interim < 20);
}
