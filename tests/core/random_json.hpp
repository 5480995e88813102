// SPDX-License-Identifier: Apache-2.0
// Random JSON values, and texts of them that differ in all that means nothing.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::test {

[[nodiscard]] inline std::string utf8(std::uint32_t point) {
    std::string out;
    const auto tail = [&](unsigned shift) { out += static_cast<char>(0x80 | ((point >> shift) & 0x3F)); };
    if (point < 0x80) return {static_cast<char>(point)};
    if (point < 0x800) {
        out += static_cast<char>(0xC0 | (point >> 6));
    } else if (point < 0x10000) {
        out += static_cast<char>(0xE0 | (point >> 12));
        tail(6);
    } else {
        out += static_cast<char>(0xF0 | (point >> 18));
        tail(12), tail(6);
    }
    tail(0);
    return out;
}

class RandomJson {
public:
    explicit RandomJson(std::uint64_t seed) : engine_(seed) {}

    boost::json::value value(std::size_t depth) {
        switch (below(depth == 0 ? 5 : 7)) {
        case 0: return nullptr;
        case 1: return below(2) == 0;
        case 2: return static_cast<std::int64_t>(below(2'000'001)) - 1'000'000;
        case 3: return std::uniform_real_distribution<double>(-1e6, 1e6)(engine_);
        case 4: return boost::json::value(string());
        case 5: {
            boost::json::array array;
            for (std::size_t n = below(5); n > 0; --n) array.push_back(value(depth - 1));
            return array;
        }
        default: {
            boost::json::object object;
            for (std::size_t n = below(6); n > 0; --n) object[string()] = value(depth - 1);
            return object;
        }
        }
    }

    // The value's text: members in random order, random white space, characters escaped or not.
    std::string write(const boost::json::value& value) {
        std::string out = space();
        switch (value.kind()) {
        case boost::json::kind::null: out += "null"; break;
        case boost::json::kind::bool_: out += value.get_bool() ? "true" : "false"; break;
        case boost::json::kind::string: out += quoted(value.get_string()); break;
        case boost::json::kind::array: {
            out += '[';
            for (std::size_t i = 0; i < value.get_array().size(); ++i) out += (i == 0 ? "" : ",") + write(value.get_array()[i]);
            out += space() + ']';
            break;
        }
        case boost::json::kind::object: {
            std::vector<const boost::json::key_value_pair*> members;
            for (const auto& member : value.get_object()) members.push_back(&member);
            std::shuffle(members.begin(), members.end(), engine_);
            out += '{';
            for (std::size_t i = 0; i < members.size(); ++i)
                out += (i == 0 ? "" : ",") + space() + quoted(members[i]->key()) + space() + ':' + write(members[i]->value());
            out += space() + '}';
            break;
        }
        default: {
            std::array<char, 64> text{}; // 17 digits name a double
            std::snprintf(text.data(), text.size(), below(2) == 0 ? "%.17g" : "%.20E", value.to_number<double>());
            out += text.data();
        }
        }
        return out + space();
    }

    std::size_t below(std::size_t bound) { return std::uniform_int_distribution<std::size_t>(0, bound - 1)(engine_); }

private:
    std::string string() {
        static constexpr std::array<std::uint32_t, 20> points = {0,      '\b',   '\t',   '\n',   0x1F,    '"',     '/',
                                                                 '\\',   'a',    'b',    '~',    0x7F,    0x80,    0x7FF,
                                                                 0x20AC, 0xD7FF, 0xE000, 0xFFFF, 0x10000, 0x10FFFF};
        std::string out;
        for (std::size_t n = below(5); n > 0; --n) out += utf8(points[below(points.size())]);
        return out;
    }
    std::string space() {
        std::string out;
        while (below(3) == 0) out += " \t\r\n"[below(4)];
        return out;
    }
    std::string quoted(std::string_view text) {
        std::string out = "\"";
        const auto unit = [&](std::uint32_t u) {
            std::array<char, 8> hex{};
            std::snprintf(hex.data(), hex.size(), below(2) == 0 ? "\\u%04x" : "\\u%04X", u & 0xFFFFU);
            out += hex.data();
        };
        for (std::size_t i = 0; i < text.size();) {
            const auto lead = static_cast<unsigned char>(text[i]);
            const std::size_t size = lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
            std::uint32_t point = size == 1 ? lead : lead & (0x7FU >> size);
            for (std::size_t k = 1; k < size; ++k) point = (point << 6) | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
            if (point < 0x20 || point == '"' || point == '\\' || below(2) == 0) {
                if (point == '/' && below(2) == 0)
                    out += "\\/";
                else if (point == '\n' && below(2) == 0)
                    out += "\\n";
                else if (point >= 0x10000)
                    unit(0xD800 + ((point - 0x10000) >> 10)), unit(0xDC00 + ((point - 0x10000) & 0x3FF));
                else
                    unit(point);
            } else {
                out += text.substr(i, size);
            }
            i += size;
        }
        return out + '"';
    }

    std::mt19937_64 engine_;
};

} // namespace sandboxkit::test
