// SPDX-License-Identifier: Apache-2.0
// Exactly one completion for each submission: whatever is cancelled, closed and freed meanwhile, by whichever thread.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "capi/c_fixture.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <functional>
#include <mutex>
#include <random>
#include <thread>

using namespace sandboxkit::test;

namespace {

constexpr std::uint64_t most_tags = 100'000, close_tag = most_tags, stop_tag = most_tags + 1;
constexpr std::size_t most_processes = 8;

// What came of each tag.
class Book {
public:
    std::uint64_t next_tag() { return last_++; }
    void submitted(std::uint64_t tag, sbk_status status) {
        CHECK(status == SBK_OK);
        if (status != SBK_OK) return;
        answers_[tag].submitted = true;
        ++submitted_;
    }
    void completed(std::uint64_t tag) {
        ++answers_[tag].completions;
        ++completed_;
    }
    [[nodiscard]] bool is_completed(std::uint64_t tag) const { return answers_[tag].completions > 0; }
    [[nodiscard]] bool settled() const { return completed_ == submitted_; }
    [[nodiscard]] std::uint64_t count() const { return submitted_; }
    // Those that had been submitted.
    [[nodiscard]] std::vector<std::uint64_t> now() const {
        std::vector<std::uint64_t> tags;
        for (std::uint64_t tag = 0; tag < last_; ++tag)
            if (answers_[tag].submitted) tags.push_back(tag);
        return tags;
    }
    [[nodiscard]] bool each_once() const {
        return std::all_of(answers_.begin(), answers_.end(),
                           [](const auto& a) { return a.completions == (a.submitted ? 1 : 0); });
    }

private:
    struct Answer {
        std::atomic<bool> submitted = false;
        std::atomic<int> completions = 0;
    };
    std::vector<Answer> answers_ = std::vector<Answer>(stop_tag + 1);
    std::atomic<std::uint64_t> last_ = 0, submitted_ = 0, completed_ = 0;
};

// Processes that somebody took from a completion, for everybody to use.
class Processes {
public:
    void add(Handle<sbk_process> process) {
        std::shared_ptr<sbk_process> dropped(std::move(process));
        const std::lock_guard lock(mutex_);
        all_.push_back(std::move(dropped));
        if (all_.size() > most_processes) {
            dropped = std::move(all_.front());
            all_.erase(all_.begin());
        }
    }
    std::shared_ptr<sbk_process> any(std::size_t choice) {
        const std::lock_guard lock(mutex_);
        return all_.empty() ? nullptr : all_[choice % all_.size()];
    }
    void clear() {
        const std::lock_guard lock(mutex_);
        all_.clear();
    }

private:
    std::mutex mutex_;
    std::vector<std::shared_ptr<sbk_process>> all_;
};

struct Storm {
    explicit Storm(std::uint32_t s) : seed(s) {}

    CEngine c;
    std::string profile = c.new_profile(), session = c.new_session();
    std::string directory = (c.dir.path() / "watched").string();
    Handle<sbk_command> quick = CEngine::shell("echo hello"), slow = CEngine::shell("echo begin; exec sleep 30"),
                        noisy = CEngine::shell("exec seq 1 30000");
    Book book;
    Processes processes;
    std::atomic<bool> over = false; // nothing more is submitted
    const std::uint32_t seed;

