// SPDX-License-Identifier: Apache-2.0
// The engine over a provider of the host application: what it may ask of one, what it does with one that cannot, and
// with a sandbox whose in-sandbox API answers garbage. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"
#include "engine/memory_provider.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <set>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::test;

// Answers every connection with the same bytes, then closes.
class GarbageServer {
public:
    GarbageServer(fs::path path, std::string answer) : path_(std::move(path)), answer_(std::move(answer)) {
        listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path_.string().copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        REQUIRE(::listen(listener_, 16) == 0);
        thread_ = std::thread([this] {
            for (;;) {
                const int peer = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
                if (peer < 0) return;
                char request[4096];
                (void)!::read(peer, request, sizeof request);
                (void)!::send(peer, answer_.data(), answer_.size(), MSG_NOSIGNAL);
                ::close(peer);
            }
        });
    }
    ~GarbageServer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        ::close(listener_);
    }

private:
    fs::path path_;
    std::string answer_;
    int listener_ = -1;
    std::thread thread_;
};

static fs::path short_socket() {
    return fs::temp_directory_path() / ("sbk-garbage-" + std::to_string(::getpid()) + ".sock");
}

TEST_CASE("a guest that answers garbage: a typed error, and nothing is left") {
    const auto socket = short_socket();
    const std::string_view answers[] = {"",
                                        "\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
                                        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe",
                                        "HTTP/1.1 500 Nope\r\nContent-Length: 2\r\n\r\n{}",
                                        "\x16\x03\x01\x02 not http at all"};
    for (const auto answer : answers) {
        CAPTURE(answer);
        ::unlink(socket.c_str());
        TempDir dir;
        GarbageServer server(socket, std::string(answer));
        auto provider = std::make_shared<MemoryProvider>(socket);
        Engine engine = must(Engine::open(options_with(dir.path(), provider)));
        auto profile = must(engine.create_profile(tester, document({{"provider", "memory"}})));
        REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded); // no setup script: no sandbox
        auto started = engine.start_session(tester, {profile.id, {}, "", {}, {}}).get();
        REQUIRE_FALSE(started.has_value());
        CHECK((started.error().kind == ErrorClass::internal || started.error().kind == ErrorClass::unavailable));
        CHECK(provider->created() == 1);
        CHECK(provider->sandboxes().empty());
        const auto sessions = must(engine.sessions(tester, true));
        REQUIRE(sessions.size() == 1);
        CHECK(sessions[0].state == SessionState::failed);
        CHECK(sessions[0].error.has_value());

        auto script = must(engine.create_profile(tester, document({{"provider", "memory"}, {"setup_script", "true\n"}})));
        auto job = publish_and_build(engine, script.id);
        CHECK(job.state == JobState::failed);
        CHECK(provider->sandboxes().empty());
    }
    ::unlink(socket.c_str());
}

TEST_CASE("what a provider cannot do is refused by name, before anything is created") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>(short_socket());
    provider->can.egress_none = false;
    provider->can.capture = false;
    provider->can.read_only_paths = false;
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    auto profile = must(engine.create_profile(
        tester,
        document({{"provider", "memory"},
                  {"image", "directory:/srv"},
                  {"setup_script", "true\n"},
                  {"resources", {{"disk_mb", 1024}}},
                  {"repositories", {{{"identifier", "r"}, {"url", "https://example.com/r.git"}, {"role", "reference"}}}}})));
    auto refused = engine.publish(tester, profile.id).get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().code == "publish_refused");
    std::set<std::string> pointers;
    for (const auto& problem : refused.error().problems) pointers.insert(problem.pointer);
    CHECK(pointers ==
          std::set<std::string>{"/image", "/network/egress", "/resources/disk_mb", "/setup_script", "/repositories/0/read_only"});
    CHECK(provider->created() == 0);
    CHECK(must(engine.jobs(tester, profile.id)).empty());
    CHECK(must(engine.validate(tester, document({{"provider", "memory"}}), sandboxkit::Gate::publish).get()).errors.size() == 1);
}
