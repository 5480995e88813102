// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/image_status.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>

#include <algorithm>

namespace sandboxkit::docker {

namespace {

std::vector<Ingredient> read_ingredients(const json::value& document) {
    std::vector<Ingredient> list;
    for (const auto& each : document.as_array()) {
        const auto& object = each.as_object();
        list.push_back({text_of(object, "kind"), text_of(object, "name"), text_of(object, "digest")});
    }
    return list;
}

} // namespace

ImageStatus read_image(const json::value& document) {
    const auto& object = document.as_object();
    ImageStatus image;
    image.id = text_of(object, "Id");
    image.os = text_of(object, "Os");
    image.architecture = text_of(object, "Architecture");
    image.repository_digests = texts_of(object, "RepoDigests");
    image.tags = texts_of(object, "RepoTags");
    if (const auto* config = object_of(object, "Config")) {
        image.labels = labels_of(*config, "Labels");
        const auto* volumes = object_of(*config, "Volumes");
        image.has_volumes = volumes != nullptr && !volumes->empty();
        image.environment = texts_of(*config, "Env");
    }
    if (const auto* root = object_of(object, "RootFS"))
        if (const auto* layers = array_of(*root, "Layers")) image.layers = layers->size();
    if (!is_sha256_digest(image.id)) throw std::runtime_error("an image without an id");
    return image;
}

std::string digest_of_image(const ImageStatus& image, const ImageReference& reference) {
    // The daemon writes docker.io's short, whatever was asked for.
    const std::string path = reference.registry == "docker.io" && reference.names_registry
                                 ? reference.repository.substr(reference.repository.find('/') + 1)
                                 : reference.repository;
    for (const auto& each : image.repository_digests) {
        const auto at = each.find('@');
        if (at == std::string::npos) continue;
        const std::string name = each.substr(0, at), digest = each.substr(at + 1);
        const bool same = name == reference.repository || name == path || "library/" + name == path;
        if (same && is_sha256_digest(digest)) return digest;
    }
    return image.id;
}

bool has_digest(const ImageStatus& image, std::string_view digest) {
    return image.id == digest || std::ranges::any_of(image.repository_digests, [&](const std::string& each) {
               const auto at = each.find('@');
               return at != std::string::npos && std::string_view(each).substr(at + 1) == digest;
           });
}

std::string pack_ingredients(const std::vector<Ingredient>& ingredients) {
    json::array list;
    for (const auto& each : ingredients)
        list.push_back(json::object{{"kind", each.kind}, {"name", each.name}, {"digest", each.digest}});
    return json::serialize(list);
}

std::optional<std::vector<Ingredient>> unpack_ingredients(const Labels& labels) {
    const auto packed = labels.find(ingredients_label);
    if (packed == labels.end()) return {};
    auto list = read_json(packed->second, read_ingredients);
    if (!list) return {};
    return std::move(*list);
}

Result<ImageInfo> info_of(const ImageStatus& image) {
    auto ingredients = unpack_ingredients(image.labels);
    if (!ingredients)
        return Error{ErrorClass::data_loss,
                     "image_damaged",
                     "the labels of the image " + image.id + " cannot be read",
                     "remove the image and build it again",
                     "",
                     {}};
    ImageInfo info;
    info.id = image.id;
    info.labels = unpack_labels(image.labels);
    info.ingredients = std::move(*ingredients);
    return info;
}

} // namespace sandboxkit::docker
