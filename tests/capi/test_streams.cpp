// SPDX-License-Identifier: Apache-2.0
// Submissions that bring many events: the output of a process, what happens to files, the progress of a job.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "capi/c_fixture.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

using namespace sandboxkit::test;

namespace {

constexpr int last_number = 2'000'000;
constexpr const char* count_up = "exec seq 1 2000000"; // 14 MB: much more than what is buffered on the way

std::string all_numbers() {
    std::string text;
    for (int i = 1; i <= last_number; ++i) text += std::to_string(i) += '\n';
    return text;
}

// The output of one process, in the order of its events.
struct Output {
    std::string text;
    bool whole = true; // each chunk began where that before it ended
    void add(const Handle<sbk_event>& event) {
        whole = whole && sbk_event_offset(event.get()) == text.size() && sbk_event_stream(event.get()) == SBK_STANDARD_OUTPUT;
        text += bytes_of(event);
    }
};

std::size_t size_of(const Handle<sbk_event>& event) {
    std::size_t size = 0;
    sbk_event_bytes(event.get(), &size);
    return size;
}

struct Following : CEngine {
    Following() : session(new_session()) {}
    Handle<sbk_process> run(const std::string& script) { return start(session, shell(script)); }
    Handle<sbk_process> attach(const std::string& id, std::int64_t offset) {
        REQUIRE(sbk_process_attach(nullptr, client.get(), 1, session.c_str(), SBK_NUL, id.c_str(), SBK_NUL, offset) == SBK_OK);
        return taken(success(queue, 1));
    }
    // Takes and frees to the end, which is returned.
    Handle<sbk_event> read_to_end(Output& output, std::uint64_t tag) {
        for (;;) {
            auto event = next(queue);
            REQUIRE(sbk_event_tag(event.get()) == tag);
            if (sbk_event_get_kind(event.get()) == SBK_EVENT_COMPLETION) return event;
            REQUIRE(sbk_event_get_kind(event.get()) == SBK_EVENT_OUTPUT);
            output.add(event);
        }
    }
    std::string listed() {
        REQUIRE(sbk_session_processes(nullptr, client.get(), 50, session.c_str(), SBK_NUL) == SBK_OK);
        return std::string(json_of(success(queue, 50)));
    }
    // Keeps events until the stream is at rest.
    std::vector<Handle<sbk_event>> fill(std::uint64_t tag, std::size_t window) {
        std::vector<Handle<sbk_event>> kept;
        for (std::size_t bytes = 0; bytes <= window; bytes += size_of(kept.back()))
            kept.push_back(expect(queue, SBK_EVENT_OUTPUT, tag));
        return kept;
    }
    // No event of any kind is left or comes without anybody asking.
    void check_quiet() {
        REQUIRE(sbk_engine_ping(nullptr, queue.get(), 51, engine.get()) == SBK_OK);
        success(queue, 51);
        CHECK(next(queue, 0) == nullptr);
    }

    std::string session;
};

} // namespace

TEST_CASE("a process is held back while its output is not freed, and nothing of it is lost") {
    Following c;
    constexpr std::size_t window = 64 << 10;
    const auto process = c.run(count_up);
    REQUIRE(sbk_process_follow(nullptr, process.get(), 2, window) == SBK_OK);
    auto kept = c.fill(2, window);
    CHECK(c.listed().find("2000000") != std::string::npos); // it runs, and no output came before this answer
    Output output;
    for (const auto& event : kept) output.add(event);
    SUBCASE("freed here") {
        kept.clear();
    }
    SUBCASE("freed by another thread") {
        std::thread([&] { kept.clear(); }).join();
    }
    SUBCASE("freed by several threads at once") {
        std::vector<std::thread> threads;
        for (auto& event : kept) threads.emplace_back([&] { event.reset(); });
        for (auto& thread : threads) thread.join();
    }
    const auto end = c.read_to_end(output, 2);
    CHECK(sbk_event_status(end.get()) == SBK_OK);
    std::int64_t code = -1;
    CHECK(sbk_event_integer(&code, end.get(), "/exit_code", SBK_NUL) == SBK_OK);
    CHECK(code == 0);
    CHECK(output.whole);
    CHECK(output.text == all_numbers());
    c.check_quiet();
}

