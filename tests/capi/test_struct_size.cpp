// SPDX-License-Identifier: Apache-2.0
// Structs of options from older and newer headers, each at the end of memory that can be read.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include "c_fixture.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

// A page behind which another cannot be touched.
class GuardedPages {
public:
    GuardedPages() {
        memory_ = ::mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        REQUIRE(memory_ != MAP_FAILED);
        REQUIRE(::mprotect(static_cast<char*>(memory_) + page, page, PROT_NONE) == 0);
    }
    ~GuardedPages() { ::munmap(memory_, 2 * page); }
    GuardedPages(const GuardedPages&) = delete;
    GuardedPages& operator=(const GuardedPages&) = delete;

    // The bytes up to the end, at whatever address that is.
    const void* put(const std::string& bytes) {
        REQUIRE(bytes.size() <= page);
        return std::memcpy(static_cast<char*>(memory_) + page - bytes.size(), bytes.data(), bytes.size());
    }

private:
    const std::size_t page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
    void* memory_ = nullptr;
};

// One that says it has `size` bytes, and has: beginning as `full`, then zeros.
std::string of_size(std::string full, std::size_t size) {
    full.resize(std::max(size, sizeof size), '\0');
    std::memcpy(full.data(), &size, sizeof size);
    return full;
}

template <class T>
std::string bytes_of_struct(const T& options) {
    return {reinterpret_cast<const char*>(&options), sizeof options};
}

struct Historic {
    std::string name;
    std::vector<std::size_t> sizes; // as every version published it, oldest first: never change one, append
    std::size_t now;
    std::string filled;
    std::function<sbk_status(const void*)> submit;
    std::string code; // of the error that it completes with when it was understood
};

} // namespace

TEST_CASE("a struct of every age is taken, none is read beyond its end, and what is not known is refused") {
    CEngine on;
    // What is asked for fails for a reason that is in the struct: it was read.
    sbk_engine_options engine{};
    engine.workers = 1000;
    sbk_session_options session{};
    session.profile = "prf_none";
    session.profile_size = SBK_NUL;
    sbk_tree_limits limits{};
    limits.bytes = 1;
    auto* const queue = on.queue.get();
    auto* const client = on.client.get();
    const std::vector<Historic> structs = {
        {"sbk_engine_options of sbk_engine_open",
         {104, 120, 136},
         sizeof engine,
         bytes_of_struct(engine),
         [=](const void* options) { return sbk_engine_open(nullptr, queue, 1, static_cast<const sbk_engine_options*>(options)); },
         "bad_options"},
        {"sbk_engine_options of sbk_doctor",
         {104, 120, 136},
         sizeof engine,
         bytes_of_struct(engine),
         [=](const void* options) { return sbk_doctor(nullptr, queue, 1, static_cast<const sbk_engine_options*>(options)); },
         "bad_options"},
        {"sbk_session_options",
         {64},
         sizeof session,
         bytes_of_struct(session),
         [=](const void* options) {
             return sbk_session_start(nullptr, client, 1, static_cast<const sbk_session_options*>(options));
         },
         "no_profile"},
        {"sbk_tree_limits",
         {32},
         sizeof limits,
         bytes_of_struct(limits),
         [=](const void* options) {
             return sbk_tree_download(nullptr, client, 1, "ses_none", SBK_NUL, "/a", SBK_NUL, "/nowhere", SBK_NUL,
                                      static_cast<const sbk_tree_limits*>(options));
         },
         "no_session"},
    };
    GuardedPages memory;
    for (const auto& one : structs) {
        CAPTURE(one.name);
        REQUIRE(std::is_sorted(one.sizes.begin(), one.sizes.end()));
        CHECK(one.sizes.back() == one.now);
        for (std::size_t size = 0; size < one.sizes.front(); ++size) {
            CAPTURE(size);
            REQUIRE(one.submit(memory.put(of_size(one.filled, size))) == SBK_MISUSE);
        }
        for (const auto size : one.sizes) {
            CAPTURE(size);
            REQUIRE(one.submit(memory.put(of_size(one.filled, size))) == SBK_OK);
            CHECK(failure(on.queue, 1) == one.code);
        }
        for (const std::size_t more : {1, 3, 4, 8, 16, 100, 1000}) {
            CAPTURE(more);
            auto newer = of_size(one.filled, one.now + more);
            REQUIRE(one.submit(memory.put(newer)) == SBK_OK);
            CHECK(failure(on.queue, 1) == one.code);
            for (const auto at : {one.now, newer.size() - 1}) {
                auto set = newer;
                set[at] = 1;
                REQUIRE(one.submit(memory.put(set)) == SBK_OK);
                CHECK(failure(on.queue, 1) == "unknown_option");
            }
        }
    }
    CHECK(!next(on.queue, 0));
}

TEST_CASE("strings are not read beyond their lengths") {
    CEngine on;
    GuardedPages memory;
    const std::string id = "prf_none";
    REQUIRE(sbk_profile_get(nullptr, on.client.get(), 1, static_cast<const char*>(memory.put(id)), id.size()) == SBK_OK);
    CHECK(failure(on.queue, 1) == "no_profile");
    CHECK(sbk_has_feature(static_cast<const char*>(memory.put("log")), 3) == 1);
}

TEST_CASE("sources of credentials are read with the other options, and go without a host that is asked") {
    const CEngine on;
    sbk_engine_options options{};
    options.struct_size = sizeof options;
    const auto first_problem = [&](const std::string& sources) {
        options.credential_sources = sources.data();
        options.credential_sources_size = sources.size();
        REQUIRE(sbk_doctor(nullptr, on.queue.get(), 1, &options) == SBK_OK);
        const auto event = expect(on.queue, SBK_EVENT_COMPLETION, 1);
        if (sbk_event_status(event.get()) == SBK_OK) return std::string();
        CHECK(text_at(event, "/code") == "bad_options");
        return text_at(event, "/problems/0/pointer") + " " + text_at(event, "/problems/0/code");
    };
    const std::string good = R"({"sources": [{"kind": "token", "url": "https://a.example", "secret": {"environment": "T"}}]})";
    CHECK(first_problem(good).empty());
    CHECK(first_problem("{}") == "/credential_sources/sources missing_field");
    CHECK(first_problem(R"({"sources": [{}]})") == "/credential_sources/sources/0/kind missing_field");
    options.host_queue = on.queue.get();
    options.flags = SBK_ENGINE_ASKS_CREDENTIALS;
    CHECK(first_problem(good) == "/credential_sources not_applicable");
    options.flags = SBK_ENGINE_GIVES_CREDENTIALS_BACK;
    CHECK(first_problem(good) == "/flags bad_value");
}
