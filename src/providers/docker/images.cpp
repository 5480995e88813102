// SPDX-License-Identifier: Apache-2.0
#include "providers/docker/images.hpp"

#include "providers/docker/base_image.hpp"
#include "providers/docker/containers.hpp"
#include "providers/docker/daemon_error.hpp"
#include "providers/docker/image_trees.hpp"
#include "providers/docker/operation.hpp"

#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/json/array.hpp>

#include <algorithm>

namespace sandboxkit::docker {

namespace asio = boost::asio;

namespace {

// Tagged, so that nobody who removes what has no name removes these.
constexpr const char* image_repository = "sandboxkit-image";
constexpr std::chrono::minutes commit_limit{30};

Error no_image(const std::string& id) {
    return {ErrorClass::not_found, "image_not_found", "there is no image " + envd::bounded_text(id, 100), "", "", {}};
}

Error image_unusable() {
    return {ErrorClass::unsupported,
            "image_unusable",
            "the sandbox has files whose names begin with \".wh.\", which mean deletions in an image",
            "remove or rename them",
            "",
            {}};
}

// The name by which it is an image of ours. One without it was removed, and is there for others that are made of it.
std::string own_tag(const std::vector<std::string>& tags) {
    const auto found =
        std::ranges::find_if(tags, [](const std::string& tag) { return tag.starts_with(std::string(image_repository) + ":"); });
    return found == tags.end() ? std::string() : *found;
}

std::string capture_tag(const std::string& container) {
    return "capture-" + container;
}

std::string name_of(const std::string& tag) {
    return std::string(image_repository) + ":" + tag;
}

std::string read_id(const json::value& document) {
    return text_of(document.as_object(), "Id");
}

// Of everything that the container brings along, nothing of ours may stay: a label cannot be taken away, but be made empty.
Labels labels_of_image(const Labels& of_container, const Labels& wanted, const std::vector<Ingredient>& ingredients) {
    Labels labels;
    for (const auto& [name, value] : of_container)
        if (name.starts_with("sandboxkit.")) labels[name] = "";
    for (const auto& [name, value] : own_labels("image")) labels[name] = value;
    labels[labels_label] = pack_labels(wanted);
    labels[ingredients_label] = pack_ingredients(ingredients);
    return labels;
}

// The image that the daemon says it made must be the one that was asked for.
Result<void> verify(const ImageStatus& image, const Labels& labels, std::size_t least_layers) {
    if (!contains(image.labels, labels)) return protocol_error("the Docker daemon made an image without its labels");
    if (image.layers < least_layers) return protocol_error("the Docker daemon made an image without the layers below it");
    return {};
}

// A commit whose answer was lost is found by the tag, which nobody else gives.
Task<ImageStatus> commit(DaemonPtr daemon, std::string container, std::string tag, Labels labels, std::size_t least_layers) {
    const std::string name = name_of(tag);
    json::object kept;
    for (const auto& [label, value] : labels) kept[label] = value;
    EngineRequest request;
    request.what = "cannot make an image";
    request.method = "POST";
    request.path = "/commit";
    request.query = {{"container", container}, {"repo", image_repository}, {"tag", tag}, {"pause", "0"}};
    request.body = json::object{{"Labels", std::move(kept)}};
    request.limit = commit_limit;
    auto id = co_await daemon->client.get(std::move(request), read_id);
    if (!id && !reply_lost(id.error())) co_return id.error();
    auto image = co_await find_image(daemon, name);
    if (!image) co_return image.error();
    if (!*image) {
        if (!id) co_return id.error();
        co_return protocol_error("the Docker daemon made an image that is not there");
    }
    if (id && (*image)->id != *id) co_return protocol_error("the Docker daemon gave the tag of an image to another one");
    auto valid = verify(**image, labels, least_layers);
    if (!valid) co_return valid.error();
    co_return std::move(**image);
}

Task<void> delete_image(DaemonPtr daemon, std::string name);

// A daemon goes on with what nobody waits for any more: a commit that is cancelled is waited for, and what it made removed.
Task<ImageStatus> commit_whole(DaemonPtr daemon, std::string container, std::string tag, Labels labels,
                               std::size_t least_layers) {
    auto image =
        co_await run_undisturbed(daemon->executor, commit(daemon, std::move(container), tag, std::move(labels), least_layers));
    auto state = co_await asio::this_coro::cancellation_state;
    if (!image || state.cancelled() == asio::cancellation_type::none) co_return image;
    static_cast<void>(co_await run_undisturbed(daemon->executor, delete_image(daemon, name_of(tag))));
    co_return Error{ErrorClass::cancelled, "cancelled", "the operation was cancelled", "", "", {}};
}

Task<void> delete_image(DaemonPtr daemon, std::string name) {
    EngineRequest request;
    request.what = "cannot remove the image " + name;
    request.method = "DELETE";
    request.path = "/images/" + net::percent_encode_path(name);
    request.idempotent = true;
    auto removed = co_await daemon->client.call(std::move(request));
    if (!removed && removed.error().code != "docker_not_found") co_return removed.error();
    co_return Result<void>{};
}

Task<ImageStatus> fill_and_commit(DaemonPtr daemon, std::string helper, const ImageRequest& request, BaseImage base) {
    auto ingredients = base.ingredients;
    for (const auto& tree : request.trees) {
        auto put = co_await put_tree(daemon, helper, tree);
        if (!put) co_return put.error();
    }
    const Labels labels = labels_of_image(base.image.labels, request.labels, ingredients);
    auto image = co_await commit_whole(daemon, helper, random_name(), labels, base.image.layers);
    co_return image;
}

} // namespace

Task<ImageInfo> prepare_image(DaemonPtr daemon, ImageRequest request) {
    if (!daemon->swept) { // what a process before this one left
        auto swept = co_await sweep_helpers(daemon);
        if (!swept) co_return swept.error();
        daemon->swept = true;
    }
    auto base = co_await base_image(daemon, request);
    if (!base) co_return base.error();
    if (base->image.has_volumes) {
        auto flat = co_await without_volumes(daemon, base->image);
        if (!flat) co_return flat.error();
        base->image = std::move(*flat);
    }
    auto helper = co_await create_helper(daemon, base->image.id, {}, {});
    if (!helper) co_return helper.error();
    BaseImage filled_from = *base;
    auto image = co_await fill_and_commit(daemon, *helper, request, std::move(filled_from));
    auto removed = co_await run_undisturbed(daemon->executor, remove_container(daemon, *helper));
    if (image && !removed) {
        static_cast<void>(co_await run_undisturbed(daemon->executor, delete_image(daemon, image->id)));
        co_return removed.error();
    }
    if (!image) co_return image.error();
    co_return info_of(*image);
}

Task<ImageInfo> inspect_image(DaemonPtr daemon, std::string id) {
    if (!is_sha256_digest(id)) co_return no_image(id);
    auto image = co_await find_image(daemon, id);
    if (!image) co_return image.error();
    if (!*image || !is_ours((*image)->labels, "image") || own_tag((*image)->tags).empty()) co_return no_image(id);
    co_return info_of(**image);
}

namespace {

struct Listed {
    std::string id;
    Labels labels;
    std::string tag;
};

std::vector<Listed> read_list(const json::value& document) {
    std::vector<Listed> list;
    for (const auto& each : document.as_array()) {
        const auto& object = each.as_object();
        list.push_back({text_of(object, "Id"), labels_of(object, "Labels"), own_tag(texts_of(object, "RepoTags"))});
    }
    return list;
}

} // namespace

Task<std::vector<ImageInfo>> list_images(DaemonPtr daemon) {
    EngineRequest request;
    request.what = "cannot list the images";
    request.path = "/images/json";
    request.query = {{"filters", label_filter({std::string(provider_label) + "=docker", std::string(kind_label) + "=image"})}};
    auto listed = co_await daemon->client.get(std::move(request), read_list);
    if (!listed) co_return listed.error();
    std::vector<ImageInfo> result;
    for (const auto& each : *listed) {
        if (!is_ours(each.labels, "image") || !is_sha256_digest(each.id) || each.tag.empty()) continue;
        ImageStatus image;
        image.id = each.id;
        image.labels = each.labels;
        auto info = info_of(image);
        if (info) result.push_back(std::move(*info)); // a damaged one is told by inspect_image() and every use of it
    }
    co_return result;
}

Task<void> remove_image(DaemonPtr daemon, std::string id) {
    if (!is_sha256_digest(id)) co_return Result<void>{};
    auto image = co_await find_image(daemon, id);
    if (!image) co_return image.error();
    if (!*image || !is_ours((*image)->labels, "image") || own_tag((*image)->tags).empty()) co_return Result<void>{};
    // By its name: where other images are made of it, only that goes, and the rest with the last of them.
    auto removed = co_await delete_image(daemon, own_tag((*image)->tags));
    if (removed || removed.error().code != "docker_conflict") co_return removed;
    co_return Error{ErrorClass::conflict,          "image_in_use",         "sandboxes use the image " + id,
                    "destroy the sandboxes first", removed.error().detail, {}};
}

namespace {

// The daemon writes a layer as an archive in which such names mean something else, and says nothing.
Task<void> check_names(DaemonPtr daemon, std::string container) {
    constexpr std::string_view mark = "/.wh.";
    EngineRequest request;
    request.what = "cannot look at what the sandbox changed";
    request.path = "/containers/" + container + "/changes";
    request.limit = commit_limit;
    auto opened = co_await daemon->client.stream(std::move(request));
    if (!opened) co_return opened.error();
    net::HttpStream changes = std::move(*opened);
    std::string seen;
    for (;;) {
        auto piece = co_await changes.read_some(std::chrono::minutes(5));
        if (!piece) co_return piece.error();
        if (piece->empty()) co_return Result<void>{};
        if (seen.size() > mark.size()) seen.erase(0, seen.size() - mark.size());
        seen += *piece;
        if (seen.find(mark) != std::string::npos) co_return image_unusable();
    }
}

std::chrono::microseconds since(std::chrono::steady_clock::time_point begin) {
    return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::steady_clock::now() - begin);
}

} // namespace

