// SPDX-License-Identifier: Apache-2.0
// Limits hold, or are told as not enforced.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace sandboxkit::conformance {
namespace {

constexpr std::uint64_t mib = 1ULL << 20;

void memory(Bench& bench) {
    auto request = bench.request();
    request.limits.memory_bytes = 64 * mib;
    auto sandbox = bench.start(request);
    sandbox.bring_probe();
    bench.equal("using a quarter of the limit", sandbox.probe("memory 16"), "used 16");
    const auto greedy = sandbox.run(std::string(Sandbox::probe_path) + " memory 300");
    bench.check(greedy.standard_output.empty() && greedy.end != ProcessEnd{}, "a process that wants more than the limit dies",
                shown(greedy.standard_output));
    bench.equal("the sandbox, after that", sandbox.text("echo alive"), "alive\n");
    bench.check(sandbox.state() == SandboxState::running, "the sandbox lives on");
}

void shared_memory_counts(Bench& bench) {
    auto request = bench.request();
    request.limits.memory_bytes = 64 * mib;
    auto sandbox = bench.start(request);
    if (!sandbox.works("test -d /dev/shm && test -w /dev/shm")) Bench::skip("the sandbox has no /dev/shm");
    const auto filled = sandbox.run("dd if=/dev/zero of=/dev/shm/full bs=1M count=300");
    bench.check(filled.end != ProcessEnd{}, "/dev/shm does not take more than the limit of memory");
    (void)sandbox.run("rm -f /dev/shm/full");
    bench.equal("the sandbox, after that", sandbox.text("echo alive"), "alive\n");
}

void processes(Bench& bench) {
    auto request = bench.request();
    request.limits.processes = 32;
    auto sandbox = bench.start(request);
    sandbox.bring_probe();
    std::istringstream words(sandbox.probe("fork 500"));
    int count = 0;
    std::string error;
    words >> count >> error;
    bench.check(count > 4 && count <= 32 && error == "EAGAIN", "a fork bomb gets at most 32 processes",
                std::to_string(count) + " " + error);
    bench.equal("the sandbox, after that", sandbox.text("echo alive"), "alive\n");
}

// The time that a busy loop of two seconds got, in seconds.
double time_of_a_busy_loop(Bench& bench, double cpus) {
    auto request = bench.request();
    request.limits.cpus = cpus;
    auto sandbox = bench.start(request);
    sandbox.bring_probe();
    return std::strtod(sandbox.probe("spin 2000").c_str(), nullptr);
}

void cpu(Bench& bench) {
    const double quarter = time_of_a_busy_loop(bench, 0.25);
    bench.check(quarter > 0.05 && quarter < 1.0, "with a quarter of a CPU, two seconds are about half a second of work",
                std::to_string(quarter));
}

void disk(Bench& bench) {
    auto request = bench.request();
    request.limits.disk_bytes = 64 * mib;
    auto sandbox = bench.start(request);
    bench.check(sandbox.works("dd if=/dev/zero of=/root/some bs=1M count=16"), "a quarter of the limit can be written");
    bench.check(!sandbox.works("dd if=/dev/zero of=/root/full bs=1M count=300 && sync"), "more than the limit cannot be written");
    (void)sandbox.run("rm -f /root/full");
    bench.equal("the sandbox, after that", sandbox.text("echo alive"), "alive\n");
}

void what_is_not_enforced_is_told(Bench& bench) {
    auto request = bench.request();
    request.limits.disk_bytes = 64 * mib;
    auto created = bench.wait(bench.provider().create(request));
    if (!created) { // refusing is telling, too
        bench.check(created.error().kind == ErrorClass::unsupported, "a limit is told, or refused as unsupported",
                    shown(created.error()));
        bench.check(!bench.can().disk_limit, "a limit that the provider claims is not refused", shown(created.error()));
        return;
    }
    for (const auto& info : {*created, bench.get("inspecting", bench.provider().inspect(created->id))}) {
        const auto told = [&](bool enforced, const char* name) {
            bench.check((std::ranges::count(info.unenforced, name) == 0) == enforced,
                        std::string(name) + (enforced ? " is not told as unenforced" : " is told as unenforced"));
        };
        told(bench.can().cpu_limit, "cpus");
        told(bench.can().memory_limit, "memory");
        told(bench.can().process_limit, "processes");
        told(bench.can().disk_limit, "disk");
    }
}

void after_a_stop(Bench& bench) {
    auto request = bench.request();
    request.limits.memory_bytes = 64 * mib;
    auto sandbox = bench.start(request);
    sandbox.stop();
    sandbox.start();
    sandbox.bring_probe();
    bench.equal("using more than the limit after another start", sandbox.probe("memory 300"), "");
}

} // namespace

Group limits_cases() {
    return {"limits",
            {
                {"memory", "a process over the limit dies, and the sandbox lives on", memory, {memory_limit}},
                {"shared_memory_counts", "files in /dev/shm count as memory", shared_memory_counts, {memory_limit}},
                {"processes", "a fork bomb is bounded, and the sandbox lives on", processes, {process_limit}},
                {"cpu", "a busy loop gets the share that was given", cpu, {cpu_limit}},
                {"disk", "no more than the limit can be written", disk, {disk_limit}},
                {"what_is_not_enforced_is_told", "a limit that is not enforced is told by name", what_is_not_enforced_is_told},
                {"after_a_stop", "limits hold after a stop and a start", after_a_stop, {memory_limit, stop_and_resume}},
            }};
}

} // namespace sandboxkit::conformance
