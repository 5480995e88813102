// SPDX-License-Identifier: Apache-2.0
// What is written on everything that is made in a daemon. An object without the first of these labels is somebody else's, and is
// never touched.
#pragma once

#include "providers/docker/daemon_json.hpp"

#include <map>
#include <string>
#include <string_view>

namespace sandboxkit::docker {

inline constexpr const char* provider_label = "sandboxkit.provider"; // "docker"
inline constexpr const char* kind_label = "sandboxkit.kind"; // "sandbox", "image", "base", "helper", "volume", "guest", "network"
inline constexpr const char* token_label = "sandboxkit.token";
// The caller's labels, as compact JSON: what counts. Of containers and volumes each is also a label of its own, after the prefix
// below, by which the daemon filters; an image inherits those of the container that it was made of.
inline constexpr const char* labels_label = "sandboxkit.labels";
inline constexpr std::string_view label_prefix = "sandboxkit.label.";
inline constexpr const char* ingredients_label = "sandboxkit.ingredients"; // of images: compact JSON
inline constexpr const char* source_label = "sandboxkit.source";           // of a captured image: the container's name
inline constexpr const char* endpoint_label = "sandboxkit.endpoint";       // of sandboxes: "socket" or "exec"
inline constexpr const char* disk_label = "sandboxkit.disk";               // of sandboxes: a limit of the disk was asked for

using Labels = std::map<std::string, std::string>;

[[nodiscard]] bool is_ours(const Labels& of_daemon, std::string_view kind);
[[nodiscard]] Labels own_labels(std::string_view kind);

// The caller's labels, as kept.
[[nodiscard]] std::string pack_labels(const Labels& labels);
[[nodiscard]] Labels unpack_labels(const Labels& of_daemon); // none when they cannot be read
[[nodiscard]] bool contains(const Labels& all, const Labels& wanted);

} // namespace sandboxkit::docker
