// SPDX-License-Identifier: Apache-2.0
#include "bench/docker.hpp"

#include "bench/baselines.hpp"
#include "bench/figures.hpp"

#include "async/spawn.hpp"
#include "envd/client.hpp"
#include "net/http_client.hpp"
#include "net/unix_path.hpp"
#include "providers/docker/docker_provider.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

namespace sandboxkit::bench {

namespace fs = std::filesystem;
namespace json = boost::json;

namespace {

constexpr int warm_up = 2;

// Runs a coroutine to its end.
class Loop {
public:
    template <class T>
    T run(Task<T> task) {
        auto operation = async::spawn<T>(io_.get_executor(), std::move(task));
        io_.restart();
        io_.run();
        return must(operation.get());
    }
    [[nodiscard]] boost::asio::any_io_executor executor() { return io_.get_executor(); }

private:
    boost::asio::io_context io_{1};
};

std::string socket_of_daemon() {
    const char* host = std::getenv("DOCKER_HOST");
    const std::string text = host ? host : "unix:///var/run/docker.sock";
    if (!text.starts_with("unix://")) throw std::runtime_error("DOCKER_HOST has to be a Unix socket here: " + text);
    return text.substr(7);
}

// The Engine API without anything around it.
class BareApi {
public:
    BareApi(Loop& loop, const std::string& socket) : loop_(loop), http_(loop.executor(), target(socket)) {}

