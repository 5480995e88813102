// SPDX-License-Identifier: Apache-2.0
// The engine over a provider of the host application: what it may ask of one, what it does with one that cannot, and
// with a sandbox whose in-sandbox API answers garbage. Needs no privileges.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "engine/engine_fixture.hpp"

#include <sandboxkit/provider.hpp>

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <mutex>
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

class MemoryProvider final : public Provider {
public:
    explicit MemoryProvider(fs::path socket) : socket_(std::move(socket)) {
        can.image_kinds = {"host"};
        can.egress_none = can.egress_open = can.capture = can.stop_and_resume = can.read_only_paths = true;
    }
    Capabilities can;
    std::set<std::string> sandboxes() {
        std::lock_guard lock(mutex_);
        std::set<std::string> ids;
        for (const auto& [id, info] : sandboxes_) ids.insert(id);
        return ids;
    }
    int created = 0;

    std::string name() const override { return "memory"; }
    Task<Capabilities> capabilities() override { co_return can; }
    Task<ImageInfo> prepare_image(ImageRequest request) override {
        std::lock_guard lock(mutex_);
        ImageInfo info{"image-" + std::to_string(++last_), std::move(request.labels), {}, false};
        images_[info.id] = info;
        co_return info;
    }
    Task<ImageInfo> inspect_image(std::string id) override { co_return images_[id]; }
    Task<std::vector<ImageInfo>> list_images() override {
        std::lock_guard lock(mutex_);
        std::vector<ImageInfo> all;
        for (const auto& [id, info] : images_) all.push_back(info);
        co_return all;
    }
    Task<void> remove_image(std::string id) override {
        std::lock_guard lock(mutex_);
        images_.erase(id);
        co_return Result<void>{};
    }
    Task<SandboxInfo> create(CreateRequest request) override {
        std::lock_guard lock(mutex_);
        ++created;
        SandboxInfo info{"sandbox-" + request.token, request.token, SandboxState::created, std::move(request.labels), {}};
        sandboxes_[info.id] = info;
        co_return info;
    }
    Task<void> start(std::string id) override {
        std::lock_guard lock(mutex_);
        sandboxes_[id].state = SandboxState::running;
        co_return Result<void>{};
    }
    Task<void> stop(std::string id) override {
        std::lock_guard lock(mutex_);
        sandboxes_[id].state = SandboxState::created;
        co_return Result<void>{};
    }
    Task<void> destroy(std::string id) override {
        std::lock_guard lock(mutex_);
        sandboxes_.erase(id);
        co_return Result<void>{};
    }
    Task<SandboxInfo> inspect(std::string id) override {
        std::lock_guard lock(mutex_);
        const auto found = sandboxes_.find(id);
        if (found == sandboxes_.end()) co_return Error{ErrorClass::not_found, "sandbox_not_found", "no such sandbox", "", "", {}};
        co_return found->second;
    }
    Task<std::vector<SandboxInfo>> list(std::map<std::string, std::string> labels) override {
        std::lock_guard lock(mutex_);
        std::vector<SandboxInfo> all;
        for (const auto& [id, info] : sandboxes_) {
            bool matches = true;
            for (const auto& [key, value] : labels) {
                const auto found = info.labels.find(key);
                matches = matches && found != info.labels.end() && found->second == value;
            }
            if (matches) all.push_back(info);
        }
        co_return all;
    }
    Task<Endpoint> endpoint(std::string) override {
        Endpoint endpoint;
        endpoint.unix_socket = socket_;
        co_return endpoint;
    }
    Task<CaptureResult> capture(std::string, std::map<std::string, std::string> labels) override {
        ImageRequest request{"", {}, std::move(labels)};
        auto image = co_await prepare_image(std::move(request));
        co_return CaptureResult{*image, {}, {}};
    }

private:
    fs::path socket_;
    std::mutex mutex_;
    int last_ = 0;
    std::map<std::string, ImageInfo> images_;
    std::map<std::string, SandboxInfo> sandboxes_;
};

static EngineOptions with_provider(const TempDir& dir, std::shared_ptr<Provider> provider) {
    EngineOptions options = options_in(dir.path());
    options.providers.push_back(std::move(provider));
    return options;
}

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
        Engine engine = must(Engine::open(with_provider(dir, provider)));
        auto profile = must(engine.create_profile(tester, document({{"provider", "memory"}})));
        REQUIRE(publish_and_build(engine, profile.id).state == JobState::succeeded); // no setup script: no sandbox
        auto started = engine.start_session(tester, {profile.id, {}, "", {}, {}}).get();
        REQUIRE_FALSE(started.has_value());
        CHECK((started.error().kind == ErrorClass::internal || started.error().kind == ErrorClass::unavailable));
        CHECK(provider->created == 1);
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
    Engine engine = must(Engine::open(with_provider(dir, provider)));
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
    CHECK(provider->created == 0);
    CHECK(must(engine.jobs(tester, profile.id)).empty());
    CHECK(must(engine.validate(tester, document({{"provider", "memory"}}), true).get()).size() == 1);
}
