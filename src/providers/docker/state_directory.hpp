// SPDX-License-Identifier: Apache-2.0
// What the provider keeps on this host: a directory for each sandbox, which the sandbox sees and writes into, and so is hostile
// ground: no link in it is followed. Threads: any. The functions block, but for a moment only, where nothing else is said.
#pragma once

#include <sandboxkit/error.hpp>

#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::docker {

[[nodiscard]] std::string random_name(); // 20 characters [a-z2-7] from the kernel's random numbers

[[nodiscard]] bool is_sandbox_name(std::string_view text) noexcept; // "sandboxkit-" and 32 lower-case hexadecimal digits
[[nodiscard]] std::string sandbox_name(std::string_view token);     // which a token always has
[[nodiscard]] bool is_container_id(std::string_view text) noexcept; // 64 lower-case hexadecimal digits

// The directory of a sandbox, held by one operation alone until this is dropped. What is locked is the directory above the one
// that the sandbox sees, which could lock that one, too.
class HeldDirectory {
public:
    HeldDirectory(int lock, int directory) noexcept : lock_(lock), directory_(directory) {}
    HeldDirectory(HeldDirectory&& other) noexcept;
    HeldDirectory& operator=(HeldDirectory&&) = delete;
    ~HeldDirectory();
    explicit operator bool() const noexcept { return directory_ >= 0; }

    // Removes what a guest that is gone has left in the socket's place.
    Result<void> remove_socket() const;
    // The root of the sandbox may be somebody else outside.
    Result<void> give_to(unsigned user) const;

private:
    int lock_, directory_;
};

class StateDirectory {
public:
    // Makes what is missing. Errors: permission, quota "disk_full", invalid "docker_state_directory".
    static Result<StateDirectory> open(const std::filesystem::path& path);

    [[nodiscard]] const std::string& id() const noexcept { return id_; }       // of the directory, for good
    [[nodiscard]] const std::string& owner() const noexcept { return owner_; } // of this process's hold on it
    [[nodiscard]] bool is_alive(std::string_view owner) const;

    [[nodiscard]] std::filesystem::path sandbox(const std::string& name) const; // the directory that it sees
    [[nodiscard]] std::filesystem::path socket(const std::string& name) const;
    // Makes the directory where it is missing. Nothing: another operation holds it now.
    Result<std::optional<HeldDirectory>> try_hold(const std::string& name) const;
    [[nodiscard]] bool exists(const std::string& name) const;
    [[nodiscard]] std::vector<std::string> sandboxes() const;
    // Blocks as long as there is something to remove.
    Result<void> remove(const std::string& name) const;

private:
    StateDirectory() = default;
    std::filesystem::path path_;
    std::string id_, owner_;
    std::shared_ptr<const int> lock_; // this process's own file, locked for as long as it lives
};

} // namespace sandboxkit::docker
