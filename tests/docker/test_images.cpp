// SPDX-License-Identifier: Apache-2.0
// Base images: from a real registry, with credentials and digests; from archives that are none; with volumes of their own.
#include <doctest/doctest.h>

#include "docker/fixture.hpp"
#include "docker/ssh_server.hpp"

#include <csignal>
#include <cstdio>
#include <fstream>

#include <sys/prctl.h>
#include <sys/wait.h>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

// Debian's docker-registry on a port of 127.0.0.1.
class Registry {
public:
    Registry(const std::filesystem::path& directory, const std::string& name, bool locked) {
        const auto config = (directory / (name + ".yml")).string(), passwords = (directory / "htpasswd").string();
        std::ofstream file(config);
        file << "version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: " << (directory / "data").string()
             << "\nhttp:\n  addr: 127.0.0.1:" << port_ << "\n";
        if (locked) {
            std::ofstream(passwords) << "user:"
                                     << command({"perl", "-e", "print crypt('secret', '$2y$05$abcdefghijklmnopqrstuu')"}).text
                                     << "\n";
            file << "auth:\n  htpasswd:\n    realm: tests\n    path: " << passwords << "\n";
        }
        file.close();
        const pid_t parent = ::getpid();
        pid_ = ::fork();
        if (pid_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            if (::getppid() != parent) ::_exit(127);
            std::freopen("/dev/null", "w", stderr);
            std::freopen("/dev/null", "w", stdout);
            ::execlp("docker-registry", "docker-registry", "serve", config.c_str(), nullptr);
            ::_exit(127);
        }
        const std::string url = "http://" + host() + "/v2/";
        for (int i = 0; i < 500 && command({"curl", "-s", "-o", "/dev/null", url}).code != 0; ++i) ::usleep(20'000);
    }
    ~Registry() {
        ::kill(pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }
    Registry(const Registry&) = delete;
    Registry& operator=(const Registry&) = delete;
    [[nodiscard]] std::string host() const { return "127.0.0.1:" + std::to_string(port_); }

private:
    unsigned port_ = free_port();
    pid_t pid_ = -1;
};

} // namespace

TEST_CASE("images of a registry") {
    if (!have_program("docker-registry")) {
        std::puts("SKIPPED: docker-registry is not installed");
        return;
    }
    DockerFixture fixture;
    auto& provider = fixture.provider();
    Registry open(fixture.directory(), "open", false), locked(fixture.directory(), "locked", true);
    const auto& daemon = private_daemon();
    const std::string name = open.host() + "/team/base:1", secret = locked.host() + "/team/base:1";
    REQUIRE(daemon.docker({"import", fixture.archive().string(), name}).code == 0);
    REQUIRE(daemon.docker({"push", name}).code == 0);
    REQUIRE(daemon.docker({"rmi", name}).code == 0);

    ImageRequest request;
    request.image = "oci:" + name;
    request.labels = fixture.labels();
    int told = 0;
    request.progress = [&](const ImageProgress& progress) { told += !progress.message.empty(); };
    auto image = fixture.wait(provider.prepare_image(request));
    REQUIRE(succeeded(image));
    CHECK(told > 0);
    REQUIRE(image->ingredients.size() == 1);
    const std::string digest = image->ingredients[0].digest;
    CHECK(digest.starts_with("sha256:"));
    CHECK(daemon.docker({"inspect", "-f", "{{index .RepoDigests 0}}", name}).text == open.host() + "/team/base@" + digest);
    auto create = fixture.request("pulled");
    create.image_id = image->id;
    CHECK(fixture.shell(fixture.start(create), "echo pulled").text == "pulled\n");

    request.digest = digest;
    CHECK(succeeded(fixture.wait(provider.prepare_image(request))));
    request.digest = "sha256:" + std::string(64, '0');
    CHECK(fixture.wait(provider.prepare_image(request)).error().code == "image_digest_mismatch");
    request.digest.reset();
    request.image = "oci:" + open.host() + "/team/none:1";
    auto none = fixture.wait(provider.prepare_image(request));
    CHECK(none.error().code == "image_not_found");
    request.image = "oci:127.0.0.1:1/team/base:1";
    CHECK(fixture.wait(provider.prepare_image(request)).error().kind == ErrorClass::unavailable);
    request.image = "oci:No Image";
    CHECK(fixture.wait(provider.prepare_image(request)).error().code == "image_reference");

    // Credentials: asked when they are wanted, once, and only then.
    request.image = "oci:" + secret;
    CHECK(fixture.wait(provider.prepare_image(request)).error().code == "docker_permission");
    int asked = 0;
    std::string registry, password = "wrong";
    request.credential = [&](std::string of) -> Result<std::optional<Credential>> {
        ++asked;
        registry = of;
        return std::optional<Credential>(Credential("user", password));
    };
    CHECK(fixture.wait(provider.prepare_image(request)).error().code == "docker_permission");
    CHECK(asked == 1);
    CHECK(registry == locked.host());
    password = "secret";
    CHECK(succeeded(fixture.wait(provider.prepare_image(request))));
    CHECK(asked == 2);
    request.image = "oci:" + name;
    CHECK(succeeded(fixture.wait(provider.prepare_image(request))));
    CHECK(asked == 2);

    // One that is in no registry, only in the daemon.
    REQUIRE(daemon.docker({"import", fixture.archive().string(), "only-here:1"}).code == 0);
    request.image = "oci:only-here:1";
    request.credential = {};
    auto local = fixture.wait(provider.prepare_image(request));
    REQUIRE(succeeded(local));
    CHECK(local->ingredients[0].digest == daemon.docker({"inspect", "-f", "{{.Id}}", "only-here:1"}).text);

    // Of another architecture, by its own word.
    const std::string saved = (fixture.directory() / "saved").string();
    REQUIRE(command({"sh", "-ec",
                     "docker -H " + daemon.host() + " tag only-here:1 foreign:1; mkdir " + saved + "; cd " + saved +
                         "; docker -H " + daemon.host() +
                         " save foreign:1 | tar x; sed -i 's/\"architecture\":\"[a-z0-9]*\"/\"architecture\":\"s390x\"/' *.json; "
                         "docker -H " +
                         daemon.host() + " rmi foreign:1; tar c . | docker -H " + daemon.host() + " load"})
                .code == 0);
    request.image = "oci:foreign:1";
    CHECK(fixture.wait(provider.prepare_image(request)).error().code == "image_architecture");
    for (const auto& each : {std::string("only-here:1"), std::string("foreign:1"), name, secret})
        CHECK(daemon.docker({"rmi", each}).code == 0);
}

TEST_CASE("archives") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    ImageRequest request;
    request.labels = fixture.labels();
    const auto refused = [&](const std::string& image) {
        request.image = image;
        return fixture.wait(provider.prepare_image(request)).error();
    };
    CHECK(refused("archive:relative.tar").code == "image_path_relative");
    CHECK(refused("archive:/nonexistent.tar").code == "path_not_found");
    CHECK(refused("archive:" + fixture.directory().string()).code == "image_not_file");
    CHECK(refused("host").code == "unknown_image");
    const auto junk = fixture.directory() / "junk.tar";
    std::ofstream(junk) << std::string(100'000, 'j');
    const auto bad = refused("archive:" + junk.string());
    CHECK_MESSAGE(bad.code == "image_archive_refused", bad.detail);
    request.digest = "sha256:" + std::string(64, '1');
    CHECK(refused("archive:" + fixture.archive().string()).code == "image_digest_mismatch");
    request.digest = "sha256:" + command({"sha256sum", fixture.archive().string()}).text.substr(0, 64);
    request.image = "archive:" + fixture.archive().string();
    auto image = fixture.wait(provider.prepare_image(request));
    REQUIRE(succeeded(image));
    CHECK(image->ingredients[0] == Ingredient{"base_image", request.image, *request.digest});
    request.digest.reset();
    request.image = image->id; // one of our own
    auto second = fixture.wait(provider.prepare_image(request));
    REQUIRE(succeeded(second));
    CHECK(second->ingredients == image->ingredients);
    auto missing = fixture.request("no image");
    missing.image_id = "sha256:" + std::string(64, '2');
    CHECK(fixture.wait(provider.create(missing)).error().code == "image_not_found");
}

TEST_CASE("an image with volumes, a health check and an entry of its own") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    const auto& daemon = private_daemon();
    REQUIRE(
        daemon
            .docker({"import", "-c", "VOLUME /data", "-c", "HEALTHCHECK CMD false", "-c", "ENTRYPOINT [\"/bin/false\"]", "-c",
                     "ENV GREETING=\"hello \\\"world\\\"\"", "-c", "USER user", "-c", "WORKDIR /tmp", "-c",
                     "ENV HOME=/elsewhere PATH=/opt/tool/bin:/usr/sbin:/usr/bin:/sbin:/bin", fixture.archive().string(), "odd:1"})
            .code == 0);
    const auto volumes = daemon.docker({"volume", "ls", "-q"}).text;
    ImageRequest request;
    request.image = "oci:odd:1";
    request.labels = fixture.labels();
    auto image = fixture.wait(provider.prepare_image(request));
    REQUIRE(succeeded(image));
    auto create = fixture.request("odd");
    create.image_id = image->id;
    const auto id = fixture.start(create);
    CHECK(fixture.shell(id, "mkdir -p /data; echo in > /data/file; id -u").text == "0\n");
    CHECK(daemon.docker({"inspect", "-f", "{{.Config.Env}}", id}).text.find("GREETING=hello \"world\"") != std::string::npos);
    CHECK(fixture.shell(id, "echo $GREETING; echo $HOME; echo $PATH").text ==
          "hello \"world\"\n/root\n/opt/tool/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"); // the image's, but for what is the user's
    CHECK(daemon.docker({"volume", "ls", "-q"}).text == volumes);
    CHECK(daemon.docker({"inspect", "-f", "{{.State.Health}}", id}).text.find("Status") == std::string::npos);
    auto captured = fixture.wait(provider.capture(id, fixture.labels()));
    REQUIRE(succeeded(captured));
    auto again = fixture.request("again");
    again.image_id = captured->image.id;
    CHECK(fixture.shell(fixture.start(again), "cat /data/file").text == "in\n");
    CHECK(daemon.docker({"rmi", "odd:1"}).code == 0);
}
