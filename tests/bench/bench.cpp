// SPDX-License-Identifier: Apache-2.0
// sandboxkit-bench: what sandboxkit costs, as ratios against baselines measured in the same run, interleaved sample by
// sample. Needs root and an OCI runtime. Usage: sandboxkit-bench [--brief] [--only MEASURE] [DIRECTORY [RUNTIME]]
//   --brief     a few small samples of everything: shows that the program works, and measures nothing
//   --only      one of: profiles, secrets, permission (which need neither root nor runtime), capi, start, exec, output,
//               processes, capture, trees, idle, docker (which needs a Docker daemon on a Unix socket, and is left out
//               without one unless it is named)
//   DIRECTORY   where to make a scratch directory: a real file system; the working directory unless told
//   RUNTIME     instead of the one that the engine would choose
#include "bench/baselines.hpp"
#include "bench/capi.hpp"
#include "bench/docker.hpp"
#include "bench/figures.hpp"
#include "bench/git.hpp"
#include "bench/in_sandbox.hpp"
#include "bench/permission.hpp"
#include "bench/profiles.hpp"
#include "bench/secrets.hpp"

#include "async/spawn.hpp"
#include "providers/local/image_store.hpp"
#include "providers/local/local_provider.hpp"

#include <sandboxkit/engine.hpp>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

#include <cstdio>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <thread>

using namespace sandboxkit;
using namespace sandboxkit::bench;
namespace fs = std::filesystem;

static const Principal me = with_every_scope("bench");

