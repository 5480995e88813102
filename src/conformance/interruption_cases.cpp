// SPDX-License-Identifier: Apache-2.0
// What stands behind the provider dies in the middle, and comes back.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <utility>

namespace sandboxkit::conformance {
namespace {

// Restores whatever happens. The first thing in a case: it may skip it.
class Interruption {
public:
    explicit Interruption(Bench& bench) : bench_(bench) {
        if (!bench.options().interrupt) Bench::skip("the caller gave no way to interrupt");
    }
    ~Interruption() {
        try {
            restore();
        } catch (const std::exception&) { // the clearing up tells of it
        }
    }
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    void cut() {
        down_ = true;
        bench_.options().interrupt();
    }
    void restore() {
        if (std::exchange(down_, false)) bench_.options().restore();
    }

private:
    Bench& bench_;
    bool down_ = false;
};

void while_it_is_away(Bench& bench) {
    Interruption away(bench);
    auto sandbox = bench.start();
    const auto request = bench.request();
    away.cut();
    bench.refused("listing", bench.provider().list(bench.labels()), {ErrorClass::unavailable});
    bench.refused("inspecting", bench.provider().inspect(sandbox.id()), {ErrorClass::unavailable});
    bench.refused("creating", bench.provider().create(request), {ErrorClass::unavailable});
    bench.refused("destroying", bench.provider().destroy(sandbox.id()), {ErrorClass::unavailable});
    bench.refused("listing images", bench.provider().list_images(), {ErrorClass::unavailable});
    away.restore();
    bench.check(bench.sandboxes().size() == 1, "what was there is listed when it is back, and nothing more");
    auto created = bench.create(request);
    bench.check(bench.sandboxes().size() == 2, "what failed can be done then");
    sandbox.destroy();
}

void a_token_finds_its_sandbox(Bench& bench) {
    Interruption away(bench);
    const auto request = bench.request();
    auto first = bench.create(request);
    away.cut();
    away.restore();
    bench.equal("the id that the token finds", bench.create(request).id(), first.id());
    bench.check(bench.sandboxes().size() == 1, "there is one sandbox");
    first.start();
    bench.equal("what it prints", first.text("echo hello"), "hello\n");
}

void in_the_middle_of_a_creation(Bench& bench) {
    Interruption away(bench);
    const auto request = bench.request();
    auto creation = bench.begin(bench.provider().create(request));
    away.cut();
    auto result = bench.finish(creation);
    if (!result)
        bench.check(result.error().kind == ErrorClass::unavailable, "a creation that is cut fails as unavailable",
                    shown(result.error()));
    away.restore();
    auto sandbox = bench.create(request);
    if (result) bench.equal("the id that the token finds", sandbox.id(), result->id);
    bench.check(bench.sandboxes().size() == 1, "nothing is doubled");
    sandbox.start();
    bench.check(sandbox.works("true"), "it works");
}

void in_the_middle_of_a_start(Bench& bench) {
    Interruption away(bench);
    auto sandbox = bench.create(bench.request());
    auto start = bench.begin(bench.provider().start(sandbox.id()));
    away.cut();
    auto result = bench.finish(start);
    if (!result)
        bench.check(result.error().kind == ErrorClass::unavailable, "a start that is cut fails as unavailable",
                    shown(result.error()));
    away.restore();
    sandbox.start();
    bench.check(sandbox.works("true"), "it works after another start");
    bench.check(bench.sandboxes().size() == 1, "nothing is doubled");
}

void in_the_middle_of_a_destruction(Bench& bench) {
    Interruption away(bench);
    auto sandbox = bench.start();
    auto end = bench.begin(bench.provider().destroy(sandbox.id()));
    away.cut();
    auto result = bench.finish(end);
    if (!result)
        bench.check(result.error().kind == ErrorClass::unavailable, "a destruction that is cut fails as unavailable",
                    shown(result.error()));
    away.restore();
    sandbox.destroy();
    bench.check(bench.sandboxes().empty(), "nothing is left");
}

void in_the_middle_of_a_capture(Bench& bench) {
    Interruption away(bench);
    auto sandbox = bench.start();
    (void)sandbox.text("dd if=/dev/urandom of=/root/file bs=1M count=32 2> /dev/null");
    auto work = bench.begin(bench.provider().capture(sandbox.id(), bench.labels()));
    away.cut();
    auto result = bench.finish(work);
    if (!result)
        bench.check(result.error().kind == ErrorClass::unavailable, "a capture that is cut fails as unavailable",
                    shown(result.error()));
    away.restore();
    sandbox.destroy();
    std::vector<std::string> images;
    for (const auto& each : bench.get("listing images", bench.provider().list_images()))
        if (each.labels == bench.labels()) images.push_back(each.id);
    bench.check(images.size() <= 1, "there is one image at most");
    bench.check(!result || images == std::vector{result->image.id}, "what was reported is there");
    for (const auto& each : images)
        bench.check(bench.wait(bench.provider().inspect_image(each)).has_value(), "what is listed is whole");
}

void in_the_middle_of_a_command(Bench& bench) {
    Interruption away(bench);
    auto sandbox = bench.start();
    ExecRequest request;
    request.argv = {"/bin/sh", "-c", "echo begun; exec sleep 1000"};
    auto stream = bench.get("starting a command", sandbox.client().start(request));
    (void)bench.get("reading", stream->next());
    away.cut();
    away.restore();
    const auto state = sandbox.state(); // a daemon may keep sandboxes over its own end, or not
    if (state == SandboxState::running) {
        bench.check(Sandbox(bench, sandbox.id()).works("true"), "a sandbox that is told as running answers");
    } else {
        sandbox.start();
        bench.check(sandbox.works("true"), "a sandbox that ended with it starts again");
    }
}

} // namespace

Group interruption_cases() {
    return {"interruption",
            {
                {"while_it_is_away", "operations fail as unavailable, and succeed when it is back", while_it_is_away},
                {"a_token_finds_its_sandbox", "a token finds its sandbox afterwards", a_token_finds_its_sandbox},
                {"in_the_middle_of_a_creation", "a creation that is cut can be repeated, and nothing is doubled",
                 in_the_middle_of_a_creation},
                {"in_the_middle_of_a_start", "a start that is cut can be repeated", in_the_middle_of_a_start},
                {"in_the_middle_of_a_destruction", "a destruction that is cut can be repeated", in_the_middle_of_a_destruction},
                {"in_the_middle_of_a_capture",
                 "a capture that is cut leaves a whole image, or none",
                 in_the_middle_of_a_capture,
                 {capture}},
                {"in_the_middle_of_a_command", "a sandbox that ran is told as what it is then", in_the_middle_of_a_command},
            }};
}

} // namespace sandboxkit::conformance
