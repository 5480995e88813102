// SPDX-License-Identifier: Apache-2.0
// From creation to destruction, and what is refused on the way.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>
#include <functional>

namespace sandboxkit::conformance {
namespace {

bool lists(const std::vector<SandboxInfo>& all, const std::string& id) {
    return std::ranges::count(all, id, &SandboxInfo::id) == 1;
}

void a_life(Bench& bench) {
    const auto request = bench.request();
    auto sandbox = bench.create(request);
    const auto made = bench.get("inspecting", bench.provider().inspect(sandbox.id()));
    bench.check(made.state == SandboxState::created, "a sandbox that was only created is in the state created");
    bench.equal("the token", made.token, request.token);
    bench.check(made.labels == request.labels, "the labels are those that were given");
    bench.refused("asking where a sandbox answers that does not run", bench.provider().endpoint(sandbox.id()),
                  {ErrorClass::conflict});
    sandbox.start();
    bench.check(sandbox.state() == SandboxState::running, "a sandbox that was started is running");
    bench.equal("what it prints", sandbox.text("echo hello"), "hello\n");
    sandbox.destroy();
    bench.refused("inspecting a sandbox that was destroyed", bench.provider().inspect(sandbox.id()), {ErrorClass::not_found});
}

void start_twice(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("echo one > /root/kept; sleep 1000 > /dev/null 2>&1 & echo $! > /root/pid");
    sandbox.start();
    bench.check(sandbox.works("kill -0 $(cat /root/pid)"), "starting a running sandbox leaves its processes alone");
}

void stop_and_start(Bench& bench) {
    auto sandbox = bench.start();
    (void)sandbox.text("echo kept > /root/kept; mkdir /root/directory; rm -f /etc/motd; sleep 1000 > /dev/null 2>&1 &");
    sandbox.stop();
    bench.check(sandbox.state() == SandboxState::created, "a sandbox that was stopped is in the state created");
    bench.refused("asking where a stopped sandbox answers", bench.provider().endpoint(sandbox.id()), {ErrorClass::conflict});
    sandbox.start();
    bench.check(sandbox.state() == SandboxState::running, "a sandbox that was started again is running");
    bench.equal("a file of before", sandbox.text("cat /root/kept; ls -d /root/directory"), "kept\n/root/directory\n");
    bench.check(!sandbox.works("ps | grep -v grep | grep -q 'sleep 1000'"), "no process of before runs");
}

void stop_twice(Bench& bench) {
    auto sandbox = bench.create(bench.request());
    sandbox.stop(); // never started
    bench.check(sandbox.state() == SandboxState::created, "stopping what never ran changes nothing");
    sandbox.start();
    sandbox.stop();
    sandbox.stop();
    bench.check(sandbox.state() == SandboxState::created, "stopping a stopped sandbox changes nothing");
}

void destroy_twice(Bench& bench) {
    auto sandbox = bench.start();
    sandbox.destroy();
    sandbox.destroy();
    bench.check(bench.sandboxes().empty(), "nothing is listed");
}

void destroy_in_each_state(Bench& bench) {
    auto created = bench.create(bench.request());
    created.destroy();
    if (bench.can().stop_and_resume) {
        auto stopped = bench.start();
        stopped.stop();
        stopped.destroy();
    }
    auto busy = bench.start();
    (void)busy.text("for i in 1 2 3 4 5; do (while :; do echo x > /root/$i; done) > /dev/null 2>&1 & done");
    busy.destroy();
    bench.check(bench.sandboxes().empty(), "nothing is listed");
}

void unknown_ids(Bench& bench) {
    for (const std::string id : {"no-such-sandbox", "", "../../etc", "sbx_0000000000000000000000"}) {
        const std::string what = " " + shown(id);
        bench.refused("inspecting" + what, bench.provider().inspect(id), {ErrorClass::not_found});
        bench.refused("starting" + what, bench.provider().start(id), {ErrorClass::not_found});
        bench.refused("reaching" + what, bench.provider().endpoint(id), {ErrorClass::not_found});
        bench.get("destroying" + what, bench.provider().destroy(id));
    }
}

// Waits until the provider has seen it: there is nothing that would tell.
SandboxState state_after_its_end(Sandbox& sandbox) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    for (;;) {
        const auto state = sandbox.state();
        if (state != SandboxState::running || std::chrono::steady_clock::now() >= end) return state;
    }
}

void an_end_by_itself(Bench& bench) {
    if (!bench.options().end_compute) Bench::skip("the caller gave no way to end the compute of a sandbox");
    auto sandbox = bench.start();
    (void)sandbox.text("echo kept > /root/kept");
    bench.options().end_compute(sandbox.id());
    bench.check(state_after_its_end(sandbox) == SandboxState::ended, "a sandbox whose compute ended is ended");
    bench.refused("asking where an ended sandbox answers", bench.provider().endpoint(sandbox.id()), {ErrorClass::conflict});
    sandbox.start();
    bench.equal("a file of before", sandbox.text("cat /root/kept"), "kept\n");
}

void half_made_ones_are_listed(Bench& bench) {
    auto created = bench.create(bench.request());
    auto running = bench.start();
    auto all = bench.sandboxes();
    bench.check(lists(all, created.id()), "a sandbox that was never started is listed, once");
    bench.check(lists(all, running.id()), "a running sandbox is listed, once");
    if (bench.can().stop_and_resume) {
        running.stop();
        bench.check(lists(bench.sandboxes(), running.id()), "a stopped sandbox is listed, once");
    }
    if (bench.can().capture) {
        (void)running.capture();
        bench.check(lists(bench.sandboxes(), running.id()), "a captured sandbox is listed, once, until it is destroyed");
    }
    running.destroy();
    all = bench.sandboxes();
    bench.check(!lists(all, running.id()) && all.size() == 1, "a sandbox that was destroyed is not listed");
}

void labels_filter(Bench& bench) {
    auto first = bench.request();
    first.labels["colour"] = "red";
    first.labels["empty"] = "";
    auto second = bench.request();
    second.labels["colour"] = "reddish";
    const auto red = bench.create(first).id();
    const auto reddish = bench.create(second).id();
    const auto found = [&](std::map<std::string, std::string> more) {
        more.merge(bench.labels());
        std::vector<std::string> ids;
        for (const auto& each : bench.get("listing", bench.provider().list(more))) ids.push_back(each.id);
        std::ranges::sort(ids);
        return ids;
    };
    using Ids = std::vector<std::string>;
    Ids both{red, reddish};
    std::ranges::sort(both);
    bench.check(found({}) == both, "both are found by what they have in common");
    bench.check(found({{"colour", "red"}}) == Ids{red}, "a value is compared whole");
    bench.check(found({{"colour", "reddish"}}) == Ids{reddish}, "the other value finds the other");
    bench.check(found({{"empty", ""}}) == Ids{red}, "an empty value is found, and not where the label is missing");
    bench.check(found({{"colour", "red"}, {"empty", "x"}}).empty(), "all labels have to be there");
    bench.check(found({{"Colour", "red"}}).empty(), "names of labels are compared exactly");
    bench.check(found({{"colour", ""}}).empty(), "an empty value does not stand for any");
}

void odd_labels(Bench& bench) {
    auto request = bench.request();
    request.labels["equals=sign"] = "a=b=c";
    request.labels["spaces and, commas"] = " , ";
    request.labels["quotes\"'"] = "\"'\\";
    request.labels["umläut"] = "Ω";
    request.labels["new\nline"] = "\n\t";
    request.labels["dollar$"] = "${HOME} %s {{.}}";
    request.labels["long"] = std::string(252, 'x');
    for (int i = static_cast<int>(request.labels.size()); i < 32; ++i) request.labels["label" + std::to_string(i)] = "v";
    const auto id = bench.create(request).id();
    bench.check(bench.get("inspecting", bench.provider().inspect(id)).labels == request.labels,
                "32 odd labels come back as they were");
    for (const auto& [name, value] : request.labels) {
        auto wanted = bench.labels();
        wanted[name] = value;
        bench.check(lists(bench.get("listing", bench.provider().list(wanted)), id), "it is found by the label " + shown(name));
    }
}

void refused_requests(Bench& bench) {
    const auto refused = [&](const std::string& what, ErrorClass kind, const std::function<void(CreateRequest&)>& change) {
        auto request = bench.request();
        change(request);
        bench.refused(what, bench.provider().create(request), {kind});
    };
    refused("an empty token", ErrorClass::invalid, [](auto& r) { r.token.clear(); });
    refused("a host name with an underscore", ErrorClass::invalid, [](auto& r) { r.hostname = "no_good"; });
    refused("a host name that is too long", ErrorClass::invalid, [](auto& r) { r.hostname = std::string(64, 'a'); });
    refused("a read-only path that is relative", ErrorClass::invalid, [](auto& r) { r.read_only_paths = {"etc"}; });
    refused("a read-only path with dots", ErrorClass::invalid, [](auto& r) { r.read_only_paths = {"/etc/../bin"}; });
    refused("33 labels", ErrorClass::invalid, [](auto& r) {
        for (int i = static_cast<int>(r.labels.size()); i < 33; ++i) r.labels["label" + std::to_string(i)] = "v";
    });
    refused("a label that is too long", ErrorClass::invalid, [](auto& r) { r.labels["long"] = std::string(1000, 'x'); });
    refused("an image that does not exist", ErrorClass::not_found, [](auto& r) { r.image_id = "no-such-image"; });
    bench.check(bench.sandboxes().empty(), "nothing is left of what was refused");
}

void host_name(Bench& bench) {
    auto request = bench.request();
    request.hostname = "a-name-of-its-own";
    auto sandbox = bench.start(request);
    bench.equal("the host name", sandbox.text("hostname"), "a-name-of-its-own\n");
    bench.check(sandbox.works("grep -q localhost /etc/hosts"), "localhost is a name in the sandbox");
}

} // namespace

