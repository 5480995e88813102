// SPDX-License-Identifier: Apache-2.0
// The decoders of unary answers and of refusals against any bytes (the first chooses the status).
#include "envd/entry_decoder.hpp"
#include "envd/guest_errors.hpp"

#include <cstdlib>

namespace {

template <class T>
void check(const sandboxkit::Result<T>& result) {
    if (result) return;
    if (result.error().code != "peer_protocol" && result.error().code != "guest_listing_too_large") std::abort();
    if (result.error().detail.size() > 4096) std::abort();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sandboxkit;
    if (size == 0) return 0;
    const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
    check(envd::decode_entry(body));
    check(envd::decode_entries(body));
    check(envd::decode_processes(body));
    check(envd::decode_written_file(body));
    net::HttpResponse response;
    response.head.status = 400U + data[0] % 200U;
    response.head.headers = {{"Content-Type", "application/json"}};
    response.body = std::string(body);
    const Error error = envd::error_of_response("Stat", envd::Route::rpc, response);
    if (!error.code.starts_with("guest_") || error.detail.size() > 4096) std::abort();
    return 0;
}
