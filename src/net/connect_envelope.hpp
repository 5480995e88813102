// SPDX-License-Identifier: Apache-2.0
// The framing of Connect streams: a flag byte, a 32-bit big-endian length, and that many bytes.
// https://connectrpc.com/docs/protocol#streaming-rpcs
#pragma once

#include <sandboxkit/error.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sandboxkit::net {

inline constexpr std::uint8_t envelope_compressed = 0x01;
inline constexpr std::uint8_t envelope_end_of_stream = 0x02;

struct Envelope {
    std::uint8_t flags = 0;
    std::string payload;
};

// Envelopes may span and merge the chunks of a transport: feed it bytes, take whole envelopes.
class EnvelopeDecoder {
public:
    // A payload longer than the limit is an error before any of it is stored.
    explicit EnvelopeDecoder(std::size_t payload_limit) : limit_(payload_limit) {}

    void feed(std::string_view bytes) { buffer_.append(bytes); }

    // The next whole envelope, none yet, or an error after which the stream is unusable.
    Result<std::optional<Envelope>> next() {
        const std::string_view rest = std::string_view(buffer_).substr(begin_);
        if (rest.size() < header_size) return compact(), std::optional<Envelope>{};
        std::uint32_t length = 0;
        for (std::size_t i = 1; i < header_size; ++i) length = length << 8 | static_cast<unsigned char>(rest[i]);
        if (length > limit_)
            return Error{ErrorClass::internal,
                         "peer_protocol",
                         "an envelope of " + std::to_string(length) + " bytes is larger than the limit of " +
                             std::to_string(limit_),
                         "",
                         "",
                         {}};
        if (rest.size() - header_size < length) return compact(), std::optional<Envelope>{};
        Envelope envelope{static_cast<std::uint8_t>(rest[0]), std::string(rest.substr(header_size, length))};
        begin_ += header_size + length;
        return std::optional(std::move(envelope));
    }

    // No byte of an unfinished envelope is waiting.
    [[nodiscard]] bool at_boundary() const { return begin_ == buffer_.size(); }

private:
    static constexpr std::size_t header_size = 5;
    void compact() {
        buffer_.erase(0, begin_);
        begin_ = 0;
    }
    std::size_t limit_;
    std::string buffer_;
    std::size_t begin_ = 0;
};

[[nodiscard]] inline std::string encode_envelope(std::uint8_t flags, std::string_view payload) {
    const auto n = static_cast<std::uint32_t>(payload.size());
    std::string bytes;
    bytes.reserve(5 + payload.size());
    bytes += static_cast<char>(flags);
    for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(n >> shift & 0xff);
    bytes += payload;
    return bytes;
}

} // namespace sandboxkit::net
