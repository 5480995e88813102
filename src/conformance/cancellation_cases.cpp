// SPDX-License-Identifier: Apache-2.0
// Each long operation is cancelled, at once and later: it ends soon, as cancelled or done, and leaves nothing that a list would
// not show.
#include "conformance/bench.hpp"
#include "conformance/case.hpp"

#include <algorithm>
#include <fstream>
#include <thread>

namespace sandboxkit::conformance {
namespace {

constexpr std::chrono::milliseconds delays[] = {std::chrono::milliseconds(0), std::chrono::milliseconds(3),
                                                std::chrono::milliseconds(15), std::chrono::milliseconds(60),
                                                std::chrono::milliseconds(250)};
constexpr std::chrono::seconds soon{20};

// Begins it, cancels it after the delay, and waits for its end.
template <class T>
Result<T> cancelled(Bench& bench, std::string_view what, Task<T> task, std::chrono::milliseconds delay) {
    auto operation = bench.begin(std::move(task));
    std::this_thread::sleep_for(delay); // a moment within it; there is no state to wait for
    operation.cancel();
    const auto begin = std::chrono::steady_clock::now();
    auto result = bench.finish(operation);
    const auto taken = std::chrono::steady_clock::now() - begin;
    bench.check(taken < soon, std::string(what) + " ends soon after it was cancelled",
                std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(taken).count()) + " ms");
    if (!result)
        bench.check(result.error().kind == ErrorClass::cancelled, std::string(what) + ", cancelled, fails as cancelled",
                    shown(result.error()));
    return result;
}

bool lists(const std::vector<SandboxInfo>& all, const std::string& id) {
    return std::ranges::count(all, id, &SandboxInfo::id) == 1;
}

void preparing(Bench& bench) {
    for (const auto delay : delays) {
        const auto tree = bench.directory("tree");
        for (int i = 0; i < 200; ++i) std::ofstream(tree / ("file" + std::to_string(i))) << std::string(20000, 'x');
        auto request = bench.image_request();
        request.trees = {{tree, "/srv/tree"}};
        const auto made = cancelled(bench, "preparing an image", bench.provider().prepare_image(std::move(request)), delay);
        const auto all = bench.get("listing images", bench.provider().list_images());
        const auto count = std::ranges::count(all, bench.labels(), &ImageInfo::labels);
        bench.check(count == 0 || made.has_value(), "nothing is listed of an image whose making was cancelled");
        if (made) bench.get("removing it", bench.provider().remove_image(made->id));
    }
}

void creating(Bench& bench) {
    for (const auto delay : delays) {
        const auto request = bench.request();
        const auto made = cancelled(bench, "creating", bench.provider().create(request), delay);
        if (made) bench.check(lists(bench.sandboxes(), made->id), "what was created all the same is listed");
        for (const auto& each : bench.sandboxes()) bench.get("destroying", bench.provider().destroy(each.id));
        auto again = bench.start(request);
        bench.check(again.works("true"), "the token is good for another creation");
        again.destroy();
    }
}

void starting(Bench& bench) {
    for (const auto delay : delays) {
        auto sandbox = bench.create(bench.request());
        (void)cancelled(bench, "starting", bench.provider().start(sandbox.id()), delay);
        bench.check(lists(bench.sandboxes(), sandbox.id()), "the sandbox is listed");
        sandbox.start();
        bench.check(sandbox.works("true"), "it can be started after a start was cancelled");
        sandbox.destroy();
    }
}

void stopping(Bench& bench) {
    for (const auto delay : delays) {
        auto sandbox = bench.start();
        (void)sandbox.text("echo kept > /root/kept");
        (void)cancelled(bench, "stopping", bench.provider().stop(sandbox.id()), delay);
        sandbox.stop();
        sandbox.start();
        bench.equal("its file", sandbox.text("cat /root/kept"), "kept\n");
        sandbox.destroy();
    }
}

void destroying(Bench& bench) {
    for (const auto delay : delays) {
        auto sandbox = bench.start();
        auto result = cancelled(bench, "destroying", bench.provider().destroy(sandbox.id()), delay);
        if (result) bench.check(!lists(bench.sandboxes(), sandbox.id()), "what was destroyed is not listed");
        sandbox.destroy();
        bench.check(bench.sandboxes().empty(), "it can be destroyed after a destruction was cancelled");
    }
}

void capturing(Bench& bench) {
    for (const auto delay : delays) {
        auto sandbox = bench.start();
        (void)sandbox.text("dd if=/dev/urandom of=/root/file bs=1M count=8 2> /dev/null");
        const auto result = cancelled(bench, "capturing", bench.provider().capture(sandbox.id(), bench.labels()), delay);
        const auto all = bench.get("listing images", bench.provider().list_images());
        const auto count = std::ranges::count(all, bench.labels(), &ImageInfo::labels);
        bench.check(count == (result ? 1 : 0), "an image is listed exactly if the capture succeeded", std::to_string(count));
        sandbox.destroy();
        for (const auto& each : all)
            if (each.labels == bench.labels()) bench.get("removing it", bench.provider().remove_image(each.id));
    }
}

Task<ProcessEvent> read_to_the_end(std::shared_ptr<envd::ProcessStream> stream) {
    for (;;) {
        auto event = co_await stream->next();
        if (!event || event->end) co_return event;
    }
}

void a_command(Bench& bench) {
    auto sandbox = bench.start();
    ExecRequest request;
    request.argv = {"/bin/sh", "-c", "exec sleep 1000"};
    auto stream = bench.get("starting a command", sandbox.client().start(request));
    const auto result = cancelled(bench, "waiting for a command", read_to_the_end(stream), std::chrono::milliseconds(50));
    bench.check(result.has_error(), "waiting for a command that does not end is broken off");
    bench.get("ending the command", sandbox.client().send_signal(stream->pid(), 9));
    auto end = bench.get("waiting for it again", read_to_the_end(stream));
    bench.check(end.end.has_value() && end.end->signal == 9, "the next wait goes on where that one was");
}

} // namespace

Group cancellation_cases() {
    return {"cancellation",
            {
                {"preparing", "the making of an image", preparing},
                {"creating", "a creation; its token stays good", creating},
                {"starting", "a start; the sandbox can be started again", starting},
                {"stopping", "a stop; nothing of the layer is lost", stopping, {stop_and_resume}},
                {"destroying", "a destruction; it can be done again", destroying},
                {"capturing", "a capture; there is an image, or none", capturing, {capture}},
                {"a_command", "waiting for a command; the command goes on", a_command},
            }};
}

} // namespace sandboxkit::conformance
