// SPDX-License-Identifier: Apache-2.0
// Replies that are lost, cut, late or come twice after the daemon has acted; and daemons that are none.
#include <doctest/doctest.h>

#include "docker/fault_relay.hpp"
#include "docker/fixture.hpp"

#include <algorithm>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

// Where an answer may break off: before it, in its status line, at the end of its head, in its body.
std::vector<FaultRelay::Fault> faults_of(const std::string& request) {
    std::vector<FaultRelay::Fault> faults;
    for (const std::size_t cut : {0, 1, 12, 17}) faults.push_back({request, cut, "", {}, false});
    for (const std::size_t cut : {0, 1, 5}) faults.push_back({request, cut, "\r\n\r\n", {}, false});
    faults.push_back({request, 0, "\r\n", {}, false});
    faults.push_back({request, SIZE_MAX, "", std::chrono::milliseconds(300), false});
    faults.push_back({request, SIZE_MAX, "", {}, true});
    return faults;
}

} // namespace

TEST_CASE("a reply to each step is lost, cut, late or comes twice") {
    FaultRelay relay(private_daemon().socket());
    DockerFixture fixture;
    fixture.image();
    fixture.reopen(relay.endpoint());
    auto& provider = fixture.provider();
    int number = 0;
    const auto each = [&](const std::string& request, const auto& act) {
        for (const auto& fault : faults_of(request)) {
            CAPTURE(request);
            CAPTURE(fault.cut);
            CAPTURE(fault.cut_after);
            CAPTURE(fault.twice);
            REQUIRE(fixture.wait(provider.capabilities()).has_value());
            act(fault, fixture.request("fault " + std::to_string(number++)));
            CHECK(relay.struck());
        }
    };
    SUBCASE("create") {
        each("/containers/create", [&](const auto& fault, const auto& request) {
            relay.plan(fault);
            auto made = fixture.wait(provider.create(request));
            REQUIRE(succeeded(made));
            auto listed = fixture.wait(provider.list(fixture.labels()));
            REQUIRE(succeeded(listed));
            CHECK(std::ranges::count_if(*listed, [&](const auto& one) { return one.token == request.token; }) == 1);
            REQUIRE(succeeded(fixture.wait(provider.destroy(made->id))));
        });
    }
    SUBCASE("start") {
        each("/start", [&](const auto& fault, const auto& request) {
            auto made = fixture.wait(provider.create(request));
            REQUIRE(succeeded(made));
            relay.plan(fault);
            REQUIRE(succeeded(fixture.wait(provider.start(made->id))));
            CHECK(fixture.shell(made->id, "echo here").text == "here\n");
            REQUIRE(succeeded(fixture.wait(provider.destroy(made->id))));
        });
    }
    SUBCASE("stop") {
        each("/stop", [&](const auto& fault, const auto& request) {
            const auto id = fixture.start(request);
            relay.plan(fault);
            REQUIRE(succeeded(fixture.wait(provider.stop(id))));
            CHECK(fixture.wait(provider.inspect(id))->state == SandboxState::created);
            REQUIRE(succeeded(fixture.wait(provider.destroy(id))));
        });
    }
    SUBCASE("capture") {
        each("/commit", [&](const auto& fault, const auto& request) {
            const auto id = fixture.start(request);
            const std::map<std::string, std::string> labels{{"test", fixture.labels().at("test")}, {"of", id}};
            relay.plan(fault);
            auto captured = fixture.wait(provider.capture(id, labels));
            REQUIRE(succeeded(captured));
            auto images = fixture.wait(provider.list_images());
            REQUIRE(succeeded(images));
            CHECK(std::ranges::count_if(*images, [&](const auto& image) { return image.labels == labels; }) == 1);
            REQUIRE(succeeded(fixture.wait(provider.destroy(id))));
            REQUIRE(succeeded(fixture.wait(provider.remove_image(captured->image.id))));
        });
    }
    SUBCASE("destroy") {
        each("DELETE /", [&](const auto& fault, const auto& request) {
            auto made = fixture.wait(provider.create(request));
            REQUIRE(succeeded(made));
            relay.plan(fault);
            if (!fixture.wait(provider.destroy(made->id))) REQUIRE(succeeded(fixture.wait(provider.destroy(made->id))));
            CHECK(fixture.wait(provider.inspect(made->id)).error().code == "sandbox_not_found");
            CHECK(!std::filesystem::exists(fixture.state() / "sandboxes" / made->id));
        });
    }
    SUBCASE("an image") {
        each("name=sandboxkit-helper", [&](const auto& fault, const auto&) {
            ImageRequest request;
            request.image = "archive:" + fixture.archive().string();
            request.labels = fixture.labels();
            relay.plan(fault);
            static_cast<void>(fixture.wait(provider.prepare_image(request)));
            CHECK(private_daemon().docker({"ps", "-aq", "--filter", "label=sandboxkit.kind=helper"}).text.empty());
        });
        each("/commit", [&](const auto& fault, const auto&) {
            ImageRequest request;
            request.image = "archive:" + fixture.archive().string();
            request.labels = {{"test", fixture.labels().at("test")}, {"number", std::to_string(number)}};
            relay.plan(fault);
            auto image = fixture.wait(provider.prepare_image(request));
            REQUIRE(succeeded(image));
            auto images = fixture.wait(provider.list_images());
            CHECK(std::ranges::count_if(*images, [&](const auto& one) { return one.labels == request.labels; }) == 1);
        });
    }
    CHECK(private_daemon().docker({"ps", "-aq", "--filter", "label=sandboxkit.kind=helper"}).text.empty());
    CHECK(private_daemon().docker({"images", "-q", "--filter", "dangling=true"}).text.empty());
}