    // One submission of any kind.
    void submit(std::mt19937& random, const Handle<sbk_client>& who, std::vector<Handle<sbk_operation>>& operations) {
        sbk_operation* operation = nullptr;
        sbk_operation** const place = random() % 4 == 0 ? nullptr : &operation;
        const auto tag = book.next_tag();
        sbk_client* const client = who.get();
        const char* const sessions[] = {session.c_str(), "ses_none"};
        const char* const s = sessions[random() % 2];
        const auto process = processes.any(random());
        const auto text = document_for_memory({{"connections", {{"git", "con_1"}}}});
        const auto status = [&] {
            switch (random() % 16) {
            case 0: return sbk_engine_ping(place, c.queue.get(), tag, c.engine.get());
            case 1: return sbk_profile_get(place, client, tag, profile.c_str(), SBK_NUL);
            case 2: return sbk_profile_list(place, client, tag);
            case 3: return sbk_profile_create(place, client, tag, text.data(), text.size(), nullptr, 0);
            case 4: return sbk_profile_validate(place, client, tag, text.data(), text.size(), SBK_GATE_START);
            case 5: return sbk_session_exec(place, client, tag, s, SBK_NUL, quick.get(), 0);
            case 6: return sbk_process_start(place, client, tag, s, SBK_NUL, random() % 2 == 0 ? slow.get() : noisy.get());
            case 7: return sbk_file_write(place, client, tag, s, SBK_NUL, (directory + "/f").c_str(), SBK_NUL, "x", 1);
            case 8: return sbk_file_watch(place, client, tag, s, SBK_NUL, directory.c_str(), SBK_NUL, 0);
            case 9: return sbk_job_wait(place, client, tag, "job_none", SBK_NUL);
            case 10: return sbk_session_processes(place, client, tag, s, SBK_NUL);
            case 11: return sbk_session_resume(place, client, tag, "ses_none", SBK_NUL);
            case 12: return sbk_engine_reconcile(place, client, tag);
            case 13:
                if (process) return sbk_process_follow(place, process.get(), tag, random() % 2);
                break;
            case 14:
                if (process) return sbk_process_signal(place, process.get(), tag, random() % 2 == 0 ? 0 : 9);
                break;
            default:
                if (process) return sbk_process_write(place, process.get(), tag, "x", 1);
            }
            return sbk_engine_ping(place, c.queue.get(), tag, c.engine.get());
        }();
        book.submitted(tag, status);
        Handle<sbk_operation> handle(operation);
        if (!handle) return;
        // At once, later, or never; a watch goes on until somebody does, or the engine closes.
        if (random() % 4 == 0) sbk_operation_cancel(handle.get());
        if (random() % 2 == 0) operations.push_back(std::move(handle));
    }

    void submit_many(std::uint32_t which) {
        std::mt19937 random(seed * 100 + which);
        auto client = c.new_client();
        std::vector<Handle<sbk_operation>> operations;
        while (!over && book.count() < most_tags - 100) {
            submit(random, client, operations);
            if (random() % 20 == 0) client = c.new_client();
            if (!operations.empty() && random() % 2 == 0) {
                auto& one = operations[random() % operations.size()];
                sbk_operation_cancel(one.get());
                if (random() % 2 == 0) {
                    one.swap(operations.back());
                    operations.pop_back();
                }
            }
        }
    }

    // False: the sign to stop.
    bool take(Handle<sbk_event> event) {
        const auto tag = sbk_event_tag(event.get());
        if (tag == stop_tag) return false;
        if (sbk_event_get_kind(event.get()) == SBK_EVENT_COMPLETION) {
            sbk_process* process = nullptr;
            if (sbk_event_take_process(&process, event.get()) == SBK_OK) processes.add(Handle<sbk_process>(process));
            book.completed(tag);
        }
        return true;
    }
    Handle<sbk_event> take_next(std::int64_t timeout) {
        sbk_event* event = nullptr;
        sbk_queue_next(&event, c.queue.get(), timeout);
        return Handle<sbk_event>(event);
    }
    void drain(std::int64_t timeout) {
        for (;;)
            if (auto event = take_next(timeout); event && !take(std::move(event))) return;
    }
    void drain_by_polling() {
        pollfd waiting{sbk_queue_descriptor(c.queue.get()), POLLIN, 0};
        for (;;) {
            ::poll(&waiting, 1, -1);
            while (auto event = take_next(0))
                if (!take(std::move(event))) return;
        }
    }

    void wait_for(std::uint64_t count) {
        while (book.count() < count) std::this_thread::yield();
    }
};

} // namespace

TEST_CASE("each submission is completed once, however many threads submit, cancel, free, drain and close") {
    for (std::uint32_t round = 0; round < 4; ++round) {
        Storm storm(round);
        fs::create_directory(storm.directory);
        std::vector<std::thread> draining, submitting;
        draining.emplace_back([&] { storm.drain(-1); });
        draining.emplace_back([&] { storm.drain(1); });
        draining.emplace_back([&] { storm.drain_by_polling(); });
        for (std::uint32_t i = 0; i < 3; ++i) submitting.emplace_back([&, i] { storm.submit_many(i); });
        storm.wait_for(500);
        if (round % 2 == 0) {
            // Submissions go on while it closes, and after it has.
            const auto enough = storm.book.count() + 500;
            storm.book.submitted(close_tag, sbk_engine_close(nullptr, storm.c.queue.get(), close_tag, storm.c.engine.get()));
            storm.wait_for(enough);
        }
        storm.over = true;
        for (auto& thread : submitting) thread.join();
        if (round % 2 == 1) storm.c.engine.reset();
        while (!storm.book.settled()) std::this_thread::yield();
        for (std::size_t i = 0; i < draining.size(); ++i) sbk_queue_post(storm.c.queue.get(), stop_tag);
        for (auto& thread : draining) thread.join();
        CHECK(storm.book.each_once());
        CHECK(next(storm.c.queue, 0) == nullptr);
        CHECK(storm.book.count() >= 500);
    }
}

