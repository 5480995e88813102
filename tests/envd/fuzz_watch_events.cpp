// SPDX-License-Identifier: Apache-2.0
// The decoder of a watch against any bytes (the first says how the rest is cut): one start, then changes, errors of the right
// kind.
#include "envd/watch_events.hpp"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sandboxkit;
    if (size < 1) return 0;
    envd::WatchEventDecoder decoder;
    const std::size_t step = data[0] == 0 ? size : data[0];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    bool started = false;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        decoder.feed(bytes.substr(at, step));
        for (;;) {
            auto item = decoder.next();
            if (!item) {
                const auto code = item.error().code;
                if (code != "peer_protocol" && code != "watch_ended" && !code.starts_with("guest_")) std::abort();
                if (item.error().detail.size() > 4096) std::abort();
                return 0;
            }
            if (!*item) break;
            const bool is_start = std::holds_alternative<envd::WatchStarted>(**item);
            if (is_start == started) std::abort();
            started = true;
        }
    }
    return 0;
}
