// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include "docker/fixture.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <vector>

#include <sys/stat.h>

using namespace sandboxkit;
using sandboxkit::test::DockerFixture;
using sandboxkit::test::private_daemon;
using sandboxkit::test::succeeded;

namespace {

void live(DockerFixture& fixture) {
    auto& provider = fixture.provider();
    const auto request = fixture.request("life");
    auto made = fixture.wait(provider.create(request));
    REQUIRE(succeeded(made));
    CHECK(made->token == request.token);
    CHECK(made->labels == fixture.labels());
    CHECK(made->state == SandboxState::created);
    auto again = fixture.wait(provider.create(request));
    REQUIRE(succeeded(again));
    CHECK(again->id == made->id);

    CHECK(fixture.wait(provider.endpoint(made->id)).error().code == "sandbox_not_running");
    REQUIRE(succeeded(fixture.wait(provider.start(made->id))));
    REQUIRE(succeeded(fixture.wait(provider.start(made->id))));
    CHECK(fixture.wait(provider.inspect(made->id))->state == SandboxState::running);
    const auto hello = fixture.shell(made->id, "echo hello; hostname; id -u; cat /proc/1/comm; exit 3");
    CHECK(hello.code == 3);
    CHECK(hello.text == "hello\nbox\n0\nguest\n");
    CHECK(fixture.shell(made->id, "echo kept > /root/kept").code == 0);

    REQUIRE(succeeded(fixture.wait(provider.stop(made->id))));
    REQUIRE(succeeded(fixture.wait(provider.stop(made->id))));
    CHECK(fixture.wait(provider.inspect(made->id))->state == SandboxState::created);
    REQUIRE(succeeded(fixture.wait(provider.start(made->id))));
    CHECK(fixture.shell(made->id, "cat /root/kept").text == "kept\n");

    auto listed = fixture.wait(provider.list(fixture.labels()));
    REQUIRE(succeeded(listed));
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().id == made->id);
    CHECK(listed->front().token == request.token);
    CHECK(listed->front().state == SandboxState::running);
    CHECK(fixture.wait(provider.list({{"test", "another"}}))->empty());

    REQUIRE(succeeded(fixture.wait(provider.destroy(made->id))));
    REQUIRE(succeeded(fixture.wait(provider.destroy(made->id))));
    CHECK(fixture.wait(provider.inspect(made->id)).error().code == "sandbox_not_found");
    CHECK(fixture.wait(provider.list(fixture.labels()))->empty());
    CHECK(!std::filesystem::exists(fixture.state() / "sandboxes" / made->id));
}

} // namespace

TEST_CASE("files whose names mean deletions in an image are told, and not lost") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    const auto id = fixture.start(fixture.request("whiteouts"));
    CHECK(fixture.shell(id, "echo x > /root/.wh.kept").code == 0);
    const auto refused = fixture.wait(provider.capture(id, fixture.labels()));
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "image_unusable");
    REQUIRE(succeeded(fixture.wait(provider.start(id)))); // to mend it
    CHECK(fixture.shell(id, "mv /root/.wh.kept /root/kept").code == 0);
    const auto captured = fixture.wait(provider.capture(id, fixture.labels()));
    REQUIRE(succeeded(captured));
    REQUIRE(succeeded(fixture.wait(provider.destroy(id))));
    REQUIRE(succeeded(fixture.wait(provider.remove_image(captured->image.id))));
}

TEST_CASE("a sandbox lives, stops, goes on and ends") {
    DockerFixture fixture;
    live(fixture);
}