TEST_CASE("nothing comes after a completion, and the engine's end comes last") {
    for (std::uint32_t round = 10; round < 13; ++round) {
        Storm storm(round);
        fs::create_directory(storm.directory);
        std::vector<std::thread> submitting;
        for (std::uint32_t i = 0; i < 3; ++i) submitting.emplace_back([&, i] { storm.submit_many(i); });
        // One thread drains: what it sees is the queue's order.
        std::vector<std::uint64_t> before;
        bool closing = false, closed = false;
        while (!closed) {
            auto event = next(storm.c.queue);
            const auto tag = sbk_event_tag(event.get());
            CHECK(!storm.book.is_completed(tag));
            closed = tag == close_tag;
            storm.take(std::move(event));
            if (!closing && storm.book.count() > 500) {
                closing = true;
                before = storm.book.now();
                storm.book.submitted(close_tag, sbk_engine_close(nullptr, storm.c.queue.get(), close_tag, storm.c.engine.get()));
            }
        }
        CHECK(std::all_of(before.begin(), before.end(), [&](auto tag) { return storm.book.is_completed(tag); }));
        storm.over = true;
        for (auto& thread : submitting) thread.join();
        while (auto event = next(storm.c.queue, 0)) {
            CHECK(!storm.book.is_completed(sbk_event_tag(event.get())));
            storm.take(std::move(event));
        }
        CHECK(storm.book.each_once());
    }
}

TEST_CASE("what is freed in the midst of it does no harm") {
    for (std::uint32_t round = 20; round < 23; ++round) {
        std::optional<Storm> storm;
        storm.emplace(round);
        fs::create_directory(storm->directory);
        std::vector<std::thread> threads;
        for (std::uint32_t i = 0; i < 3; ++i) threads.emplace_back([&, i] { storm->submit_many(i); });
        storm->wait_for(300);
        storm->over = true;
        for (auto& thread : threads) thread.join();
        // The queue with all that is in it and comes, before the engine, or after it.
        if (round % 2 == 0) storm->c.queue.reset();
        storm->c.engine.reset();
        storm.reset();
    }
}

TEST_CASE("objects go in any order while operations run") {
    enum What { queue, engine, client, operation, event };
    std::array<What, 5> order{queue, engine, client, operation, event};
    do {
        CEngine c;
        std::vector<Handle<sbk_operation>> operations;
        const auto submit = [&](auto function, auto... arguments) {
            sbk_operation* one = nullptr;
            REQUIRE(function(&one, arguments...) == SBK_OK);
            operations.emplace_back(one);
        };
        REQUIRE(sbk_engine_ping(nullptr, c.queue.get(), 1, c.engine.get()) == SBK_OK);
        auto kept = success(c.queue, 1);
        for (std::uint64_t tag = 0; tag < 5; ++tag) {
            submit(sbk_engine_ping, c.queue.get(), tag, c.engine.get());
            submit(sbk_profile_list, c.client.get(), tag);
            submit(sbk_engine_reconcile, c.client.get(), tag);
            submit(sbk_session_remove, c.client.get(), tag, "ses_none", SBK_NUL);
            sbk_operation_cancel(operations.back().get());
        }
        for (const auto what : order) {
            switch (what) {
            case queue: c.queue.reset(); break;
            case engine: c.engine.reset(); break;
            case client: c.client.reset(); break;
            case operation: operations.clear(); break;
            case event: kept.reset(); break;
            }
            // What is left can still be used.
            if (c.queue) CHECK(sbk_queue_post(c.queue.get(), 0) == SBK_OK);
            if (c.client) CHECK(sbk_profile_list(nullptr, c.client.get(), 100) == SBK_OK);
            if (kept) CHECK(sbk_event_tag(kept.get()) == 1);
            for (const auto& one : operations) CHECK(sbk_operation_cancel(one.get()) == SBK_OK);
        }
    } while (std::next_permutation(order.begin(), order.end()));
}

