// SPDX-License-Identifier: Apache-2.0
// Time and randomness are passed in, so that tests decide both.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <random>
#include <string>
#include <string_view>

namespace sandboxkit {

// Wall-clock time in milliseconds since 1970-01-01T00:00:00Z, the resolution the store keeps.
using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;

// Thread-safe.
class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual Timestamp now() const {
        return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
    }
};

// A source of unguessable identifiers. Thread-safe.
class IdSource {
public:
    virtual ~IdSource() = default;
    // "<prefix>_" and 20 characters of [a-z0-9] (103 bits from the operating system's generator).
    [[nodiscard]] virtual std::string next(std::string_view prefix) {
        static constexpr std::string_view alphabet = "0123456789abcdefghijklmnopqrstuvwxyz";
        std::string id(prefix);
        id += '_';
        std::lock_guard lock(mutex_);
        std::uniform_int_distribution<std::size_t> pick(0, alphabet.size() - 1);
        for (int i = 0; i < 20; ++i) id += alphabet[pick(device_)];
        return id;
    }

private:
    std::mutex mutex_;
    std::random_device device_;
};

} // namespace sandboxkit
