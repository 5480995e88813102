// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/labels.hpp"

#include <boost/json/serialize.hpp>

#include <algorithm>

namespace sandboxkit::docker {

bool is_ours(const Labels& of_daemon, std::string_view kind) {
    return contains(of_daemon, own_labels(kind));
}

Labels own_labels(std::string_view kind) {
    return {{provider_label, "docker"}, {kind_label, std::string(kind)}};
}

std::string pack_labels(const Labels& labels) {
    json::object object;
    for (const auto& [name, value] : labels) object[name] = value;
    return json::serialize(object);
}

Labels unpack_labels(const Labels& of_daemon) {
    const auto packed = of_daemon.find(labels_label);
    if (packed == of_daemon.end()) return {};
    auto labels = read_json(packed->second, [](const json::value& document) {
        const json::object wrapped{{"labels", document}};
        return labels_of(wrapped, "labels");
    });
    return labels ? std::move(*labels) : Labels{};
}

bool contains(const Labels& all, const Labels& wanted) {
    return std::ranges::all_of(wanted, [&](const auto& each) {
        const auto found = all.find(each.first);
        return found != all.end() && found->second == each.second;
    });
}

} // namespace sandboxkit::docker