TEST_CASE("a closed engine says so, and is closed once") {
    CEngine c;
    const auto session = c.new_session();
    const auto process = c.start(session, CEngine::shell("exec sleep 1000"));
    const auto hold = c.provider->hold("stop");
    REQUIRE(sbk_session_stop(nullptr, c.client.get(), 2, session.c_str(), SBK_NUL) == SBK_OK);
    hold->wait_for_arrival();
    sbk_operation* started = nullptr;
    REQUIRE(sbk_engine_close(&started, c.queue.get(), 3, c.engine.get()) == SBK_OK);
    const Handle<sbk_operation> closing(started);
    REQUIRE(sbk_operation_cancel(closing.get()) == SBK_OK); // it cannot be
    REQUIRE(sbk_engine_close(nullptr, c.queue.get(), 4, c.engine.get()) == SBK_OK);
    CHECK(sbk_event_status(expect(c.queue, SBK_EVENT_COMPLETION, 2).get()) == SBK_CANCELLED);
    success(c.queue, 3);
    success(c.queue, 4);
    REQUIRE(sbk_engine_close(nullptr, c.queue.get(), 5, c.engine.get()) == SBK_OK);
    success(c.queue, 5);
    CHECK(sbk_operation_cancel(closing.get()) == SBK_OK);

    const auto late = CEngine::shell("true");
    const std::function<sbk_status()> submissions[] = {
        [&] { return sbk_engine_ping(nullptr, c.queue.get(), 6, c.engine.get()); },
        [&] { return sbk_profile_list(nullptr, c.client.get(), 6); },
        [&] { return sbk_engine_reconcile(nullptr, c.client.get(), 6); },
        [&] { return sbk_session_exec(nullptr, c.client.get(), 6, session.c_str(), SBK_NUL, late.get(), 0); },
        [&] { return sbk_process_start(nullptr, c.client.get(), 6, session.c_str(), SBK_NUL, late.get()); },
        [&] { return sbk_file_watch(nullptr, c.client.get(), 6, session.c_str(), SBK_NUL, "/", SBK_NUL, 0); },
        [&] { return sbk_job_wait(nullptr, c.client.get(), 6, "job_none", SBK_NUL); },
        [&] { return sbk_process_write(nullptr, process.get(), 6, "x", 1); },
        [&] { return sbk_process_follow(nullptr, process.get(), 6, 0); },
    };
    for (const auto& submit : submissions) {
        REQUIRE(submit() == SBK_OK);
        CHECK(failure(c.queue, 6) == "engine_closed");
    }
    const auto client = c.new_client(); // of a closed engine
    REQUIRE(sbk_profile_list(nullptr, client.get(), 7) == SBK_OK);
    CHECK(failure(c.queue, 7) == "engine_closed");
    CHECK(next(c.queue, 0) == nullptr);
}

namespace {

sbk_engine_options options_for(const std::string& store) {
    sbk_engine_options options{};
    options.struct_size = sizeof options;
    options.store = store.c_str();
    options.store_size = store.size();
    options.flags = SBK_ENGINE_NO_JOBS;
    return options;
}

} // namespace

