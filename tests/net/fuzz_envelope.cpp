// SPDX-License-Identifier: Apache-2.0
// The envelope decoder against any bytes, cut as their first byte says: no byte is invented, and the limit holds.
#include "net/connect_envelope.hpp"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace sandboxkit;
    if (size == 0) return 0;
    constexpr std::size_t limit = 4096;
    const std::size_t step = data[0] == 0 ? size : data[0];
    const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
    net::EnvelopeDecoder decoder(limit);
    std::string again;
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        decoder.feed(bytes.substr(at, step));
        for (;;) {
            auto envelope = decoder.next();
            if (!envelope) {
                if (envelope.error().code != "peer_protocol") std::abort();
                return 0;
            }
            if (!*envelope) break;
            if ((*envelope)->payload.size() > limit) std::abort();
            again += net::encode_envelope((*envelope)->flags, (*envelope)->payload);
        }
    }
    if (bytes.substr(0, again.size()) != again) std::abort();
    if (decoder.at_boundary() != (again.size() == bytes.size())) std::abort();
    return 0;
}
