// SPDX-License-Identifier: Apache-2.0
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>

#include "net/result_text.hpp"

#include "net/connect_envelope.hpp"

#include <random>
#include <vector>

using namespace sandboxkit;
using net::EnvelopeDecoder;

TEST_CASE("an envelope is a flag byte, a big-endian length and the payload") {
    CHECK(net::encode_envelope(2, "{}") == std::string("\x02\0\0\0\x02{}", 7));
    CHECK(net::encode_envelope(0, std::string(0x010203, 'x')).substr(0, 5) == std::string("\0\0\x01\x02\x03", 5));
    CHECK(net::encode_envelope(1, "") == std::string("\x01\0\0\0\0", 5));
}

TEST_CASE("what was encoded is decoded, however the bytes are cut and merged") {
    std::mt19937 random(1);
    for (int round = 0; round < 200; ++round) {
        std::vector<net::Envelope> sent(random() % 8);
        std::string bytes;
        for (auto& envelope : sent) {
            envelope.flags = static_cast<std::uint8_t>(random());
            envelope.payload.resize(random() % 3 == 0 ? random() % 5000 : random() % 9);
            for (char& c : envelope.payload) c = static_cast<char>(random());
            bytes += net::encode_envelope(envelope.flags, envelope.payload);
        }
        EnvelopeDecoder decoder(5000);
        std::vector<net::Envelope> received;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t n = std::min<std::size_t>(bytes.size() - at, 1 + random() % (round % 2 == 0 ? 7 : 4000));
            decoder.feed(std::string_view(bytes).substr(at, n));
            at += n;
            for (;;) {
                auto envelope = decoder.next();
                REQUIRE(envelope);
                if (!*envelope) break;
                received.push_back(std::move(**envelope));
            }
        }
        CHECK(decoder.at_boundary());
        REQUIRE(received.size() == sent.size());
        for (std::size_t i = 0; i < sent.size(); ++i) {
            CHECK(received[i].flags == sent[i].flags);
            CHECK(received[i].payload == sent[i].payload);
        }
    }
}

TEST_CASE("a length past the limit is refused as soon as it is known") {
    for (const std::uint32_t length : {17U, 0xffffffffU}) {
        EnvelopeDecoder decoder(16);
        std::string head(1, '\0');
        for (int shift = 24; shift >= 0; shift -= 8) head += static_cast<char>(length >> shift);
        decoder.feed(head);
        const auto envelope = decoder.next();
        REQUIRE(!envelope);
        CHECK(envelope.error().kind == ErrorClass::internal);
        CHECK(envelope.error().code == "peer_protocol");
    }
    EnvelopeDecoder decoder(16);
    decoder.feed(net::encode_envelope(0, std::string(16, 'x')));
    const auto envelope = decoder.next();
    REQUIRE(envelope);
    CHECK(envelope->has_value());
}

TEST_CASE("an unfinished envelope is not at a boundary") {
    const std::string bytes = net::encode_envelope(0, "abc");
    for (std::size_t n = 1; n < bytes.size(); ++n) {
        EnvelopeDecoder decoder(16);
        decoder.feed(std::string_view(bytes).substr(0, n));
        const auto envelope = decoder.next();
        REQUIRE(envelope);
        CHECK(!envelope->has_value());
        CHECK(!decoder.at_boundary());
    }
}