TEST_CASE("events that other threads free as they come neither lose nor reorder output") {
    Following c;
    const auto process = c.run(count_up);
    REQUIRE(sbk_process_follow(nullptr, process.get(), 2, 1) == SBK_OK); // at rest after each event
    Output output;
    const auto bin = new_queue(); // of no use but to hand events over
    std::vector<std::thread> freeing;
    std::mutex mutex;
    std::vector<Handle<sbk_event>> given;
    bool over = false;
    for (int i = 0; i < 3; ++i)
        freeing.emplace_back([&] {
            for (;;) {
                sbk_event* event = nullptr;
                sbk_queue_next(&event, bin.get(), -1);
                const Handle<sbk_event> sign(event);
                Handle<sbk_event> one;
                const std::lock_guard lock(mutex);
                if (given.empty() && over) return;
                if (given.empty()) continue;
                one = std::move(given.back());
                given.pop_back();
            }
        });
    for (bool ended = false; !ended;) {
        auto event = next(c.queue);
        ended = sbk_event_get_kind(event.get()) == SBK_EVENT_COMPLETION;
        if (!ended) output.add(event);
        {
            const std::lock_guard lock(mutex);
            given.push_back(std::move(event));
            over = ended;
        }
        for (int i = 0; i < (ended ? 4 : 1); ++i) sbk_queue_post(bin.get(), 0);
    }
    for (auto& thread : freeing) thread.join();
    CHECK(output.whole);
    CHECK(output.text == all_numbers());
}

TEST_CASE("following that is cancelled and taken up again loses nothing") {
    Following c;
    const auto process = c.run(count_up);
    Output output;
    int cancelled = 0;
    for (std::uint64_t tag = 100;; ++tag) {
        sbk_operation* started = nullptr;
        REQUIRE(sbk_process_follow(&started, process.get(), tag, tag % 3 == 0 ? 1 : 0) == SBK_OK);
        const Handle<sbk_operation> operation(started);
        // At any moment: before anything came, at rest, and while something is on its way.
        if (tag % 4 != 0) {
            const auto event = expect(c.queue, SBK_EVENT_OUTPUT, tag);
            output.add(event);
            if (tag % 2 == 0) REQUIRE(sbk_operation_cancel(operation.get()) == SBK_OK);
        }
        REQUIRE(sbk_operation_cancel(operation.get()) == SBK_OK);
        const auto end = c.read_to_end(output, tag);
        if (sbk_event_status(end.get()) == SBK_CANCELLED) ++cancelled;
        if (sbk_event_status(end.get()) == SBK_CANCELLED && tag < 160) continue;
        if (sbk_event_status(end.get()) == SBK_OK) break;
        REQUIRE(sbk_event_status(end.get()) == SBK_CANCELLED);
        REQUIRE(sbk_process_follow(nullptr, process.get(), 3, 0) == SBK_OK);
        CHECK(sbk_event_status(c.read_to_end(output, 3).get()) == SBK_OK);
        break;
    }
    CHECK(cancelled > 10);
    CHECK(output.whole);
    CHECK(output.text == all_numbers());
    c.check_quiet();
}

TEST_CASE("a process is followed once at a time") {
    Following c;
    const auto command = c.shell("echo here; read line; echo there");
    REQUIRE(sbk_command_set_standard_input(command.get(), 1) == SBK_OK);
    const auto process = c.start(c.session, command);
    REQUIRE(sbk_process_follow(nullptr, process.get(), 2, 0) == SBK_OK);
    Output output;
    output.add(expect(c.queue, SBK_EVENT_OUTPUT, 2));
    REQUIRE(sbk_process_follow(nullptr, process.get(), 3, 0) == SBK_OK);
    CHECK(failure(c.queue, 3) == "already_followed");
    // The first goes on.
    REQUIRE(sbk_process_write(nullptr, process.get(), 4, "x\n", 2) == SBK_OK);
    for (int ends = 0; ends < 2;) {
        const auto event = next(c.queue);
        const bool output_came = sbk_event_get_kind(event.get()) == SBK_EVENT_OUTPUT;
        CHECK(sbk_event_status(event.get()) == SBK_OK);
        const bool written = !output_came && json_of(event).empty();
        CHECK(sbk_event_tag(event.get()) == (written ? 4 : 2));
        if (output_came)
            output.add(event);
        else
            ++ends;
    }
    CHECK(output.whole);
    CHECK(output.text == "here\nthere\n");
    // After its end there is nothing to follow any more, and that is said.
    REQUIRE(sbk_process_follow(nullptr, process.get(), 5, 0) == SBK_OK);
    CHECK(sbk_event_get_kind(next(c.queue).get()) == SBK_EVENT_COMPLETION);
    c.check_quiet();
}

