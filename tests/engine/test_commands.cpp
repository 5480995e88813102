// SPDX-License-Identifier: Apache-2.0
// Commands that are cancelled, and sessions that go away under them. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/holding_relay.hpp"
#include "engine/manual_clock.hpp"
#include "engine/memory_provider.hpp"

#include <fcntl.h>
#include <sys/stat.h>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

// A pipe with a name that a command keeps open: its end is the command's.
class LifeLine {
public:
    explicit LifeLine(const fs::path& path) : path_(path) {
        REQUIRE(::mkfifo(path.c_str(), 0666) == 0);
        fd_ = ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    }
    ~LifeLine() { ::close(fd_); }
    LifeLine(const LifeLine&) = delete;
    LifeLine& operator=(const LifeLine&) = delete;

    [[nodiscard]] ExecRequest command() const {
        ExecRequest request;
        request.argv = {"/bin/sh", "-c", "exec 3> '" + path_.string() + "'; echo up >&3; exec sleep 1000"};
        return request;
    }
    void wait_for_start() const {
        char up[3];
        REQUIRE(wait(POLLIN));
        REQUIRE(::read(fd_, up, sizeof up) == 3);
    }
    [[nodiscard]] bool ended() const { return wait(POLLHUP); }

private:
    [[nodiscard]] bool wait(short event) const {
        pollfd one{fd_, POLLIN, 0};
        return ::poll(&one, 1, 30'000) == 1 && (one.revents & event) != 0;
    }
    fs::path path_;
    int fd_ = -1;
};

} // namespace

TEST_CASE("a command that is cancelled before its start was answered does not run on") {
    TempDir dir;
    HoldingRelay relay;
    auto provider = std::make_shared<MemoryProvider>();
    provider->route = [&](const fs::path& guest) { return relay.to(guest); };
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto session = start(engine, ready_profile(engine));
    const LifeLine line(dir.path() / "line");
    relay.hold_answer_to("process.Process/Start");
    SUBCASE("collected") {
        auto running = engine.exec(tester, session.id, line.command());
        relay.wait_for_answer();
        line.wait_for_start();
        running.cancel();
        CHECK(running.get().error().kind == ErrorClass::cancelled);
    }
    SUBCASE("streamed") {
        auto running = engine.start_process(tester, session.id, line.command());
        relay.wait_for_answer();
        line.wait_for_start();
        running.cancel();
        CHECK(running.get().error().kind == ErrorClass::cancelled);
    }
    CHECK(line.ended());
    must(engine.remove_session(tester, session.id).get());
}

TEST_CASE("a command in a session that is stopped or removed says so") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    Engine engine = must(Engine::open(options_with(dir.path(), provider)));
    const auto session = start(engine, ready_profile(engine));
    const LifeLine line(dir.path() / "line");
    auto running = engine.exec(tester, session.id, line.command());
    line.wait_for_start();
    std::string state;
    SUBCASE("stopped") {
        must(engine.stop_session(tester, session.id).get());
        state = "stopped";
    }
    SUBCASE("removed") {
        must(engine.remove_session(tester, session.id).get());
        state = "remov";
    }
    const auto result = running.get();
    REQUIRE_FALSE(result.has_value());
    CAPTURE(result.error());
    CHECK(result.error().code == "session_not_running");
    CHECK(result.error().message.find(state) != std::string::npos);
}

TEST_CASE("a kept handle of a command that has ended does not keep its session from being idle") {
    TempDir dir;
    auto provider = std::make_shared<MemoryProvider>();
    auto clock = std::make_shared<ManualClock>();
    EngineOptions options = options_with(dir.path(), provider);
    options.clock = clock;
    Engine engine = must(Engine::open(options));
    auto start_options = of(ready_profile(engine));
    start_options.idle_limit = std::chrono::seconds(60);
    const auto session = must(engine.start_session(tester, start_options).get());
    ExecRequest request;
    request.argv = {"/bin/cat"};
    request.standard_input = true;
    Process process = must(engine.start_process(tester, session.id, request).get());
    for (int i = 0; i < 3; ++i) { // a command that runs is use
        clock->advance(std::chrono::seconds(50));
        must(engine.reconcile(tester).get());
    }
    CHECK(must(engine.session(tester, session.id)).state == SessionState::running);
    must(process.close_stdin().get());
    while (!must(process.next().get()).end) {
    }
    clock->advance(std::chrono::seconds(61));
    must(engine.reconcile(tester).get());
    CHECK(must(engine.session(tester, session.id)).state == SessionState::stopped);
}