TEST_CASE("what a process that died left behind is swept") {
    DockerFixture fixture;
    const auto image = fixture.image();
    const auto instance = test::command({"cat", (fixture.state() / "instance").string()}).text;
    REQUIRE(private_daemon()
                .docker({"create", "--label", "sandboxkit.provider=docker", "--label", "sandboxkit.kind=helper", "--label",
                         "sandboxkit.home=" + instance, "--label", "sandboxkit.owner=aaaaaaaaaaaaaaaaaaaa", image, "x"})
                .code == 0);
    const std::string name = "sandboxkit-" + std::string(32, 'a');
    std::filesystem::create_directories(fixture.state() / "sandboxes" / name / "run" / "deep");
    REQUIRE(succeeded(fixture.wait(fixture.provider().list(fixture.labels()))));
    CHECK(private_daemon().docker({"ps", "-aq", "--filter", "label=sandboxkit.kind=helper"}).text.empty());
    CHECK(!std::filesystem::exists(fixture.state() / "sandboxes" / name));
}

TEST_CASE("a daemon that is restarted") {
    DockerFixture fixture;
    const auto id = fixture.start(fixture.request("restarted"));
    CHECK(fixture.shell(id, "echo kept > /root/kept").code == 0);
    const auto pid = test::command({"cat", (private_daemon().directory() / "pid").string()}).text;
    REQUIRE(test::command({"kill", pid}).code == 0);
    while (test::command({"kill", "-0", pid}).code == 0) ::usleep(50'000);
    CHECK(fixture.wait(fixture.provider().list(fixture.labels())).error().kind == ErrorClass::unavailable);
    private_daemon().restart();
    auto listed = fixture.wait(fixture.provider().list(fixture.labels()));
    REQUIRE(succeeded(listed));
    REQUIRE(listed->size() == 1);
    CHECK(listed->front().state != SandboxState::running);
    REQUIRE(succeeded(fixture.wait(fixture.provider().start(id))));
    CHECK(fixture.shell(id, "cat /root/kept").text == "kept\n");
}

TEST_CASE("cancelled operations end, and leave nothing that list does not show") {
    FaultRelay relay(private_daemon().socket());
    DockerFixture fixture;
    fixture.image();
    fixture.reopen(relay.endpoint());
    auto& provider = fixture.provider();
    for (const char* step : {"/containers/create", "/start"}) {
        CAPTURE(step);
        relay.plan({step, SIZE_MAX, "", std::chrono::milliseconds(1500), false});
        const auto request = fixture.request(std::string("cancelled at ") + step);
        const auto all = [](Provider& p, CreateRequest r) -> Task<void> {
            auto made = co_await p.create(std::move(r));
            if (!made) co_return made.error();
            auto started = co_await p.start(made->id);
            co_return started;
        };
        auto operation = fixture.start_operation(all(provider, request));
        while (!relay.struck()) ::usleep(1000);
        operation.cancel();
        CHECK(operation.get().error().kind == ErrorClass::cancelled);
        auto listed = fixture.wait(provider.list(fixture.labels()));
        REQUIRE(succeeded(listed));
        for (const auto& each : *listed) {
            CHECK(each.token == request.token);
            REQUIRE(succeeded(fixture.wait(provider.destroy(each.id))));
        }
    }
}

TEST_CASE("daemons that are none") {
    const std::string ping = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK";
    const auto answer = [](const std::string& body, const std::string& status = "200 OK") {
        return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
    };
    struct Case {
        std::string first, second;
        ErrorClass kind;
        std::string code;
    };
    const std::string deep = std::string(5000, '[');
    const std::vector<Case> cases = {
        {"garbage\r\n\r\n", "", ErrorClass::internal, "peer_protocol"},
        {"", "", ErrorClass::unavailable, "docker_disconnected"},
        {"HTTP/1.1 200", "", ErrorClass::unavailable, "docker_disconnected"},
        {"HTTP/1.1 200 OK\r\n" + std::string(200'000, 'x'), "", ErrorClass::internal, "peer_protocol"},
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "", ErrorClass::internal, "peer_protocol"},
        {"HTTP/1.1 200 OK\r\nApi-Version: 1.24\r\nContent-Length: 2\r\n\r\nOK", "", ErrorClass::unsupported, "docker_too_old"},
        {"HTTP/1.1 200 OK\r\nApi-Version: 99999999999.1\r\nContent-Length: 2\r\n\r\nOK", "", ErrorClass::internal,
         "peer_protocol"},
        {ping, answer("[]"), ErrorClass::internal, "peer_protocol"},
        {ping, answer("{\"ID\":5}"), ErrorClass::internal, "peer_protocol"},
        {ping, answer("{\"ID\":\"x\",\"SecurityOptions\":{}}"), ErrorClass::internal, "peer_protocol"},
        {ping, answer(deep), ErrorClass::internal, "peer_protocol"},
        {ping, answer("{"), ErrorClass::internal, "peer_protocol"},
        {ping, answer("{}"), ErrorClass::unsupported, "docker_not_linux"},
        {ping, "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", ErrorClass::quota, "docker_answer_too_large"},
        {ping, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{", ErrorClass::unavailable, "docker_disconnected"},
        {ping, answer("{\"message\":\"no space left on device\"}", "500 Internal Server Error"), ErrorClass::quota, "disk_full"},
        {ping, answer("not JSON", "503 Service Unavailable"), ErrorClass::unavailable, "docker_unavailable"},
        {ping, answer("{\"message\":7}", "403 Forbidden"), ErrorClass::permission, "docker_permission"},
    };
    for (std::size_t i = 0; i < cases.size(); ++i) {
        CAPTURE(i);
        const Case& expected = cases[i];
        ScriptedPeer peer([&](PeerConnection& client) {
            for (auto request = client.read_request(); !request.empty(); request = client.read_request()) {
                const bool first = request.find(" /_ping ") != std::string::npos;
                client.send(first ? expected.first : expected.second);
                if (!first || expected.first != ping) return;
            }
        });
        boost::asio::io_context context;
        async::Pool pool(1);
        TemporaryDirectory directory;
        docker::DockerOptions options;
        options.endpoint = "unix://" + peer.path().string();
        options.state_directory = directory.path() / "state";
        options.guest = DockerFixture::guest_program();
        auto provider = docker::make_docker_provider(options, context.get_executor(), pool);
        REQUIRE(succeeded(provider));
        auto operation = async::spawn(boost::asio::any_io_executor(context.get_executor()), (*provider)->capabilities());
        while (!operation.done()) context.run_one();
        auto result = operation.get();
        REQUIRE(!result.has_value());
        CHECK(result.error().kind == expected.kind);
        CHECK(result.error().code == expected.code);
    }
}