TEST_CASE("a process that ends while its follower rests") {
    Following c;
    auto process = c.run("echo one; echo two >&2; exit 3");
    // Somebody else sees the end first.
    REQUIRE(sbk_process_follow(nullptr, process.get(), 2, 1) == SBK_OK);
    auto kept = c.fill(2, 1);
    const auto id = c.listed();
    const auto attached = c.shell("true");
    REQUIRE(sbk_session_exec(nullptr, c.client.get(), 3, c.session.c_str(), SBK_NUL, attached.get(), 0) == SBK_OK);
    success(c.queue, 3);
    while (c.listed() != "[]") {
    }
    CHECK(next(c.queue, 0) == nullptr);
    process.reset(); // the following goes on without the handle
    kept.clear();
    std::string rest;
    for (;;) {
        const auto event = next(c.queue);
        REQUIRE(sbk_event_tag(event.get()) == 2);
        if (sbk_event_get_kind(event.get()) == SBK_EVENT_COMPLETION) {
            CHECK(text_at(event, "/exit_code") == "(none)"); // a number is no text
            std::int64_t code = 0;
            CHECK(sbk_event_integer(&code, event.get(), "/exit_code", SBK_NUL) == SBK_OK);
            CHECK(code == 3);
            break;
        }
        rest += bytes_of(event);
    }
    CHECK(rest.size() <= 8);
    c.check_quiet();
}

TEST_CASE("an engine that closes ends what is followed, at rest or not, before its own end is told") {
    Following c;
    const auto resting = c.run(count_up);
    REQUIRE(sbk_process_follow(nullptr, resting.get(), 2, 1) == SBK_OK);
    auto kept = c.fill(2, 1);
    const auto waiting = c.run("exec sleep 1000");
    REQUIRE(sbk_process_follow(nullptr, waiting.get(), 3, 0) == SBK_OK);
    SUBCASE("and nobody frees anything") {}
    SUBCASE("while events are freed") {
        std::thread([&] { kept.clear(); }).detach();
    }
    REQUIRE(sbk_engine_close(nullptr, c.queue.get(), 4, c.engine.get()) == SBK_OK);
    bool ended[5] = {};
    for (;;) {
        const auto event = next(c.queue);
        if (sbk_event_get_kind(event.get()) != SBK_EVENT_COMPLETION) continue;
        const auto tag = sbk_event_tag(event.get());
        CHECK(!std::exchange(ended[tag], true));
        CHECK(sbk_event_status(event.get()) == (tag == 4 ? SBK_OK : SBK_CANCELLED));
        if (tag == 4) break;
    }
    CHECK(ended[2]);
    CHECK(ended[3]);
    kept.clear();
    CHECK(next(c.queue, 0) == nullptr);
    // Both may be asked again, and say why not.
    REQUIRE(sbk_process_follow(nullptr, waiting.get(), 5, 0) == SBK_OK);
    CHECK(failure(c.queue, 5) == "engine_closed");
    REQUIRE(sbk_process_signal(nullptr, resting.get(), 6, 15) == SBK_OK);
    CHECK(failure(c.queue, 6) == "engine_closed");
}

TEST_CASE("an end that is told while events are freed comes before that of the engine") {
    // Who frees an event may be in the middle of going on when the engine closes.
    for (int round = 0; round < 10; ++round) {
        Following c;
        const auto process = c.run(count_up);
        REQUIRE(sbk_process_follow(nullptr, process.get(), 2, 1) == SBK_OK);
        auto kept = c.fill(2, 1);
        std::atomic<bool> go = false;
        std::thread freeing([&] {
            while (!go) std::this_thread::yield();
            kept.clear();
        });
        go = true;
        REQUIRE(sbk_engine_close(nullptr, c.queue.get(), 4, c.engine.get()) == SBK_OK);
        std::vector<std::uint64_t> ends;
        while (ends.empty() || ends.back() != 4) {
            const auto event = next(c.queue);
            if (sbk_event_get_kind(event.get()) == SBK_EVENT_COMPLETION) ends.push_back(sbk_event_tag(event.get()));
        }
        freeing.join();
        CHECK(ends == std::vector<std::uint64_t>{2, 4});
        CHECK(next(c.queue, 0) == nullptr);
    }
}

