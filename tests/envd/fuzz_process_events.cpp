// SPDX-License-Identifier: Apache-2.0
// The event decoder against any bytes (the first says whether a time limit was set and raw output
// asked for, the second how the rest is cut):
// start first, chunks that are not empty, at most one end, errors of the right kind.
#include "envd/process_events.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sandboxkit;
    if (size < 2) return 0;
    envd::ProcessEventDecoder decoder({"Start", (data[0] & 1) != 0, (data[0] & 2) != 0});
    const std::size_t step = data[1] == 0 ? size : data[1];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
    bool started = false;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        decoder.feed(bytes.substr(at, step));
        for (;;) {
            auto item = decoder.next();
            if (!item) {
                if (item.error().code != "peer_protocol" && !item.error().code.starts_with("guest_")) std::abort();
                if (item.error().detail.size() > 4096) std::abort();
                return 0;
            }
            if (!*item) break;
            if (const auto* start = std::get_if<envd::ProcessStarted>(&**item)) {
                if (started || start->pid == 0) std::abort();
                started = true;
                continue;
            }
            const auto& event = std::get<ProcessEvent>(**item);
            if (!started || event.bytes.empty() != event.end.has_value()) std::abort();
            if (event.bytes.size() > envd::ProcessEventDecoder::envelope_limit) std::abort();
            if (event.end) {
                const bool exit = event.end->signal == 0 && event.end->exit_code >= 0 && event.end->exit_code <= 255;
                const bool killed = event.end->signal >= 1 && event.end->signal <= 64 && event.end->exit_code == -1;
                if (exit == killed) std::abort();
                return 0;
            }
        }
    }
    return 0;
}