TEST_CASE("an engine that is opened, and what becomes of one that nobody wants") {
    const TempDir dir;
    const auto store = (dir.path() / "store.db").string();
    const auto options = options_for(store);
    auto queue = new_queue();
    SUBCASE("taken, once") {
        REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options) == SBK_OK);
        const auto event = success(queue, 1);
        CHECK(text_at(event, "/store") == store);
        sbk_engine* engine = nullptr;
        REQUIRE(sbk_event_take_engine(&engine, event.get()) == SBK_OK);
        const Handle<sbk_engine> taken(engine);
        CHECK(sbk_event_take_engine(&engine, event.get()) == SBK_MISUSE);
        CHECK(engine == nullptr);
        sbk_process* process = nullptr;
        CHECK(sbk_event_take_process(&process, event.get()) == SBK_MISUSE);
        REQUIRE(sbk_engine_ping(nullptr, queue.get(), 2, taken.get()) == SBK_OK);
        success(queue, 2);
    }
    SUBCASE("not taken") {
        REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options) == SBK_OK);
        success(queue, 1); // frees the event
    }
    SUBCASE("still in its queue when that goes") {
        REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options) == SBK_OK);
        while (sbk_queue_next(nullptr, queue.get(), 0) != SBK_MISUSE) {
        }
        queue.reset(); // waits for what runs
    }
    SUBCASE("cancelled at once, or later") {
        for (int i = 0; i < 10; ++i) {
            sbk_operation* started = nullptr;
            REQUIRE(sbk_engine_open(&started, queue.get(), 1, &options) == SBK_OK);
            const Handle<sbk_operation> operation(started);
            for (int turn = 0; turn < i * 100; ++turn) std::this_thread::yield();
            REQUIRE(sbk_operation_cancel(operation.get()) == SBK_OK);
            const auto event = expect(queue, SBK_EVENT_COMPLETION, 1);
            CHECK((sbk_event_status(event.get()) == SBK_CANCELLED || sbk_event_status(event.get()) == SBK_OK));
            sbk_engine* engine = nullptr;
            CHECK(sbk_event_take_engine(&engine, event.get()) == (sbk_event_status(event.get()) == SBK_OK ? SBK_OK : SBK_MISUSE));
            sbk_engine_free(engine);
        }
    }
    SUBCASE("many times on one queue: the threads that opened it do not pile up") {
        const auto threads = [] {
            std::ifstream status("/proc/self/maps");
            std::size_t stacks = 0;
            for (std::string line; std::getline(status, line);) ++stacks;
            return stacks;
        };
        std::size_t after_few = 0;
        for (int i = 0; i < 40; ++i) {
            REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options) == SBK_OK);
            success(queue, 1);
            if (i == 9) after_few = threads();
        }
        CHECK(threads() < after_few + 20); // each stack is two mappings
    }
    // Whatever became of it, the store can be opened again.
    const auto another = new_queue();
    REQUIRE(sbk_engine_open(nullptr, another.get(), 9, &options) == SBK_OK);
    success(another, 9);
}

TEST_CASE("a store that cannot be, and options that are wrong all at once") {
    const TempDir dir;
    const auto queue = new_queue();
    auto options = options_for(dir.path().string());
    REQUIRE(sbk_engine_open(nullptr, queue.get(), 1, &options) == SBK_OK);
    const auto event = expect(queue, SBK_EVENT_COMPLETION, 1);
    CHECK(sbk_event_status(event.get()) != SBK_OK);
    CHECK(text_at(event, "/message") != "(none)");

    const std::string with_nul("a\0b", 3);
    options = options_for(with_nul);
    options.workers = 65;
    options.flags = 1u << 31;
    options.log_level = 5;
    REQUIRE(sbk_engine_open(nullptr, queue.get(), 2, &options) == SBK_OK);
    const auto wrong = expect(queue, SBK_EVENT_COMPLETION, 2);
    CHECK(sbk_event_status(wrong.get()) == SBK_INVALID);
    CHECK(text_at(wrong, "/code") == "bad_options");
    std::vector<std::string> pointers;
    for (int i = 0; text_at(wrong, "/problems/" + std::to_string(i) + "/pointer") != "(none)"; ++i)
        pointers.push_back(text_at(wrong, "/problems/" + std::to_string(i) + "/pointer"));
    CHECK(pointers == std::vector<std::string>{"/store", "/workers", "/flags", "/log_level", "/host_queue"});

    options = options_for("");
    REQUIRE(sbk_engine_open(nullptr, queue.get(), 3, &options) == SBK_OK);
    CHECK(text_at(expect(queue, SBK_EVENT_COMPLETION, 3), "/problems/0/pointer") == "/store");
    for (const auto flag : {SBK_ENGINE_ASKS_REFERENCES, SBK_ENGINE_ASKS_CREDENTIALS}) {
        const auto store = (dir.path() / "store.db").string();
        options = options_for(store);
        options.flags = flag;
        REQUIRE(sbk_engine_open(nullptr, queue.get(), 4, &options) == SBK_OK);
        CHECK(text_at(expect(queue, SBK_EVENT_COMPLETION, 4), "/problems/0/pointer") == "/host_queue");
    }
}
