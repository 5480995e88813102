// SPDX-License-Identifier: Apache-2.0
// The decoder of attached streams against any bytes, cut as their first byte says: it says the same however they are cut, and
// makes no byte up.
#include "providers/docker/stream_frames.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using sandboxkit::docker::FrameDecoder;
    if (size == 0) return 0;
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    const std::size_t step = data[0] == 0 ? size : data[0];
    FrameDecoder whole, cut;
    std::string all, pieces;
    const bool good = whole.feed(bytes, all).has_value();
    bool still = true;
    for (std::size_t at = 0; still && at < bytes.size(); at += step) still = cut.feed(bytes.substr(at, step), pieces).has_value();
    if (good != still || all != pieces || whole.errors() != cut.errors()) std::abort();
    if (all.size() > bytes.size() || whole.errors().size() > FrameDecoder::errors_limit) std::abort();
    if (good && whole.at_boundary() != cut.at_boundary()) std::abort();
    return 0;
}
