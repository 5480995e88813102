// SPDX-License-Identifier: Apache-2.0
// The decoder of progress against any bytes, cut as their first byte says: it says the same however they are cut.
#include "providers/docker/progress_messages.hpp"

#include <cstdint>
#include <cstdlib>
#include <tuple>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using sandboxkit::docker::ProgressDecoder;
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const auto read = [&](std::size_t step) {
        std::size_t told = 0;
        ProgressDecoder decoder([&](const ProgressDecoder::Progress& progress) {
            if (progress.done > progress.total || progress.message.find('\n') != std::string::npos) std::abort();
            ++told;
        });
        bool good = true;
        for (std::size_t at = 0; good && at < bytes.size(); at += step) good = decoder.feed(bytes.substr(at, step)).has_value();
        if (good) good = decoder.finish().has_value();
        return std::tuple(good, told, decoder.failure(), decoder.last_status());
    };
    if (bytes.size() < ProgressDecoder::message_limit && read(size) != read(data[0] == 0 ? size : data[0])) std::abort();
    return 0;
}
