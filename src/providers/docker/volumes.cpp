// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/volumes.hpp"

#include <sandboxkit/digest.hpp>

#include <boost/json/array.hpp>

namespace sandboxkit::docker {

namespace {

VolumeStatus read_volume(const json::value& document) {
    return {text_of(document.as_object(), "Name"), labels_of(document.as_object(), "Labels")};
}

std::vector<VolumeStatus> read_volumes(const json::value& document) {
    std::vector<VolumeStatus> list;
    if (const auto* volumes = array_of(document.as_object(), "Volumes"))
        for (const auto& each : *volumes) list.push_back(read_volume(each));
    return list;
}

constexpr std::string_view id_prefix = "sandboxkit-volume-";

bool is_volume_id(std::string_view text) {
    return text.size() == id_prefix.size() + 32 && text.starts_with(id_prefix) &&
           text.substr(id_prefix.size()).find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

VolumeInfo info_of(const VolumeStatus& volume) {
    return {volume.name, unpack_labels(volume.labels)};
}

} // namespace

Task<VolumeStatus> create_volume(DaemonPtr daemon, std::string name, Labels labels) {
    json::object kept;
    for (const auto& [label, value] : labels) kept[label] = value;
    EngineRequest create;
    create.what = "cannot make the volume " + name;
    create.method = "POST";
    create.path = "/volumes/create";
    create.body = json::object{{"Name", name}, {"Driver", "local"}, {"Labels", std::move(kept)}};
    create.idempotent = true;
    auto volume = co_await daemon->client.get(std::move(create), read_volume);
    co_return volume;
}

Task<VolumeStatus> inspect_volume(DaemonPtr daemon, std::string id) {
    const Error missing{
        ErrorClass::not_found, "volume_not_found", "there is no volume " + envd::bounded_text(id, 100), "", "", {}};
    if (!is_volume_id(id)) co_return missing;
    EngineRequest look;
    look.what = "cannot look at the volume";
    look.path = "/volumes/" + id;
    auto volume = co_await daemon->client.get(std::move(look), read_volume);
    if (!volume && volume.error().code == "docker_not_found") co_return missing;
    if (volume && !is_ours(volume->labels, "volume")) co_return missing; // somebody else's
    co_return volume;
}

Task<VolumeInfo> ensure_volume(DaemonPtr daemon, std::string token, Labels labels) {
    if (token.empty() || token.size() > 1024)
        co_return Error{ErrorClass::invalid, "token", "the token is empty or too long", "give 1 to 1024 bytes", "", {}};
    Labels all = own_labels("volume");
    all[token_label] = token;
    all[labels_label] = pack_labels(labels);
    for (const auto& [name, value] : labels) all[std::string(label_prefix) + name] = value;
    auto volume = co_await create_volume(daemon, std::string(id_prefix) + sha256_hex(token).substr(0, 32), std::move(all));
    if (!volume) co_return volume.error();
    const auto kept = volume->labels.find(token_label);
    if (!is_ours(volume->labels, "volume") || kept == volume->labels.end() || kept->second != token)
        co_return Error{
            ErrorClass::conflict, "token_collision", "another volume has the id of this token", "use another token", "", {}};
    co_return info_of(*volume);
}

Task<void> remove_volume(DaemonPtr daemon, std::string id) {
    auto volume = co_await inspect_volume(daemon, id);
    if (!volume && volume.error().kind == ErrorClass::not_found) co_return Result<void>{};
    if (!volume) co_return volume.error();
    EngineRequest remove;
    remove.what = "cannot remove the volume";
    remove.method = "DELETE";
    remove.path = "/volumes/" + id;
    remove.idempotent = true;
    auto removed = co_await daemon->client.call(std::move(remove));
    if (removed || removed.error().kind == ErrorClass::not_found) co_return Result<void>{};
    if (removed.error().code == "docker_conflict")
        co_return Error{ErrorClass::conflict, "volume_in_use",        "sandboxes use the volume",
                        "destroy them first", removed.error().detail, {}};
    co_return removed.error();
}

Task<std::vector<VolumeInfo>> list_volumes(DaemonPtr daemon, Labels labels) {
    EngineRequest request;
    request.what = "cannot list the volumes";
    request.path = "/volumes";
    request.query = {{"filters", label_filter({std::string(provider_label) + "=docker", std::string(kind_label) + "=volume"})}};
    auto volumes = co_await daemon->client.get(std::move(request), read_volumes);
    if (!volumes) co_return volumes.error();
    std::vector<VolumeInfo> result;
    for (const auto& each : *volumes)
        if (auto info = info_of(each); is_ours(each.labels, "volume") && contains(info.labels, labels))
            result.push_back(std::move(info));
    co_return result;
}

} // namespace sandboxkit::docker
