// SPDX-License-Identifier: Apache-2.0
// The token of a creation: whoever repeats it, because a reply was lost say, gets the same sandbox.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

namespace sandboxkit::conformance {
namespace {

void same_token_twice(Bench& bench) {
    const auto request = bench.request();
    auto first = bench.create(request);
    auto second = bench.create(request);
    bench.equal("the id that the second creation returns", second.id(), first.id());
    first.start();
    auto third = bench.get("creating again while it runs", bench.provider().create(request));
    bench.equal("the id that the third creation returns", third.id, first.id());
    bench.check(third.state == SandboxState::running, "creating again does not stop it");
    bench.check(bench.sandboxes().size() == 1, "there is one sandbox");
}

void same_token_at_once(Bench& bench) {
    const auto request = bench.request();
    std::vector<Operation<SandboxInfo>> all;
    for (int i = 0; i < 8; ++i) all.push_back(bench.begin(bench.provider().create(request)));
    std::string id;
    for (auto& each : all) {
        const auto info = bench.get("creating with the token of another creation", bench.finish(each));
        if (id.empty()) id = info.id;
        bench.equal("the id", info.id, id);
    }
    bench.check(bench.sandboxes().size() == 1, "there is one sandbox");
    Sandbox(bench, id).start();
}

void two_tokens(Bench& bench) {
    auto first = bench.create(bench.request());
    auto second = bench.create(bench.request());
    bench.check(first.id() != second.id(), "another token makes another sandbox");
}

void odd_tokens(Bench& bench) {
    auto request = bench.request();
    const auto plain = request.token;
    std::vector<std::string> ids;
    const std::vector<std::string> suffixes{" ", "/../x", "ä", "A", "a", "%41", "-" + std::string(200, 'x')};
    for (const auto& suffix : suffixes) {
        request.token = plain + suffix;
        auto sandbox = bench.create(request);
        bench.equal("the token", bench.get("inspecting", bench.provider().inspect(sandbox.id())).token, request.token);
        for (const auto& id : ids) bench.check(id != sandbox.id(), "the token " + shown(request.token) + " is one of its own");
        ids.push_back(sandbox.id());
    }
}

void after_destruction(Bench& bench) {
    const auto request = bench.request();
    auto first = bench.start(request);
    (void)first.text("echo old > /root/old");
    first.destroy();
    auto second = bench.start(request);
    bench.check(!second.works("test -e /root/old"), "a token that is used again makes a new sandbox");
    bench.check(bench.sandboxes().size() == 1, "there is one sandbox");
}

} // namespace

Group idempotency_cases() {
    return {"idempotency",
            {
                {"same_token_twice", "the same token returns the same sandbox, in whatever state", same_token_twice},
                {"same_token_at_once", "eight creations at once with one token make one sandbox", same_token_at_once},
                {"two_tokens", "two tokens make two sandboxes", two_tokens},
                {"odd_tokens", "tokens are compared exactly, whatever characters they have", odd_tokens},
                {"after_destruction", "after a sandbox was destroyed its token makes a new one", after_destruction},
            }};
}

} // namespace sandboxkit::conformance
