// SPDX-License-Identifier: Apache-2.0
// Every function of the header with arguments that it takes, for tests of what holds for all of them.
#pragma once

#include "c_fixture.hpp"

#include "command.hpp"
#include "host.hpp"
#include "process_handle.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sandboxkit::test {

enum class Kind : std::uint8_t {
    submits, // its completion comes to the queue
    makes,   // an object, through a pointer
    acts,    // says how it went
    tells,   // returns a value, and something neutral when it cannot
    frees,
};

struct Answer {
    sbk_status status = SBK_OK; // of one that tells or frees: always
    bool neutral = true;        // its result is NULL, or says nothing
};

constexpr std::uint64_t call_tag = 4711;

struct Function {
    std::string name;
    Kind kind;
    std::function<Answer()> call;         // leaves nothing to free
    std::function<void()> cancel = [] {}; // what the last call submitted
    bool endless = false;                 // that does not end by itself
};

// One of each type, with a session that runs.
class OneOfEach {
public:
    CEngine on{};
    std::string profile = on.new_profile();
    std::string session = on.new_session();
    Handle<sbk_command> command = CEngine::shell("echo hello");
    Handle<sbk_process> process = on.start(session, CEngine::shell("exec cat"));
    Handle<sbk_operation> operation = last_operation();
    Handle<sbk_event> event = json_event();
    // What a call may change, or take what it has.
    std::unique_ptr<CEngine> other = std::make_unique<CEngine>();
    TempDir dir{};
    Handle<sbk_client> spare_client = on.new_client();
    Handle<sbk_command> spare_command = CEngine::shell("true");
    Handle<sbk_event> with_engine{new sbk_event(SBK_EVENT_COMPLETION, 1)}, with_process{new sbk_event(SBK_EVENT_COMPLETION, 1)},
        asked{new sbk_event(SBK_EVENT_REQUEST, 1)}, asked_too{new sbk_event(SBK_EVENT_REQUEST, 1)};
    Handle<sbk_engine> taken_engine{};
    sbk_engine_options options{};
    sbk_session_options start{};
    std::string store = (dir.path() / "opened.db").string();
    std::string state = (dir.path() / "state").string();

    OneOfEach() {
        with_engine->engine = other->engine->handle;
        with_process->process = process->handle;
        for (auto* request : {&asked, &asked_too})
            (*request)->request = std::make_shared<capi::HostRequest>([](const boost::json::value&) { return Result<void>(); });
        options.struct_size = sizeof options;
        options.store = store.c_str();
        options.store_size = SBK_NUL;
        options.state_directory = state.c_str();
        options.state_directory_size = SBK_NUL;
        options.workers = 1;
        start.struct_size = sizeof start;
        start.profile = "prf_none";
        start.profile_size = SBK_NUL;
    }

    // Once each. What would end or remove something is asked of what does not exist: that is refused, in its completion. The
    // frees are of what is still used: for when they have to do nothing.
    std::vector<Function> functions();

private:
    Handle<sbk_operation> last_operation() {
        auto made = made_by<sbk_operation>(sbk_profile_list, on.client.get(), std::uint64_t{1});
        success(on.queue, 1);
        return made;
    }
    Handle<sbk_event> json_event() {
        REQUIRE(sbk_profile_get(nullptr, on.client.get(), 1, profile.c_str(), SBK_NUL) == SBK_OK);
        return success(on.queue, 1);
    }
};

} // namespace sandboxkit::test