    json::value call(const std::string& method, const std::string& path, const json::value& body = {}) {
        net::HttpRequest request;
        request.method = method;
        request.target = "/v1.41" + path;
        if (!body.is_null()) {
            request.body = json::serialize(body);
            request.headers = {{"Content-Type", "application/json"}};
        }
        auto response = loop_.run(http_.unary(std::move(request)));
        if (response.head.status >= 400) throw std::runtime_error(method + " " + path + ": " + response.body);
        return response.body.empty() ? json::value() : json::parse(response.body);
    }
    std::string create(const json::object& config) {
        return std::string(call("POST", "/containers/create", config).at("Id").as_string());
    }
    void start(const std::string& id) { call("POST", "/containers/" + id + "/start"); }
    void remove(const std::string& id) { call("DELETE", "/containers/" + id + "?force=1&v=1"); }

private:
    static net::HttpTarget target(const std::string& socket) {
        net::HttpTarget target;
        target.unix_socket = socket;
        target.name = "the Docker daemon";
        return target;
    }
    Loop& loop_;
    net::HttpClient http_;
};

// A container with the guest in it and nothing that keeps anybody safe.
json::object guest_container(const std::string& image, const fs::path& directory) {
    const json::array mounts{json::object{{"Type", "bind"}, {"Source", SANDBOXKIT_GUEST_BUILD_PATH}, {"Target", "/guest"}},
                             json::object{{"Type", "bind"}, {"Source", directory.string()}, {"Target", "/run/guest"}}};
    return {{"Image", image},
            {"Entrypoint", json::array{"/guest", "--listen-unix", "/run/guest/s"}},
            {"HostConfig", json::object{{"NetworkMode", "none"}, {"Mounts", mounts}}}};
}

void wait_for_socket(const fs::path& path) {
    for (int fd = -1; fd < 0; ::usleep(1000)) {
        fd = net::connect_unix_path(path);
        if (fd >= 0) ::close(fd);
    }
}

Task<void> run_true(std::shared_ptr<envd::Client> client) {
    ExecRequest request;
    request.argv = {"/bin/true"};
    auto stream = co_await client->start(std::move(request));
    if (!stream) co_return stream.error();
    for (;;) {
        auto event = co_await (*stream)->next();
        if (!event) co_return event.error();
        if (event->end) co_return Result<void>{};
    }
}

void run_true_at(Loop& loop, const fs::path& socket) {
    Endpoint endpoint;
    endpoint.unix_socket = socket;
    loop.run(run_true(envd::Client::make(loop.executor(), std::move(endpoint))));
}

std::string busybox_archive(const fs::path& scratch) {
    const auto root = scratch / "busybox";
    fs::create_directories(root / "bin");
    for (const char* there : {"/bin/busybox", "/usr/bin/busybox"})
        if (fs::exists(there)) fs::copy_file(there, root / "bin/busybox", fs::copy_options::overwrite_existing);
    if (!fs::exists(root / "bin/busybox")) throw std::runtime_error("there is no busybox: install busybox-static");
    for (const char* name : {"sh", "true", "head", "mkdir", "seq", "xargs", "cp", "cat"})
        if (!fs::exists(fs::symlink_status(root / "bin" / name))) fs::create_symlink("busybox", root / "bin" / name);
    const auto archive = scratch / "busybox.tar";
    spawn_and_wait({"tar", "-C", root.string(), "-cf", archive.string(), "."});
    return archive.string();
}

ImageHandle ready_image(Engine& engine, const Principal& who, const fs::path& scratch, std::string& profile) {
    const json::object document{{"name", "bench-docker"},
                                {"provider", "docker"},
                                {"image", "archive:" + busybox_archive(scratch)},
                                {"network", json::object{{"egress", "none"}}}};
    profile = must(engine.create_profile(who, json::serialize(document))).id;
    auto version = must(engine.publish(who, profile).get());
    auto job = must(engine.wait_for_job(who, *version.last_job).get());
    if (job.state != JobState::succeeded)
        throw std::runtime_error("the snapshot failed: " + (job.error ? job.error->message + " " + job.error->detail : ""));
    return *must(engine.version(who, profile, 1)).image;
}

void bench_start(Engine& engine, const Principal& who, const std::string& profile, const std::string& image, BareApi& api,
                 Loop& loop, const fs::path& scratch, int samples) {
    Samples ours, bare, command;
    std::map<std::string, Samples> steps;
    for (int i = -warm_up; i < samples; ++i) {
        std::string id;
        Timeline timeline;
        const auto a = timed([&] {
            auto session = must(engine.start_session(who, {profile, {}, "", {}, {}}).get());
            must(engine.exec(who, session.id, {{"/bin/true"}, {}, {}, {}, false, {}}).get());
            id = session.id;
            timeline = session.timeline;
        });
        must(engine.remove_session(who, id).get());
        const auto directory = scratch / ("bare-" + std::to_string(i));
        fs::create_directories(directory);
        const auto b = timed([&] {
            id = api.create(guest_container(image, directory));
            api.start(id);
            wait_for_socket(directory / "s");
            run_true_at(loop, directory / "s");
        });
        api.remove(id);
        const auto c = spawn_and_wait({"docker", "run", "--rm", "--network", "none", "--entrypoint", "/bin/true", image});
        if (i < 0) continue;
        for (const auto& step : timeline.steps) steps[step.name].add(step.duration);
        ours.add(a), bare.add(b), command.add(c);
    }
    std::printf("Docker: start to the first command's result, from a ready snapshot, no network\n");
    row("sandboxkit: start_session + exec /bin/true", ours);
    for (const auto& [name, samples_of_step] : steps) row(("    of it " + name).c_str(), samples_of_step);
    row("bare API: create, start, exec by the guest", bare);
    row("docker run --rm /bin/true", command);
    ratio("sandboxkit / bare API", ours.percentile(0.5) / bare.percentile(0.5), "1.05");
    ratio("sandboxkit / docker run", ours.percentile(0.5) / command.percentile(0.5), "0.97");
}

void bench_exec(Engine& engine, const Principal& who, const std::string& profile, int samples) {
    auto session = must(engine.start_session(who, {profile, {}, "", {}, {}}).get());
    Samples ours, command;
    for (int i = -warm_up; i < samples; ++i) {
        const auto a = timed([&] { must(engine.exec(who, session.id, {{"/bin/true"}, {}, {}, {}, false, {}}).get()); });
        const auto b = spawn_and_wait({"docker", "exec", session.sandbox_id, "/bin/true"});
        if (i < 0) continue;
        ours.add(a), command.add(b);
    }
    must(engine.remove_session(who, session.id).get());
    std::printf("Docker: exec round trip of /bin/true\n");
    row("sandboxkit: exec", ours);
    row("docker exec", command);
    ratio("docker exec / sandboxkit", command.percentile(0.5) / ours.percentile(0.5), "at least 25");
}

void bench_concurrent(Engine& engine, const Principal& who, const std::string& profile, int count) {
    int failures = 0;
    std::vector<std::string> ids;
    const auto took = timed([&] {
        std::vector<Operation<SessionInfo>> starts;
        for (int i = 0; i < count; ++i) starts.push_back(engine.start_session(who, {profile, {}, "", {}, {}}));
        for (auto& start : starts) {
            auto session = start.get();
            if (session)
                ids.push_back(session->id);
            else
                ++failures;
        }
    });
    for (const auto& id : ids) must(engine.remove_session(who, id).get());
    std::printf("Docker: %d starts at once in %.0f ms, %d failures      aim: 0\n", count, took.count(), failures);
}

// Two sandboxes with the same in them: one is captured, the other committed by the API.
void bench_capture(Engine& engine, const Principal& who, const EngineOptions& options, const std::string& profile, BareApi& api,
                   Loop& loop, const DockerSize& size) {
    const auto script = "mkdir /d; cd /d; head -c " + std::to_string(size.bytes / static_cast<std::uint64_t>(size.files)) +
                        " /dev/urandom > /f; for i in $(seq " + std::to_string(size.files) + "); do cp /f $i; done";
    async::Pool pool(2);
    docker::DockerOptions docker_options;
    docker_options.state_directory = options.state_directory / "docker";
    docker_options.guest = SANDBOXKIT_GUEST_BUILD_PATH;
    auto provider = must(docker::make_docker_provider(docker_options, loop.executor(), pool));
    Samples ours, theirs;
    for (int i = 0; i < size.capture_samples; ++i) {
        auto first = must(engine.start_session(who, {profile, {}, "", {}, {}}).get());
        auto second = must(engine.start_session(who, {profile, {}, "", {}, {}}).get());
        for (const auto& id : {first.id, second.id})
            must(engine.exec(who, id, {{"/bin/sh", "-c", script}, {}, {}, {}, false, {}}).get());
        std::string ours_image, their_image;
        const auto capture = [&] {
            std::map<std::string, std::string> labels;
            ours_image = loop.run(provider->capture(first.sandbox_id, labels)).image.id;
        };
        const auto commit = [&] {
            api.call("POST", "/containers/" + second.sandbox_id + "/kill");
            api.call("POST", "/containers/" + second.sandbox_id + "/wait");
            their_image = api.call("POST", "/commit?pause=0&container=" + second.sandbox_id, json::object{}).at("Id").as_string();
        };
        // In turns, and neither pays for what was written before it.
        for (const bool own : {i % 2 == 0, i % 2 != 0}) {
            ::sync();
            own ? ours.add(timed(capture)) : theirs.add(timed(commit));
        }
        for (const auto& id : {first.id, second.id}) must(engine.remove_session(who, id).get());
        loop.run(provider->remove_image(ours_image));
        api.call("DELETE", "/images/" + their_image);
    }
    pool.join();
    std::printf("Docker: capture of a writable layer with %d files and %.0f MiB\n", size.files,
                static_cast<double>(size.bytes) / (1 << 20));
    row("sandboxkit: capture", ours);
    row("bare API: kill, wait, commit", theirs);
    ratio("sandboxkit / bare API", ours.percentile(0.5) / theirs.percentile(0.5), "1");
}

} // namespace

bool docker_is_there() {
    const char* host = std::getenv("DOCKER_HOST");
    if (host && !std::string_view(host).starts_with("unix://")) return false;
    const int fd = net::connect_unix_path(socket_of_daemon());
    if (fd >= 0) ::close(fd);
    return fd >= 0;
}

void bench_docker(Engine& engine, const Principal& who, const EngineOptions& options, const fs::path& scratch,
                  const DockerSize& size) {
    Loop loop;
    BareApi api(loop, socket_of_daemon());
    std::string profile;
    const auto image = ready_image(engine, who, scratch, profile);
    bench_start(engine, who, profile, image.id, api, loop, scratch, size.start_samples);
    bench_exec(engine, who, profile, size.exec_samples);
    bench_concurrent(engine, who, profile, size.concurrent);
    bench_capture(engine, who, options, profile, api, loop, size);
    must(engine.delete_profile(who, profile, true).get());
    must(engine.reconcile(who).get()); // its image goes, too
}

} // namespace sandboxkit::bench