Group lifecycle_cases() {
    return {"lifecycle",
            {
                {"a_life", "created, started, used, destroyed; each state is told", a_life},
                {"start_twice", "starting a running sandbox succeeds and leaves it alone", start_twice},
                {"stop_and_start",
                 "what was written is there after a stop and a start; no process is",
                 stop_and_start,
                 {stop_and_resume}},
                {"stop_twice", "stopping a stopped sandbox, or one that never ran, succeeds", stop_twice, {stop_and_resume}},
                {"destroy_twice", "destroying what is gone succeeds", destroy_twice},
                {"destroy_in_each_state", "created, stopped and busy sandboxes can be destroyed", destroy_in_each_state},
                {"unknown_ids", "an id that is not one is not found", unknown_ids},
                {"an_end_by_itself",
                 "a sandbox whose compute ends is ended, and starts again with its layer",
                 an_end_by_itself,
                 {stop_and_resume}},
                {"half_made_ones_are_listed", "a list shows sandboxes in every state", half_made_ones_are_listed},
                {"labels_filter", "labels are compared exactly, and all of them", labels_filter},
                {"odd_labels", "32 labels with odd characters, up to 256 bytes, come back and are found", odd_labels},
                {"refused_requests", "a request that cannot be is refused, by class, and leaves nothing", refused_requests},
                {"host_name", "the sandbox has the host name that was asked for", host_name},
            }};
}

} // namespace sandboxkit::conformance
