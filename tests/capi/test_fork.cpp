// SPDX-License-Identifier: Apache-2.0
// A child process has the parent's objects in its memory, and none of the parent's threads.
#include "every_function.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <set>
#include <string>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

bool is_child = false;

// These take no object.
const std::set<std::string> free_functions = {"sbk_version", "sbk_has_feature", "sbk_status_name", "sbk_queue_new",
                                              "sbk_command_new"};

std::string asked_in_child(const std::vector<Function>& functions) {
    for (const auto& function : functions) {
        const auto answer = function.call();
        const bool as_ever = free_functions.contains(function.name);
        const bool has_status = function.kind != Kind::tells && function.kind != Kind::frees;
        if (answer.status != (has_status && !as_ever ? SBK_FORKED : SBK_OK)) return function.name + ": another status";
        if (!as_ever && !answer.neutral) return function.name + ": a result";
    }
    return {};
}

// An engine of the child's own, from its opening to its end. Says what failed.
std::string own_engine(const std::string& store) {
    const auto completed = [](sbk_queue* queue) {
        sbk_event* event = nullptr;
        return sbk_queue_next(&event, queue, -1) == SBK_OK && sbk_event_status(event) == SBK_OK ? event : nullptr;
    };
    sbk_queue* queue = nullptr;
    if (sbk_queue_new(&queue) != SBK_OK) return "queue";
    sbk_engine_options options{};
    options.struct_size = sizeof options;
    options.store = store.c_str();
    options.store_size = SBK_NUL;
    if (sbk_engine_open(nullptr, queue, 1, &options) != SBK_OK) return "open";
    auto* opened = completed(queue);
    sbk_engine* engine = nullptr;
    if (!opened || sbk_event_take_engine(&engine, opened) != SBK_OK) return "opened";
    sbk_event_free(opened);
    sbk_client* client = nullptr;
    if (sbk_client_new(&client, engine, queue, "ada", SBK_NUL) != SBK_OK) return "client";
    if (sbk_client_add_every_scope(client) != SBK_OK) return "scopes";
    if (sbk_profile_create(nullptr, client, 2, "{\"name\": \"of a child\"}", SBK_NUL, nullptr, 0) != SBK_OK) return "create";
    auto* created = completed(queue);
    if (!created) return "created";
    sbk_event_free(created);
    sbk_client_free(client);
    sbk_engine_free(engine);
    sbk_queue_free(queue);
    return {};
}

} // namespace

// Of the leak sanitizer: what only the parent's threads point to looks leaked in the child.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() {
    return is_child ? 1 : 0;
}

TEST_CASE("in a child the parent's objects say that they are not its own, and its own work") {
    OneOfEach objects;
    const auto functions = objects.functions();
    TempDir dir;
    const auto store = (dir.path() / "child.db").string();
    REQUIRE(sbk_queue_descriptor(objects.on.queue.get()) >= 0);
    REQUIRE(sbk_queue_post(objects.on.queue.get(), 1) == SBK_OK);

    int report[2] = {-1, -1};
    REQUIRE(::pipe(report) == 0);
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        is_child = true;
        auto fault = asked_in_child(functions);
        if (fault.empty()) fault = own_engine(store);
        if (::write(report[1], fault.data(), fault.size()) != static_cast<ssize_t>(fault.size())) std::exit(2);
        std::exit(0); // as a program does, with its destructors
    }
    ::close(report[1]);
    std::string told(4096, '\0');
    std::size_t size = 0;
    for (ssize_t got = 0; (got = ::read(report[0], told.data() + size, told.size() - size)) > 0;)
        size += static_cast<std::size_t>(got);
    ::close(report[0]);
    told.resize(size);
    CHECK(told == "");
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);

    // The parent's event is still there, and its engine, session and process go on.
    expect(objects.on.queue, SBK_EVENT_POSTED, 1);
    REQUIRE(sbk_process_follow(nullptr, objects.process.get(), 2, 0) == SBK_OK);
    REQUIRE(sbk_process_write(nullptr, objects.process.get(), 3, "after the fork\n", SBK_NUL) == SBK_OK);
    std::string output;
    while (output != "after the fork\n") {
        auto event = next(objects.on.queue);
        if (sbk_event_get_kind(event.get()) == SBK_EVENT_OUTPUT)
            output += bytes_of(event);
        else
            REQUIRE(sbk_event_tag(event.get()) == 3);
    }
}
