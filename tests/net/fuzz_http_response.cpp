// SPDX-License-Identifier: Apache-2.0
// The HTTP response parser against any bytes: cut in two ways, it must read the same.
#include "net/http_parser.hpp"

#include <cstdlib>

namespace {

struct Outcome {
    bool valid = true;
    bool done = false;
    unsigned status = 0;
    std::string body;
};

Outcome read(std::string_view bytes, std::size_t step) {
    sandboxkit::net::HttpResponseParser parser;
    Outcome outcome;
    for (std::size_t at = 0; at < bytes.size() && outcome.valid; at += step)
        outcome.valid = parser.feed(bytes.substr(at, step), outcome.body).has_value();
    outcome.done = outcome.valid && parser.finish();
    if (parser.head_done()) outcome.status = parser.head().status;
    return outcome;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data), size);
    const Outcome whole = read(bytes, size);
    const Outcome cut = read(bytes, 1 + data[size - 1] % 7);
    if (whole.valid && cut.valid && (whole.done != cut.done || whole.status != cut.status || whole.body != cut.body))
        std::abort();
    if (whole.body.size() > size || cut.body.size() > size) std::abort();
    return 0;
}