TEST_CASE("a queue that is freed while a process is followed") {
    Following c;
    auto other = new_queue();
    auto client = made_by<sbk_client>(sbk_client_new, c.engine.get(), other.get(), "ada", SBK_NUL);
    REQUIRE(sbk_client_add_every_scope(client.get()) == SBK_OK);
    REQUIRE(sbk_process_start(nullptr, client.get(), 1, c.session.c_str(), SBK_NUL, c.shell(count_up).get()) == SBK_OK);
    const auto started = success(other, 1);
    const auto id = text_at(started, "/id");
    const auto process = c.taken(started);
    REQUIRE(sbk_process_follow(nullptr, process.get(), 2, 100'000) == SBK_OK);
    const auto kept = expect(other, SBK_EVENT_OUTPUT, 2);
    other.reset();
    // All of it is there for others.
    const auto again = c.attach(id, 0);
    REQUIRE(sbk_process_follow(nullptr, again.get(), 3, 0) == SBK_OK);
    Output output;
    c.read_to_end(output, 3);
    CHECK(output.text == all_numbers());
}

TEST_CASE("a watch tells what happens until it is cancelled") {
    Following c;
    const auto directory = (c.dir.path() / "watched").string(); // the provider's sandboxes share this file system
    fs::create_directory(directory);
    sbk_operation* started = nullptr;
    REQUIRE(sbk_file_watch(&started, c.client.get(), 2, c.session.c_str(), SBK_NUL, directory.c_str(), SBK_NUL, 1) == SBK_OK);
    const Handle<sbk_operation> operation(started);
    CHECK(text_at(expect(c.queue, SBK_EVENT_STATE, 2), "/state") == "watching");
    std::ofstream(directory + "/a") << "x";
    for (;;) {
        const auto event = expect(c.queue, SBK_EVENT_CHANGE, 2);
        CHECK(text_at(event, "/name") == "a");
        if (text_at(event, "/change") == "written") break;
    }
    REQUIRE(sbk_operation_cancel(operation.get()) == SBK_OK);
    Handle<sbk_event> end;
    do end = next(c.queue);
    while (sbk_event_get_kind(end.get()) != SBK_EVENT_COMPLETION);
    CHECK(sbk_event_status(end.get()) == SBK_CANCELLED);
    std::ofstream(directory + "/b") << "x";
    c.check_quiet();

    REQUIRE(sbk_file_watch(nullptr, c.client.get(), 3, c.session.c_str(), SBK_NUL, "/none", SBK_NUL, 0) == SBK_OK);
    CHECK(sbk_event_status(expect(c.queue, SBK_EVENT_COMPLETION, 3).get()) == SBK_NOT_FOUND);
    // One that is cancelled at once, and one that the engine ends.
    REQUIRE(sbk_file_watch(&started, c.client.get(), 4, c.session.c_str(), SBK_NUL, directory.c_str(), SBK_NUL, 0) == SBK_OK);
    const Handle<sbk_operation> hasty(started);
    REQUIRE(sbk_operation_cancel(hasty.get()) == SBK_OK);
    do end = next(c.queue);
    while (sbk_event_get_kind(end.get()) != SBK_EVENT_COMPLETION);
    CHECK(sbk_event_status(end.get()) == SBK_CANCELLED);
    REQUIRE(sbk_file_watch(nullptr, c.client.get(), 5, c.session.c_str(), SBK_NUL, directory.c_str(), SBK_NUL, 0) == SBK_OK);
    expect(c.queue, SBK_EVENT_STATE, 5);
    REQUIRE(sbk_engine_close(nullptr, c.queue.get(), 6, c.engine.get()) == SBK_OK);
    CHECK(sbk_event_status(expect(c.queue, SBK_EVENT_COMPLETION, 5).get()) == SBK_CANCELLED);
    success(c.queue, 6);
}

TEST_CASE("waiting for a job tells its progress, and cancelling it leaves the job alone") {
    CEngine c;
    const auto gate = c.provider->hold("prepare_image");
    const auto profile = c.new_profile();
    REQUIRE(sbk_version_publish(nullptr, c.client.get(), 1, profile.c_str(), SBK_NUL) == SBK_OK);
    const auto job = text_at(success(c.queue, 1), "/last_job");
    sbk_operation* started = nullptr;
    REQUIRE(sbk_job_wait(&started, c.client.get(), 2, job.c_str(), SBK_NUL) == SBK_OK);
    const Handle<sbk_operation> operation(started);
    gate->wait_for_arrival();
    REQUIRE(sbk_operation_cancel(operation.get()) == SBK_OK);
    Handle<sbk_event> end;
    const auto end_of = [&](std::uint64_t tag) {
        for (;;) {
            end = next(c.queue);
            REQUIRE(sbk_event_tag(end.get()) == tag);
            if (sbk_event_get_kind(end.get()) == SBK_EVENT_COMPLETION) return sbk_event_status(end.get());
            REQUIRE(sbk_event_get_kind(end.get()) == SBK_EVENT_PROGRESS);
            CHECK(text_at(end, "/phase") != "(none)");
        }
    };
    CHECK(end_of(2) == SBK_CANCELLED);
    REQUIRE(sbk_job_wait(nullptr, c.client.get(), 3, job.c_str(), SBK_NUL) == SBK_OK);
    gate->open();
    CHECK(end_of(3) == SBK_OK);
    CHECK(text_at(end, "/state") == "succeeded");
    REQUIRE(sbk_job_wait(nullptr, c.client.get(), 4, "job_none", SBK_NUL) == SBK_OK);
    CHECK(end_of(4) == SBK_NOT_FOUND);
    CHECK(next(c.queue, 0) == nullptr);
}