Error captured_already(const std::string& sandbox) {
    return {ErrorClass::conflict, "sandbox_captured", "the sandbox " + sandbox + " was captured", "destroy it", "", {}};
}

Task<bool> was_captured(DaemonPtr daemon, std::string container) {
    auto image = co_await find_image(daemon, name_of(capture_tag(container)));
    if (!image) co_return image.error();
    co_return image->has_value();
}

Task<CaptureResult> capture_sandbox(DaemonPtr daemon, std::string id, Labels labels) {
    const auto begin = std::chrono::steady_clock::now();
    auto container = co_await inspect_container(daemon, id);
    if (!container) co_return container.error();
    auto captured = co_await was_captured(daemon, container->id);
    if (!captured) co_return captured.error();
    if (*captured) co_return captured_already(id);
    auto base = co_await find_image(daemon, container->image);
    if (!base) co_return base.error();
    if (!*base) co_return no_image(container->image);
    auto ingredients = unpack_ingredients((*base)->labels);
    if (!ingredients) co_return info_of(**base).error();
    const Labels wanted = labels_of_image(container->labels, labels, *ingredients);
    auto stopped = co_await stop_sandbox(daemon, id);
    if (!stopped) co_return stopped.error();
    CaptureResult result;
    result.sealed = since(begin);
    const auto sync_begin = std::chrono::steady_clock::now();
    // Both read the same files; what cannot be captured is seldom, and removed again.
    auto checking = async::spawn(daemon->executor, check_names(daemon, container->id));
    const std::string tag = capture_tag(container->id);
    auto image = co_await commit_whole(daemon, container->id, tag, wanted, (*base)->layers);
    if (!image) checking.cancel();
    auto possible = co_await wait_undisturbed(std::move(checking));
    if (!image) co_return image.error();
    if (!possible) {
        static_cast<void>(co_await run_undisturbed(daemon->executor, delete_image(daemon, name_of(tag))));
        co_return possible.error();
    }
    auto info = info_of(*image);
    if (!info) co_return info.error();
    result.image = std::move(*info);
    result.synced = since(sync_begin);
    co_return result;
}

} // namespace sandboxkit::docker
