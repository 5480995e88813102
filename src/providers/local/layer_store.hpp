// SPDX-License-Identifier: Apache-2.0
// The directories of the image store and the one moment at which things become visible in them.
//
//   layers/<digest>/{root,usr,layer.json}   complete and synced, never written again
//   images/<id>/image.json                  complete and synced
//   incoming/                               what is being made, see incoming.hpp
//   lock                                    held, for moments, by who makes layers and images visible or removes them
//
// Order for a crash at any point: contents are synced before their layer has its name, the layers before the image that
// lists them; a layer that no image lists was left between the two and is removed at the next open.
#pragma once

#include "providers/local/file_handle.hpp"
#include "providers/local/image_record.hpp"
#include "providers/local/incoming.hpp"

#include <filesystem>
#include <string>
#include <vector>

namespace sandboxkit::local {

// Thread-safe, and safe among processes.
class LayerStore {
public:
    static Result<LayerStore> open(const std::filesystem::path& directory);

    [[nodiscard]] std::filesystem::path layer_path(const std::string& digest) const { return path_ / "layers" / digest; }
    [[nodiscard]] std::filesystem::path entry_path(const IncomingEntry& entry) const { return path_ / "incoming" / entry.name(); }
    [[nodiscard]] int directory() const noexcept { return root_.get(); }
    [[nodiscard]] int incoming() const noexcept { return incoming_.get(); }

    // not_found "image_not_found"; data_loss "image_damaged".
    Result<ImageRecord> read_image(std::string_view id) const;
    Result<std::vector<std::string>> image_ids() const;

    // A layer that is complete in an entry: `subdirectory` holds root, usr when it has one, and layer.json, all synced.
    struct NewLayer {
        std::string subdirectory;
        std::string digest; // 64 hexadecimal digits
    };
    // Renames the new layers into place, but those that are there already, and makes the image that lists them visible.
    // not_found "image_layer_missing" when another layer of the image was removed meanwhile.
    Result<void> publish(IncomingEntry& entry, const std::vector<NewLayer>& fresh, const ImageRecord& image);

    // The image, and the layers that no image lists any more. Missing is success.
    Result<void> remove_image(std::string_view id);

    // Waits until everything written to the file system of the store is on the disk.
    Result<void> sync() const;

private:
    Result<FileHandle> lock() const;
    // Renames the layers that no image lists into the entry; none when an image cannot be read, since it may list any.
    Result<void> take_unlisted(int entry) const;

    std::filesystem::path path_;
    FileHandle root_;
    FileHandle layers_;
    FileHandle images_;
    FileHandle incoming_;
};

} // namespace sandboxkit::local
