// SPDX-License-Identifier: Apache-2.0
// Images of the local provider: stacks of layers, kept by content digest, durable before they are listed.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/provider.hpp>
#include <sandboxkit/snapshot.hpp>

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace sandboxkit::local {

// What has to be mounted for an image: overlay lower directories, topmost first, as overlayfs takes them. The `host`
// image is two overlays, root and /usr, because the host's /usr is a lower of its own; otherwise `usr` is empty.
struct RootPlan {
    std::vector<std::filesystem::path> root; // absolute directories
    std::vector<std::filesystem::path> usr;  // empty, or absolute directories, the last is the host's /usr
};

// The writable side of one sandbox: `directory`/{root,root.work,usr,usr.work}. usr only for the host image.
struct WritableLayer {
    std::filesystem::path directory;
    [[nodiscard]] std::filesystem::path root_upper() const { return directory / "root"; }
    [[nodiscard]] std::filesystem::path root_work() const { return directory / "root.work"; }
    [[nodiscard]] std::filesystem::path usr_upper() const { return directory / "usr"; }
    [[nodiscard]] std::filesystem::path usr_work() const { return directory / "usr.work"; }
};

struct ImageLimits {
    std::uint64_t archive_bytes = 64ULL << 30; // unpacked
    std::uint64_t archive_entries = 10'000'000;
};

// Blocking, thread-safe, and safe among processes that share the directory.
class ImageStore {
public:
    // Makes <directory>/{layers,images,incoming}. What a dead process left in incoming is removed.
    static Result<std::unique_ptr<ImageStore>> open(const std::filesystem::path& directory, ImageLimits limits = {});
    virtual ~ImageStore() = default;

    // "host", "directory:<path>", "archive:<path>", or the id of an image here, plus trees (which it may rename away).
    // Durable (synced) when it returns. Cancellable between files.
    virtual Result<ImageInfo> prepare(const ImageRequest& request, std::stop_token stop) = 0;
    virtual Result<ImageInfo> inspect(std::string_view id) = 0; // `stale` computed now
    virtual Result<std::vector<ImageInfo>> list() = 0;
    // Layers that no other image uses go with it. A missing image is success.
    virtual Result<void> remove(std::string_view id) = 0;
    virtual Result<RootPlan> root_plan(std::string_view id) = 0;
    // Makes the directories of an empty writable layer for sandboxes of this image.
    virtual Result<void> make_writable(std::string_view id, const WritableLayer& layer) = 0;

    // Seals: renames the upper directories away in constant time. Nothing may be mounted on it any more.
    struct Sealed {
        std::string token; // for finish(); the sealed layer waits in incoming until then
        std::string base_image;
    };
    virtual Result<Sealed> seal(std::string_view base_image, const WritableLayer& layer) = 0;
    // Syncs, digests, and makes the image that is base + sealed layer. Cancellable; then the sealed layer is gone.
    virtual Result<ImageInfo> finish(const Sealed& sealed, const std::map<std::string, std::string>& labels,
                                     std::stop_token stop) = 0;
};

} // namespace sandboxkit::local
