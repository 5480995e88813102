// SPDX-License-Identifier: Apache-2.0
// What the image store writes down about an image: images/<id>/image.json.
#pragma once

#include <sandboxkit/error.hpp>
#include <sandboxkit/snapshot.hpp>

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sandboxkit::local {

struct LayerRecord {
    std::string digest; // 64 hexadecimal digits: the name of its directory in layers/
    std::string name;   // what it was made from: "base", "trees", "capture" or "flattened"
    bool usr = false;   // it has a directory `usr` for the host image's second overlay
    friend bool operator==(const LayerRecord&, const LayerRecord&) = default;
};

struct ImageRecord {
    std::string id;
    std::string base; // "host", "directory" or "archive": what is at the bottom
    std::map<std::string, std::string> labels;
    std::vector<LayerRecord> layers; // bottom to top, at least one
    std::string fingerprint;         // of the host, when the base is "host"
    Ingredient source;               // the base image
    friend bool operator==(const ImageRecord&, const ImageRecord&) = default;
};

// "img_" and 20 characters [a-z2-7].
[[nodiscard]] bool is_image_id(std::string_view text) noexcept;

[[nodiscard]] std::string write_record(const ImageRecord& record);
// data_loss "image_damaged".
[[nodiscard]] Result<ImageRecord> read_record(std::string_view id, std::string_view text);

} // namespace sandboxkit::local