TEST_CASE("a sandbox is captured, and another starts from the image") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    const auto id = fixture.start(fixture.request("capture"));
    CHECK(fixture.shell(id, "echo one > /root/one; ln -s one /root/link; chmod 640 /root/one; rm /bin/tac; mkdir -p /deep/er")
              .code == 0);
    auto captured = fixture.wait(provider.capture(id, {{"test", fixture.labels().at("test")}, {"of", "it"}}));
    REQUIRE(succeeded(captured));
    CHECK(captured->image.labels.at("of") == "it");
    CHECK(captured->image.labels.size() == 2);
    REQUIRE(captured->image.ingredients.size() == 1);
    CHECK(captured->image.ingredients[0].kind == "base_image");
    auto again = fixture.wait(provider.capture(id, {{"test", fixture.labels().at("test")}, {"of", "it"}}));
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().code == "sandbox_captured");
    CHECK(fixture.wait(provider.start(id)).error().code == "sandbox_captured");
    REQUIRE(succeeded(fixture.wait(provider.destroy(id))));

    auto request = fixture.request("second");
    request.image_id = captured->image.id;
    const auto second = fixture.start(request);
    CHECK(fixture.shell(second, "cat /root/link; stat -c %a /root/one; ls /bin/tac; ls -d /deep/er /dev/.sandboxkit*").text ==
          "one\n640\nls: /bin/tac: No such file or directory\n/deep/er\n/dev/.sandboxkit\n");
    CHECK(fixture.wait(provider.remove_image(captured->image.id)).error().code == "image_in_use");
    auto listed = fixture.wait(provider.list_images());
    REQUIRE(succeeded(listed));
    CHECK(std::ranges::any_of(*listed, [&](const ImageInfo& each) { return each.id == captured->image.id; }));
    REQUIRE(succeeded(fixture.wait(provider.destroy(second))));
    REQUIRE(succeeded(fixture.wait(provider.remove_image(captured->image.id))));
    REQUIRE(succeeded(fixture.wait(provider.remove_image(captured->image.id))));
    CHECK(fixture.wait(provider.inspect_image(captured->image.id)).error().code == "image_not_found");
}

TEST_CASE("trees become part of an image") {
    DockerFixture fixture;
    const auto source = fixture.directory() / "tree";
    std::filesystem::create_directories(source / "sub");
    std::ofstream(source / "sub/file") << "content\n";
    std::filesystem::create_symlink("sub/file", source / "link");
    ::chmod((source / "sub/file").c_str(), 0750);
    ImageRequest request;
    request.image = "archive:" + fixture.archive().string();
    request.labels = fixture.labels();
    request.trees = {{source, "/project"}, {source, "/bin/new/place"}};
    auto image = fixture.wait(fixture.provider().prepare_image(request));
    REQUIRE(succeeded(image));
    auto create = fixture.request("trees");
    create.image_id = image->id;
    const auto id = fixture.start(create);
    CHECK(fixture.shell(id, "cat /project/link /bin/new/place/sub/file; stat -c '%a %u %g' /project/sub/file").text ==
          "content\ncontent\n750 0 0\n");
}

TEST_CASE("volumes outlive sandboxes and are not captured") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    auto volume = fixture.wait(provider.ensure_volume("volume of " + fixture.labels().at("test"), fixture.labels()));
    REQUIRE(succeeded(volume));
    CHECK(volume->labels == fixture.labels());
    auto again = fixture.wait(provider.ensure_volume("volume of " + fixture.labels().at("test"), {{"other", "labels"}}));
    REQUIRE(succeeded(again));
    CHECK(again->id == volume->id);
    CHECK(again->labels == fixture.labels());
    auto request = fixture.request("first");
    request.volumes = {{volume->id, "/data", false}};
    const auto first = fixture.start(request);
    CHECK(fixture.shell(first, "echo kept > /data/kept").code == 0);
    CHECK(fixture.wait(provider.remove_volume(volume->id)).error().code == "volume_in_use");
    auto captured = fixture.wait(provider.capture(first, fixture.labels()));
    REQUIRE(succeeded(captured));
    REQUIRE(succeeded(fixture.wait(provider.destroy(first))));
    auto plain = fixture.request("plain");
    plain.image_id = captured->image.id;
    CHECK(fixture.shell(fixture.start(plain), "ls -A /data").text.empty());
    request = fixture.request("second");
    request.volumes = {{volume->id, "/data", true}};
    const auto second = fixture.start(request);
    CHECK(fixture.shell(second, "cat /data/kept; echo more 2>/dev/null > /data/more || echo refused").text.starts_with("kept\n"));
    CHECK(fixture.shell(second, "test -e /data/more").code == 1);
    auto missing = fixture.request("missing");
    missing.volumes = {{"sandboxkit-volume-00000000000000000000000000000000", "/data", false}};
    CHECK(fixture.wait(provider.create(missing)).error().code == "volume_not_found");
    CHECK(fixture.wait(provider.list_volumes(fixture.labels()))->size() == 1);
}

