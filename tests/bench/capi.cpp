// SPDX-License-Identifier: Apache-2.0
#include "bench/capi.hpp"

#include "bench/figures.hpp"

#include <sandboxkit.h>

#include <malloc.h>

#include <cstdint>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

namespace sandboxkit::bench {

namespace {

struct Free {
    void operator()(sbk_queue* queue) const { sbk_queue_free(queue); }
    void operator()(sbk_event* event) const { sbk_event_free(event); }
    void operator()(sbk_engine* engine) const { sbk_engine_free(engine); }
    void operator()(sbk_client* client) const { sbk_client_free(client); }
    void operator()(sbk_command* command) const { sbk_command_free(command); }
};
template <class T>
using Handle = std::unique_ptr<T, Free>;

void check(sbk_status status) {
    if (status != SBK_OK) throw std::runtime_error(std::string("the C ABI: ") + sbk_status_name(status));
}

Handle<sbk_event> next(const Handle<sbk_queue>& queue) {
    sbk_event* event = nullptr;
    check(sbk_queue_next(&event, queue.get(), -1));
    Handle<sbk_event> taken(event);
    if (sbk_event_status(event) != SBK_OK) throw std::runtime_error(sbk_event_json(event, nullptr));
    return taken;
}

Handle<sbk_queue> new_queue() {
    sbk_queue* queue = nullptr;
    check(sbk_queue_new(&queue));
    return Handle<sbk_queue>(queue);
}

Handle<sbk_engine> open(const Handle<sbk_queue>& queue, const std::string& store, const std::string& state,
                        const std::string& runtime) {
    sbk_engine_options options{};
    options.struct_size = sizeof options;
    options.store = store.data();
    options.store_size = store.size();
    options.state_directory = state.data();
    options.state_directory_size = state.size();
    options.runtime = runtime.data();
    options.runtime_size = runtime.size();
    options.flags = SBK_ENGINE_NO_JOBS;
    check(sbk_engine_open(nullptr, queue.get(), 0, &options));
    sbk_engine* engine = nullptr;
    check(sbk_event_take_engine(&engine, next(queue).get()));
    return Handle<sbk_engine>(engine);
}

std::size_t allocated() {
    return ::mallinfo2().uordblks;
}

void line(const char* what, const Samples& samples, int count, const char* aim) {
    const auto each = [&](double p) { return samples.percentile(p) * 1000 / count; };
    std::printf("  %-52s p50 %7.2f us   best %7.2f us each      aim: %s\n", what, each(0.5), each(0), aim);
}

} // namespace

void bench_capi(const std::filesystem::path& scratch, int samples) {
    constexpr int few = 1'000, many = 10'000, window = 1'000;
    const auto queue = new_queue();
    const auto engine = open(queue, (scratch / "capi.db").string(), (scratch / "capi").string(), "");
    const auto ping = [&] { check(sbk_engine_ping(nullptr, queue.get(), 0, engine.get())); };
    Samples posting, single, flying, at_once;
    std::size_t queued = 0;
    for (int i = -2; i < samples; ++i) {
        const auto posted = timed([&] {
            for (int n = 0; n < many; ++n) {
                check(sbk_queue_post(queue.get(), 0));
                next(queue);
            }
        });
        const auto alone = timed([&] {
            for (int n = 0; n < few; ++n) {
                ping();
                next(queue);
            }
        });
        for (int n = 0; n < window; ++n) ping();
        const auto flown = timed([&] {
            for (int n = 0; n < many; ++n) {
                next(queue);
                ping();
            }
        });
        for (int n = 0; n < window; ++n) next(queue);
        const auto before = allocated();
        const auto together = timed([&] {
            for (int n = 0; n < many; ++n) ping();
            queued = std::max(queued, allocated() - before);
            for (int n = 0; n < many; ++n) next(queue);
        });
        if (i < 0) continue;
        posting.add(posted), single.add(alone), flying.add(flown), at_once.add(together);
    }
    std::printf("the C ABI\n");
    line("a queue alone: post and next", posting, many, "-");
    line("no-op, one at a time", single, few, "-");
    line("no-op, 1,000 in flight", flying, many, "5");
    line("no-op, 10,000 submitted at once and then taken", at_once, many, "5");
    std::printf("  memory of these 10,000: %.0f bytes each\n", static_cast<double>(queued) / many);
}

void bench_capi_exec(Engine& engine, const Principal& who, const EngineOptions& options, const std::string& profile,
                     int samples) {
    StartOptions wanted;
    wanted.profile = profile;
    const auto session = must(engine.start_session(who, wanted).get());
    {
        const auto queue = new_queue();
        const auto other = open(queue, options.store.string(), options.state_directory.string(), options.runtime);
        sbk_client* made = nullptr;
        check(sbk_client_new(&made, other.get(), queue.get(), who.id.data(), who.id.size()));
        const Handle<sbk_client> client(made);
        check(sbk_client_add_every_scope(made));
        sbk_command* begun = nullptr;
        check(sbk_command_new(&begun));
        const Handle<sbk_command> command(begun);
        check(sbk_command_add_argument(begun, "/bin/true", SBK_NUL));
        Samples through_c, through_cpp;
        for (int i = -20; i < samples; ++i) {
            const auto c = timed([&] {
                check(sbk_session_exec(nullptr, client.get(), 0, session.id.data(), session.id.size(), command.get(), 0));
                next(queue);
            });
            const auto cpp = timed([&] {
                ExecRequest request;
                request.argv = {"/bin/true"};
                must(engine.exec(who, session.id, std::move(request)).get());
            });
            if (i < 0) continue;
            through_c.add(c), through_cpp.add(cpp);
        }
        std::printf("exec round trip of /bin/true\n");
        row("C ABI: sbk_session_exec", through_c);
        row("C++: Engine::exec", through_cpp);
        ratio("C ABI / C++", through_c.percentile(0.5) / through_cpp.percentile(0.5), "1.0");
    }
    must(engine.remove_session(who, session.id).get());
}

} // namespace sandboxkit::bench
