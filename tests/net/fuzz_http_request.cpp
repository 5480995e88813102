// SPDX-License-Identifier: Apache-2.0
// The HTTP request parser against any bytes: cut in two ways, it must read the same.
#include "net/http_request_parser.hpp"

#include <cstdlib>

namespace {

struct Outcome {
    bool valid = true;
    bool done = false;
    std::string method, target, body;
};

Outcome read(std::string_view bytes, std::size_t step) {
    sandboxkit::net::HttpRequestParser parser;
    Outcome outcome;
    for (std::size_t at = 0; at < bytes.size() && outcome.valid; at += step)
        outcome.valid = parser.feed(bytes.substr(at, step), outcome.body).has_value();
    outcome.done = outcome.valid && parser.done();
    if (parser.head_done()) {
        outcome.method = parser.head().method;
        outcome.target = parser.head().target;
    }
    return outcome;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const Outcome whole = read(bytes, size);
    const Outcome cut = read(bytes, 1 + data[size - 1] % 7);
    if (whole.valid && cut.valid &&
        (whole.done != cut.done || whole.method != cut.method || whole.target != cut.target || whole.body != cut.body))
        std::abort();
    if (whole.body.size() > size || cut.body.size() > size) std::abort();
    return 0;
}
