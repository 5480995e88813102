// SPDX-License-Identifier: Apache-2.0
// Many at once.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <set>

namespace sandboxkit::conformance {
namespace {

void twenty_sandboxes(Bench& bench) {
    constexpr int count = 20;
    std::vector<Operation<SandboxInfo>> creations;
    for (int i = 0; i < count; ++i) creations.push_back(bench.begin(bench.provider().create(bench.request())));
    std::vector<Sandbox> all;
    std::set<std::string> ids;
    for (auto& each : creations) {
        all.emplace_back(bench, bench.get("creating among others", bench.finish(each)).id);
        ids.insert(all.back().id());
    }
    bench.check(ids.size() == count, "they are twenty");
    std::vector<Operation<void>> starts;
    for (auto& each : all) starts.push_back(bench.begin(bench.provider().start(each.id())));
    for (auto& each : starts) bench.get("starting among others", bench.finish(each));
    for (auto& each : all) (void)each.text("echo " + each.id() + " > /root/own");
    for (auto& each : all) bench.equal("what each has", each.text("cat /root/own"), each.id() + "\n");
    bench.check(bench.sandboxes().size() == count, "all are listed");
    std::vector<Operation<void>> ends;
    for (auto& each : all) ends.push_back(bench.begin(bench.provider().destroy(each.id())));
    for (auto& each : ends) bench.get("destroying among others", bench.finish(each));
    bench.check(bench.sandboxes().empty(), "all are gone");
}

void one_sandbox(Bench& bench) {
    auto sandbox = bench.create(bench.request());
    std::vector<Operation<void>> starts;
    for (int i = 0; i < 6; ++i) starts.push_back(bench.begin(bench.provider().start(sandbox.id())));
    for (auto& each : starts) bench.get("starting one sandbox several times at once", bench.finish(each));
    bench.check(sandbox.works("true"), "it runs");
    std::vector<Operation<void>> ends;
    for (int i = 0; i < 6; ++i) ends.push_back(bench.begin(bench.provider().destroy(sandbox.id())));
    for (auto& each : ends) bench.get("destroying one sandbox several times at once", bench.finish(each));
    bench.check(bench.sandboxes().empty(), "it is gone");
}

void a_start_and_a_destruction(Bench& bench) {
    for (int i = 0; i < 5; ++i) {
        auto sandbox = bench.create(bench.request());
        auto start = bench.begin(bench.provider().start(sandbox.id()));
        auto end = bench.begin(bench.provider().destroy(sandbox.id()));
        (void)bench.finish(start); // whichever came first
        bench.get("destroying what is being started", bench.finish(end));
        sandbox.destroy();
    }
    bench.check(bench.sandboxes().empty(), "nothing is left");
}

void commands(Bench& bench) {
    auto sandbox = bench.start();
    std::vector<std::shared_ptr<envd::ProcessStream>> streams;
    for (int i = 0; i < 30; ++i) {
        ExecRequest request;
        request.argv = {"/bin/sh", "-c", "echo " + std::to_string(i) + "; exec sleep 1000"};
        streams.push_back(bench.get("starting a command among others", sandbox.client().start(request)));
    }
    for (int i = 0; i < 30; ++i)
        bench.equal("its output", bench.get("reading", streams[static_cast<std::size_t>(i)]->next()).bytes,
                    std::to_string(i) + "\n");
}

} // namespace

Group concurrency_cases() {
    return {"concurrency",
            {
                {"twenty_sandboxes", "twenty sandboxes are made, used and destroyed at once", twenty_sandboxes},
                {"one_sandbox", "one sandbox is started and destroyed by several at once", one_sandbox},
                {"a_start_and_a_destruction", "a sandbox is destroyed while it starts", a_start_and_a_destruction},
                {"commands", "thirty commands run at once", commands},
            }};
}

} // namespace sandboxkit::conformance
