// SPDX-License-Identifier: Apache-2.0
// How engines on one machine tell each other that they live: each holds a lock on a file of its own, which the kernel
// releases when its process ends, however it ends.
#pragma once

#include <sandboxkit/error.hpp>

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace sandboxkit::engine {

class EngineLock {
public:
    // Makes <directory>/<engine_id>.lock and holds it until destroyed.
    static Result<EngineLock> acquire(const std::filesystem::path& directory, std::string engine_id);
    EngineLock(EngineLock&& other) noexcept
        : directory_(std::move(other.directory_)), id_(std::move(other.id_)), fd_(std::exchange(other.fd_, -1)) {}
    EngineLock& operator=(EngineLock&&) = delete;
    ~EngineLock();

    [[nodiscard]] const std::string& id() const noexcept { return id_; }
    // Whether the engine of that id has ended. An engine that never was has.
    [[nodiscard]] bool is_dead(std::string_view engine_id) const;
    // Removes the files of dead engines.
    void sweep() const;

private:
    EngineLock(std::filesystem::path directory, std::string id, int fd)
        : directory_(std::move(directory)), id_(std::move(id)), fd_(fd) {}
    std::filesystem::path directory_;
    std::string id_;
    int fd_;
};

} // namespace sandboxkit::engine
