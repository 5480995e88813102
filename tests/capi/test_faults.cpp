// SPDX-License-Identifier: Apache-2.0
// Exceptions thrown inside of every function: none gets out.
#include "every_function.hpp"

#include <fstream>
#include <new>
#include <set>
#include <stdexcept>
#include <string>

using namespace sandboxkit;
using namespace sandboxkit::test;

namespace {

enum class Thrown { runtime_error, bad_alloc, number };

std::string wanted; // the function to throw in
Thrown what = Thrown::number;
int thrown = 0;

void throw_in(const char* function) {
    if (wanted != function) return;
    ++thrown;
    switch (what) {
    case Thrown::runtime_error: throw std::runtime_error("a fault");
    case Thrown::bad_alloc: throw std::bad_alloc();
    case Thrown::number: throw 7;
    }
}

} // namespace

TEST_CASE("the table of functions has every function of the header, once") {
    OneOfEach objects;
    std::multiset<std::string> named;
    for (const auto& function : objects.functions()) named.insert(function.name);
    std::multiset<std::string> exported;
    std::ifstream list(SANDBOXKIT_C_EXPORTS);
    for (std::string name; list >> name;) exported.insert(name);
    CHECK(exported.size() > 100);
    CHECK(named == exported);
}

TEST_CASE("whatever is thrown in a function, it comes out as a status or as nothing, and nothing was done") {
    OneOfEach objects;
    const auto functions = objects.functions();
    const std::set<std::string> constants = {"sbk_version", "sbk_status_name"}; // tests/capi/check_guards.py says why
    capi::fault = throw_in;
    for (const auto& function : functions)
        for (const auto kind : {Thrown::runtime_error, Thrown::bad_alloc, Thrown::number}) {
            CAPTURE(function.name);
            wanted = function.name;
            what = kind;
            thrown = 0;
            const auto answer = function.call();
            if (constants.contains(function.name)) {
                CHECK(thrown == 0);
                continue;
            }
            CHECK(thrown == 1);
            CHECK(answer.neutral);
            if (function.kind != Kind::tells && function.kind != Kind::frees)
                CHECK(answer.status == (kind == Thrown::bad_alloc ? SBK_NO_MEMORY : SBK_INTERNAL));
        }
    capi::fault = nullptr;
    CHECK(!next(objects.on.queue, 0));
    // Nothing was freed, taken or answered.
    for (const auto& function : functions)
        if (function.kind == Kind::acts || function.kind == Kind::makes || function.kind == Kind::tells) {
            if (function.name == "sbk_queue_next") REQUIRE(sbk_queue_post(objects.on.queue.get(), call_tag) == SBK_OK);
            CHECK_MESSAGE(function.call().status == SBK_OK, function.name);
        }
}