// How much of everything.
struct Size {
    int start_samples, exec_samples, idle_sandboxes;
    int files;
    std::uint64_t bytes;
    int output_samples, few_processes, many_processes, process_samples, tree_samples;
    int secret_samples, decisions, decision_samples, profile_samples, capi_samples;
    DockerSize docker;
    GitSize git;
};
static constexpr DockerSize full_docker{30, 100, 50, 5, 2000, 256 << 20}, brief_docker{2, 3, 3, 1, 10, 1 << 20};
static constexpr GitSize full_git{20'000, 5000, 5}, brief_git{20, 10, 1};
static constexpr Size full{30, 300, 300, 10'000, 1ULL << 30, 9, 100, 1000, 3, 5, 200, 100'000, 9, 300, 9, full_docker, full_git},
    brief{2, 5, 3, 100, 1 << 20, 1, 2, 4, 1, 1, 2, 100, 1, 2, 1, brief_docker, brief_git};
static constexpr int start_warm_up = 2, exec_warm_up = 20;

static std::string read_text(const fs::path& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
}

static double available_mib() {
    std::istringstream lines(read_text("/proc/meminfo"));
    std::string line;
    while (std::getline(lines, line))
        if (line.starts_with("MemAvailable:")) return std::stod(line.substr(13)) / 1024;
    return 0;
}

static std::string ready_profile(Engine& engine) {
    auto profile = must(engine.create_profile(me, R"({"name": "bench", "image": "host", "network": {"egress": "none"}})"));
    auto version = must(engine.publish(me, profile.id).get());
    auto job = must(engine.wait_for_job(me, *version.last_job).get());
    if (job.state != JobState::succeeded)
        throw std::runtime_error("the snapshot failed: " + (job.error ? job.error->message : ""));
    return profile.id;
}

// The bundle of a session's sandbox, changed to run /bin/true on a root that is mounted already.
struct BareRuntime {
    std::string runtime;
    fs::path root, bundle;
    Milliseconds run() const {
        return spawn_and_wait({runtime, "--root", root.string(), "run", "--bundle", bundle.string(), "bench-baseline"});
    }
};

static BareRuntime bare_runtime(const fs::path& scratch, const fs::path& sandbox, const fs::path& mounted,
                                const std::string& runtime) {
    auto config = boost::json::parse(read_text(sandbox / "bundle/config.json")).as_object();
    auto& process = config["process"].as_object();
    process["args"] = boost::json::array{"/bin/true"};
    process["terminal"] = false;
    config["root"].as_object()["path"] = mounted.string();
    config["linux"].as_object()["cgroupsPath"] = "/sandboxkit/bench-baseline";
    const auto bundle = scratch / "baseline-bundle";
    fs::create_directories(bundle);
    std::ofstream(bundle / "config.json") << boost::json::serialize(config);
    return {runtime, scratch / "baseline-root", bundle};
}

static void bench_start(Engine& engine, const std::string& runtime, const std::string& profile, const fs::path& scratch,
                        const fs::path& state, int samples) {
    std::map<std::string, Samples> steps; // as the sessions' own timelines have them
    const auto start_and_run = [&] {
        const auto begin = std::chrono::steady_clock::now();
        auto session = must(engine.start_session(me, {profile, {}, "", {}, {}}).get());
        must(engine.exec(me, session.id, {{"/bin/true"}, {}, {}, {}, false, {}}).get());
        const Milliseconds took = std::chrono::steady_clock::now() - begin;
        for (const auto& step : session.timeline.steps) steps[step.name].add(step.duration);
        must(engine.remove_session(me, session.id).get());
        return took;
    };
    auto model = must(engine.start_session(me, {profile, {}, "", {}, {}}).get());
    auto version = must(engine.version(me, profile, 1));
    auto images = must(local::ImageStore::open(state / "local/images-store"));
    const auto plan = must(images->root_plan(version.image->id));
    MountedRoot mounted(scratch / "baseline", plan.root, plan.usr);
    const auto bare = bare_runtime(scratch, state / "local/sandboxes" / model.sandbox_id, mounted.path(), runtime);
    must(engine.remove_session(me, model.id).get());

    for (const bool idle : {false, true}) {
        Samples ours, theirs, floor;
        steps.clear();
        for (int i = -start_warm_up; i < samples; ++i) {
            const auto rest = [&] {
                if (idle) std::this_thread::sleep_for(std::chrono::milliseconds(150));
            };
            rest();
            const auto a = start_and_run();
            rest();
            const auto b = bare.run();
            rest();
            const auto c = kernel_floor(scratch / "floor", plan.root, plan.usr);
            if (i < 0) continue;
            ours.add(a), theirs.add(b), floor.add(c);
        }
        std::printf("start to the first command's result, from a ready snapshot, %s\n", idle ? "each after 150 ms idle" : "hot");
        row("sandboxkit: start_session + exec /bin/true", ours);
        for (const auto& [name, samples_of_step] : steps) row(("    of it " + name).c_str(), samples_of_step);
        row(("bare " + runtime + " run of /bin/true, root mounted").c_str(), theirs);
        row("kernel floor: clone3, overlay, pivot_root, exec", floor);
        ratio("sandboxkit / bare runtime", ours.percentile(0.5) / theirs.percentile(0.5), runtime == "runc" ? "1.2" : "1.5");
        ratio("sandboxkit / kernel floor", ours.percentile(0.5) / floor.percentile(0.5), "-");
    }
}

static void bench_exec(Engine& engine, const std::string& profile, int samples) {
    auto session = must(engine.start_session(me, {profile, {}, "", {}, {}}).get());
    Samples ours, spawn;
    for (int i = -exec_warm_up; i < samples; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        must(engine.exec(me, session.id, {{"/bin/true"}, {}, {}, {}, false, {}}).get());
        const Milliseconds took = std::chrono::steady_clock::now() - begin;
        const auto bare = spawn_and_wait({"/bin/true"});
        if (i < 0) continue;
        ours.add(took), spawn.add(bare);
    }
    std::printf("exec round trip of /bin/true\n");
    row("sandboxkit: exec", ours);
    row("posix_spawn and wait", spawn);
    ratio("exec - posix_spawn, ms", ours.percentile(0.5) - spawn.percentile(0.5), "0.7");
    ratio("exec / posix_spawn", ours.percentile(0.5) / spawn.percentile(0.5), "-");
    const auto status =
        must(engine.exec(me, session.id, {{"grep", "VmRSS", "/proc/1/status"}, {}, {}, {}, false, {}}).get()).standard_output;
    std::printf("  guest resident: %.2f MiB      aim: 3\n", std::stod(status.substr(status.find(':') + 1)) / 1024);
    must(engine.remove_session(me, session.id).get());
}

// Fills a sandbox with `files` files of `bytes` in all and captures it, at the provider, which tells sealing and syncing apart.
static void bench_capture(Engine& engine, const std::string& profile, const fs::path& state, int files, std::uint64_t bytes) {
    auto session = must(engine.start_session(me, {profile, {}, "", {}, {}}).get());
    const auto script = "mkdir /root/d; cd /root/d; head -c " + std::to_string(bytes / static_cast<std::uint64_t>(files)) +
                        " /dev/urandom > /tmp/f; i=0; while [ $i -lt " + std::to_string(files) +
                        " ]; do echo $i; i=$((i+1)); done | xargs -P2 -I{} cp /tmp/f {}";
    must(engine.exec(me, session.id, {{"/bin/sh", "-c", script}, {}, {}, {}, false, {}}).get());
    async::Pool pool(4);
    boost::asio::io_context io;
    auto provider = must(local::make_local_provider({state / "local", SANDBOXKIT_GUEST_BUILD_PATH, ""}, pool));
    std::map<std::string, std::string> labels;
    auto operation = async::spawn<CaptureResult>(io.get_executor(), provider->capture(session.sandbox_id, labels));
    io.run();
    auto captured = must(operation.get());
    std::printf("capture of a writable layer with %d files and %.0f MiB\n", files, static_cast<double>(bytes) / (1 << 20));
    std::printf("  sealed in %8.2f ms      aim: 50, whatever the size\n  synced and digested in %8.2f ms\n",
                Milliseconds(captured.sealed).count(), Milliseconds(captured.synced).count());
    io.restart();
    auto removed = async::spawn<void>(io.get_executor(), provider->remove_image(captured.image.id));
    io.run();
    must(removed.get());
    must(engine.remove_session(me, session.id).get());
    pool.join();
}

static void bench_idle(Engine& engine, const std::string& profile, int count) {
    std::vector<std::string> ids;
    (void)!::system("sync; echo 3 > /proc/sys/vm/drop_caches");
    const double before = available_mib();
    for (int i = 0; i < count; ++i) ids.push_back(must(engine.start_session(me, {profile, {}, "", {}, {}}).get()).id);
    (void)!::system("sync; echo 3 > /proc/sys/vm/drop_caches");
    const double used = before - available_mib();
    std::printf("%d idle sandboxes without network\n  %.0f MiB in all, %.2f MiB each      aim: 400 MB for 300\n", count, used,
                used / count);
    for (const auto& id : ids) must(engine.remove_session(me, id).get());
}

// A new directory below the given one, which is never touched itself.
class Scratch {
public:
    explicit Scratch(const fs::path& parent) {
        fs::create_directories(parent);
        std::string name = (fs::absolute(parent) / "sandboxkit-bench-XXXXXX").string();
        if (!::mkdtemp(name.data())) throw std::runtime_error("cannot make a directory in " + parent.string());
        path_ = name;
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    ~Scratch() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    [[nodiscard]] const fs::path& path() const { return path_; }

private:
    fs::path path_;
};

// The name of the runtime that the engine uses.
static std::string runtime_of(const EngineOptions& options) {
    if (!options.runtime.empty()) return options.runtime;
    for (const auto& check : Engine::doctor(options))
        if (check.name == "runtime") return check.message.substr(0, check.message.find(' '));
    return {};
}

// All that need a sandbox, or the one of that name.
static void run_measures(Engine& engine, const EngineOptions& options, const fs::path& scratch, const Size& size,
                         const std::string& only) {
    const auto profile = ready_profile(engine);
    const auto state = options.state_directory;
    const auto session = [&] { return BenchSession(engine, me, profile, state); };
    const std::pair<std::string_view, std::function<void()>> measures[] = {
        {"start", [&] { bench_start(engine, runtime_of(options), profile, scratch, state, size.start_samples); }},
        {"exec", [&] { bench_exec(engine, profile, size.exec_samples); }},
        {"capi",
         [&] {
             bench_capi(scratch, size.capi_samples);
             bench_capi_exec(engine, me, options, profile, size.exec_samples);
         }},
        {"output", [&] { bench_output(session(), size.bytes, size.output_samples); }},
        {"processes", [&] { bench_processes(session(), size.few_processes, size.many_processes, size.process_samples); }},
        {"capture",
         [&] {
             bench_capture(engine, profile, state, 10, size.bytes / 100);
             bench_capture(engine, profile, state, size.files, size.bytes);
         }},
        {"trees", [&] { bench_trees(session(), scratch, size.files, size.tree_samples); }},
        {"idle", [&] { bench_idle(engine, profile, size.idle_sandboxes); }},
        {"docker",
         [&] {
             if (!only.empty() || docker_is_there())
                 bench_docker(engine, me, options, scratch, size.docker);
             else
                 std::printf("Docker: left out, there is no daemon\n");
         }},
        {"permission", [&] { bench_permission(size.decisions, size.decision_samples); }},
    };
    bool found = false;
    for (const auto& [name, run] : measures) {
        if (!only.empty() && name != only) continue;
        found = true;
        run();
    }
    if (!found) throw std::runtime_error("there is no measure '" + only + "'");
}

int main(int argc, char** argv) {
    try {
        std::vector<std::string> arguments(argv + 1, argv + argc);
        const bool in_brief = !arguments.empty() && arguments.front() == "--brief";
        if (in_brief) arguments.erase(arguments.begin());
        const Size& size = in_brief ? brief : full;
        std::string only;
        if (arguments.size() > 1 && arguments[0] == "--only") {
            only = arguments[1];
            arguments.erase(arguments.begin(), arguments.begin() + 2);
        }
        if (arguments.size() > 2 || (!arguments.empty() && arguments[0].starts_with('-'))) {
            std::cerr << "usage: sandboxkit-bench [--brief] [--only MEASURE] [DIRECTORY [RUNTIME]]\n"
                         "measures: profiles, secrets, git, permission, capi, start, exec, output, processes, capture, trees, "
                         "idle, docker\n";
            return 2;
        }
        if (only.empty() || only == "secrets") bench_secrets(size.secret_samples);
        if (only.empty() || only == "profiles") bench_profiles(size.profile_samples);
        if (only == "secrets" || only == "profiles") return 0;
        const Scratch scratch(arguments.empty() ? "." : arguments[0]);
        if (only.empty() || only == "git") bench_git(scratch.path(), size.git);
        if (only == "git") return 0;
        EngineOptions options;
        options.store = scratch.path() / "store.db";
        options.state_directory = scratch.path() / "state";
        if (arguments.size() > 1) options.runtime = arguments[1];
        Engine engine = must(Engine::open(options));
        const auto remove_sessions = [&] {
            for (const auto& session : must(engine.sessions(me))) must(engine.remove_session(me, session.id).get());
        };
        try {
            run_measures(engine, options, scratch.path(), size, only);
        } catch (...) {
            remove_sessions();
            throw;
        }
        remove_sessions();
    } catch (const std::exception& e) {
        std::cerr << "error: " << e.what() << '\n';
        return 1;
    }
    return 0;
}
