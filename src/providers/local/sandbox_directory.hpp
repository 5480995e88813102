// SPDX-License-Identifier: Apache-2.0
// The state directory of the local provider: where everything is, and how several processes share it.
//
//   images-store/            the image store
//   sandboxes/<id>/          a sandbox: sandbox.json, run.json, base/, upper/, rootfs/, bundle/, guest.sock, guest.log, pid
//   sandboxes/.new-*         being made; unlocked: left by a dead process
//   sandboxes/.trash-*       being removed
//   runtime/<name>/          the OCI runtime's own state
//   cache/                   the compiled filter, the verdict on the runtime
//   instance                 a random name that keeps two state directories apart in the host's control groups
#pragma once

#include "providers/local/file_handle.hpp"
#include "providers/local/sandbox_record.hpp"

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace sandboxkit::local {

// A sandbox that no other thread or process works on while this lives.
class LockedSandbox {
public:
    LockedSandbox(std::string id, std::filesystem::path path, FileHandle directory)
        : id_(std::move(id)), path_(std::move(path)), directory_(std::move(directory)) {}

    [[nodiscard]] const std::string& id() const { return id_; }
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    // The lock itself: a process that inherits it keeps the sandbox locked after this one died.
    [[nodiscard]] int directory() const { return directory_.get(); }

    [[nodiscard]] Result<SandboxRecord> record() const;
    // Nothing when the compute was not started, or not to the end.
    [[nodiscard]] std::optional<RunRecord> run_record() const;
    Result<void> set_run_record(const RunRecord& record) const;
    void clear_run_record() const;

private:
    std::string id_;
    std::filesystem::path path_;
    FileHandle directory_;
};

// Blocking and thread-safe.
class StateDirectory {
public:
    // Makes what is missing, mode 0700. unsupported "state_on_overlay".
    static Result<StateDirectory> open(const std::filesystem::path& path);

    [[nodiscard]] std::filesystem::path images() const { return path_ / "images-store"; }
    [[nodiscard]] std::filesystem::path sandboxes() const { return path_ / "sandboxes"; }
    [[nodiscard]] std::filesystem::path cache() const { return path_ / "cache"; }
    [[nodiscard]] std::filesystem::path runtime(const std::string& name) const { return path_ / "runtime" / name; }
    [[nodiscard]] std::filesystem::path sandbox(const std::string& id) const { return sandboxes() / id; }
    // "sandboxkit-<instance>-": what the control groups of this directory's sandboxes begin with.
    [[nodiscard]] const std::string& group_prefix() const { return group_prefix_; }

    // `fill` puts the rest into the new directory. False: it was there already, and nothing was changed.
    // On success the sandbox outlives this process; not a power failure.
    Result<bool> make(const SandboxRecord& record, const std::function<Result<void>(const std::filesystem::path&)>& fill) const;
    // not_found "sandbox_not_found"; unavailable "sandbox_busy" after a minute; cancelled.
    Result<LockedSandbox> lock(const std::string& id, std::stop_token stop) const;
    // Reads without a lock.
    [[nodiscard]] Result<SandboxRecord> record(const std::string& id) const;
    [[nodiscard]] std::optional<RunRecord> run_record(const std::string& id) const;
    [[nodiscard]] bool exists(const std::string& id) const;
    [[nodiscard]] std::vector<std::string> ids() const;
    // Takes it out of sight at once, then removes it.
    Result<void> remove(LockedSandbox sandbox) const;
    // Removes what dead processes left half made or half removed.
    Result<void> sweep() const;

    // Held shared while a sandbox is made from an image, exclusive while an image is removed.
    [[nodiscard]] Result<FileHandle> lock_images(bool exclusive) const;

private:
    std::filesystem::path path_;
    std::string group_prefix_;
};

} // namespace sandboxkit::local