TEST_CASE("what is not ours is not touched") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    fixture.image();
    const std::string foreign = "sandboxkit-" + std::string(32, 'f');
    const auto& daemon = private_daemon();
    REQUIRE(daemon.docker({"create", "--name", foreign, fixture.image(), "x"}).code == 0);
    CHECK(fixture.wait(provider.inspect(foreign)).error().code == "sandbox_not_found");
    CHECK(fixture.wait(provider.start(foreign)).error().code == "sandbox_not_found");
    CHECK(fixture.wait(provider.stop(foreign)).error().code == "sandbox_not_found");
    CHECK(fixture.wait(provider.capture(foreign, {})).error().code == "sandbox_not_found");
    REQUIRE(succeeded(fixture.wait(provider.destroy(foreign))));
    CHECK(daemon.docker({"inspect", foreign}).code == 0);
    REQUIRE(daemon.docker({"volume", "create", "sandboxkit-volume-" + std::string(32, 'f')}).code == 0);
    REQUIRE(succeeded(fixture.wait(provider.remove_volume("sandboxkit-volume-" + std::string(32, 'f')))));
    CHECK(daemon.docker({"volume", "inspect", "sandboxkit-volume-" + std::string(32, 'f')}).code == 0);
    CHECK(daemon.docker({"rm", foreign}).code == 0);
    CHECK(daemon.docker({"volume", "rm", "sandboxkit-volume-" + std::string(32, 'f')}).code == 0);
}

TEST_CASE("fifty sandboxes at once") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    std::vector<Operation<std::string>> starts;
    const auto begin = [](Provider& p, CreateRequest request) -> Task<std::string> {
        auto made = co_await p.create(std::move(request));
        if (!made) co_return made.error();
        auto started = co_await p.start(made->id);
        if (!started) co_return started.error();
        co_return made->id;
    };
    for (int i = 0; i < 50; ++i)
        starts.push_back(fixture.start_operation(
            begin(provider, fixture.request("one of fifty " + std::to_string(i), i % 2 == 0 ? Egress::open : Egress::none))));
    for (auto& each : starts) {
        auto id = each.get();
        REQUIRE(succeeded(id));
        CHECK(fixture.shell(*id, "echo up").text == "up\n");
    }
    CHECK(fixture.wait(provider.list(fixture.labels()))->size() == 50);
    CHECK(private_daemon().docker({"network", "ls", "-q", "--filter", "label=sandboxkit.provider=docker"}).text.size() == 12);
}

TEST_CASE("a container that dies at once") {
    docker::DockerOptions options;
    options.guest = test::command({"sh", "-c", "command -v busybox"}).text; // which has no applet of that name
    DockerFixture fixture(options);
    const auto request = fixture.request("dies");
    auto made = fixture.wait(fixture.provider().create(request));
    REQUIRE(succeeded(made));
    const auto error = fixture.wait(fixture.provider().start(made->id)).error();
    CHECK(error.code == "guest_died");
    CHECK(error.detail == "the container is exited, its exit code is 127");
    CHECK(fixture.wait(fixture.provider().inspect(made->id))->state == SandboxState::ended);
}

TEST_CASE("a socket's place that is taken, and little room") {
    DockerFixture fixture;
    auto& provider = fixture.provider();
    auto made = fixture.wait(provider.create(fixture.request("dies")));
    REQUIRE(succeeded(made));
    // A directory in the place of its socket: the guest cannot listen.
    std::filesystem::create_directories(fixture.state() / "sandboxes" / made->id / "run/guest.sock/in");
    auto started = fixture.wait(provider.start(made->id));
    CHECK(started.error().code == "sandbox_socket_taken");
    std::filesystem::remove_all(fixture.state() / "sandboxes" / made->id / "run");
    started = fixture.wait(provider.start(made->id));
    CHECK(succeeded(started));
    auto tiny = fixture.request("tiny");
    tiny.limits.processes = 8;
    tiny.limits.memory_bytes = 16 << 20;
    const auto small = fixture.start(tiny);
    CHECK(fixture.shell(small, "echo fits").text == "fits\n");
}
