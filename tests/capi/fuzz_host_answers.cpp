// SPDX-License-Identifier: Apache-2.0
// Whatever a host answers (the first byte chooses the question, the rest is the answer): it is taken or refused, once, and the
// one who asked is told the same, with problems that are valid UTF-8.
#include "host.hpp"
#include "operation.hpp"

#include <sandboxkit/strict_json.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <string>
#include <string_view>

namespace {

using namespace sandboxkit;

void expect(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "does not hold: %s\n", what);
    std::abort();
}

// The error that asking ended with; class internal and no code: none.
template <class T>
Error error_of(const Result<std::optional<T>>& result) {
    return result ? Error{} : result.error();
}

Error ask(capi::Host& host, unsigned which) {
    switch (which % 4) {
    case 0: return error_of(host.connection("c"));
    case 1: return error_of(host.environment("e"));
    case 2: return error_of(host.host("h"));
    default: return error_of(host.credential({}));
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const unsigned which = data[0];
    const std::string_view answer(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto queue = std::make_shared<capi::Queue>();
    const auto host = std::make_shared<capi::Host>(queue, 0, std::chrono::hours(1));
    auto asking = std::async(std::launch::async, [&] { return ask(*host, which); });
    const auto event = queue->take(-1);
    const auto status = sbk_event_respond(event.get(), answer.data(), answer.size());
    const auto error = asking.get();
    expect(status == SBK_OK || status == SBK_INVALID, "an answer is taken or wrong");
    expect((status == SBK_OK) == error.code.empty(), "who asks is told the same");
    expect(sbk_event_respond(event.get(), "null", 4) == SBK_CONFLICT, "a question is answered once");
    if (status == SBK_OK) return 0;
    expect(error.kind == ErrorClass::invalid && error.code == "host_answer_invalid" && !error.problems.empty(),
           "a wrong answer is told with its problems");
    sbk_event told(SBK_EVENT_COMPLETION, 0);
    capi::write_error(told, error);
    expect(parse_strict(told.json_text).has_value(), "the problems are valid JSON");
    return 0;
}
