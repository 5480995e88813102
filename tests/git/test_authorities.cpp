// SPDX-License-Identifier: Apache-2.0
#include "cases.hpp"

#include "git/authorities.hpp"

using namespace sandboxkit;
using namespace sandboxkit::git;
using namespace sandboxkit::git::test;

namespace {

// ca.pem, and server.pem with server.key, of "localhost", which it vouches for.
void make_certificates(const fs::path& directory) {
    run({"sh", "-ec",
         "cd \"$0\"; key='-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'\n"
         "openssl req -x509 $key -keyout ca.key -out ca.pem -days 2 -subj '/CN=an authority' 2> /dev/null\n"
         "openssl req $key -keyout server.key -out server.csr -subj /CN=localhost 2> /dev/null\n"
         "echo subjectAltName=DNS:localhost > names\n"
         "openssl x509 -req -in server.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out server.pem 2> "
         "/dev/null",
         directory.string()});
}

} // namespace

// One case, since what is trusted once stays so in this process.
TEST_CASE("an authority of the host application's own") {
    TemporaryDirectory directory;
    make_repository(directory / "repo.git");
    make_certificates(directory.path());
    const HttpServer server(directory.path(), directory / "server.pem", directory / "server.key");
    const auto at = [&](const std::string& host) {
        return request("https://" + host + ":" + server.port() + "/repo.git", directory / "clone");
    };
    refused(at("localhost"), ErrorClass::unavailable, "untrusted_server");

    const auto absent = trust_authorities(directory / "absent.pem");
    REQUIRE(absent.has_error());
    CHECK(absent.error().code == "authorities_unreadable");
    CHECK(absent.error().message.find("absent.pem") != std::string::npos);

    REQUIRE(trust_authorities(directory / "ca.pem").has_value());
    CHECK(trust_authorities(directory / "ca.pem").has_value());
    cloned(at("localhost"));
    check_healthy(directory / "clone");
    fs::remove_all(directory / "clone");
    refused(at("127.0.0.1"), ErrorClass::unavailable, "untrusted_server"); // another name than the certificate has

    const auto another = trust_authorities(directory / "server.pem");
    REQUIRE(another.has_error());
    CHECK(another.error().code == "authorities_in_use");
    CHECK(another.error().remedy == "put all of them into one file");
}

TEST_CASE("authorities are not changed under a clone") {
    TemporaryDirectory directory;
    make_repository(directory / "repo.git");
    std::string code;
    auto result =
        git::clone(request("file://" + (directory / "repo.git").string(), directory / "clone"), {}, [&](const CloneProgress&) {
            if (auto trusted = trust_authorities(directory / "other.pem"); !trusted) code = trusted.error().code;
        });
    CHECK(result.has_value());
    CHECK(code == "authorities_in_use");
}
