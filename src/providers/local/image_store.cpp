// SPDX-License-Identifier: Apache-2.0
#include "providers/local/image_store.hpp"
#include "providers/local/archive_extract.hpp"
#include "providers/local/archive_version.hpp"
#include "providers/local/host_fingerprint.hpp"
#include "providers/local/host_image.hpp"
#include "providers/local/image_source.hpp"
#include "providers/local/layer_store.hpp"
#include "providers/local/layer_trees.hpp"
#include "providers/local/tree_copy.hpp"
#include "providers/local/tree_digest.hpp"
#include "providers/local/tree_walk.hpp"

#include <sandboxkit/digest.hpp>

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>

#include <algorithm>
#include <cerrno>
#include <future>
#include <mutex>

#include <fcntl.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_layers = 64; // above, mounting and every lookup in the stack become slow
constexpr std::string_view directory_prefix = "directory:";
constexpr std::string_view archive_prefix = "archive:";

// A layer in the entry of an image that is being made.
struct FreshLayer {
    std::string subdirectory;
    std::string name; // as in LayerRecord
    Marks marks;
    bool usr;
};

// An image that is being made: layers that exist, then fresh ones on top.
struct Making {
    IncomingEntry entry;
    ImageRecord image;
    std::vector<FreshLayer> fresh;
};

Error digest_mismatch(const std::string& wanted, const Ingredient& base) {
    return {ErrorClass::invalid,
            "image_digest_mismatch",
            "the base image " + shown(base.name) + " has the digest " + base.digest + ", not " + shown(wanted),
            "ask for the digest that it has, or for none",
            "",
            {}};
}

Error not_same_file_system() {
    return {ErrorClass::invalid,
            "layer_elsewhere",
            "the writable layer is not on the file system of the image store",
            "keep sandboxes and images in one state directory",
            "",
            {}};
}

ImageInfo describe(const ImageRecord& image, const std::string& fingerprint) {
    ImageInfo info;
    info.id = image.id;
    info.labels = image.labels;
    info.ingredients.push_back(image.source);
    for (const auto& layer : image.layers) info.ingredients.push_back({"layer", layer.name, "sha256:" + layer.digest});
    info.stale = image.base == "host" && image.fingerprint != fingerprint;
    return info;
}

// Makes `name` with the attributes of the directory `like`.
Result<FileHandle> make_directory_like(int parent, const std::string& name, const fs::path& like) {
    auto original = open_directory(like);
    if (!original) return original.error();
    struct stat status {};
    if (::fstat(original->get(), &status) != 0) return system_error(errno, "cannot read the status of a layer");
    if (::mkdirat(parent, name.c_str(), 0700) != 0) return system_error(errno, "cannot make the directory " + shown(name));
    auto made = open_directory_at(parent, name);
    if (!made) return made.error();
    auto copied = copy_attributes(original->get(), "", status, made->get(), "");
    if (!copied) return copied.error();
    return made;
}

// Whether an upper directory changes nothing of what is below it, whose topmost directory is `below`.
Result<bool> changes_nothing(int upper, const fs::path& below) {
    auto names = directory_names(upper);
    if (!names) return names.error();
    if (!names->empty()) return false;
    auto lower = open_directory(below);
    if (!lower) return lower.error();
    struct stat a {};
    struct stat b {};
    if (::fstat(upper, &a) != 0 || ::fstat(lower->get(), &b) != 0)
        return system_error(errno, "cannot read the status of a layer");
    auto upper_attributes = read_attributes(upper, "");
    if (!upper_attributes) return upper_attributes.error();
    auto lower_attributes = read_attributes(lower->get(), "");
    if (!lower_attributes) return lower_attributes.error();
    for (auto* attributes : {&*upper_attributes, &*lower_attributes})
        std::erase_if(*attributes, [](const auto& attribute) { return attribute.first.starts_with(overlay_attribute_prefix); });
    return a.st_mode == b.st_mode && a.st_uid == b.st_uid && a.st_gid == b.st_gid && *upper_attributes == *lower_attributes;
}

class Store final : public ImageStore {
public:
    Store(LayerStore layers, ImageLimits limits) : layers_(std::move(layers)), limits_(limits) {}

    Result<ImageInfo> prepare(const ImageRequest& request, std::stop_token stop) override {
        if (stop.stop_requested()) return cancelled_error();
        auto making = begin(request.labels);
        if (!making) return making.error();
        auto based = make_base(*making, request, stop);
        if (!based) return based.error();
        if (!request.trees.empty()) {
            auto placed = make_trees(*making, request.trees, stop);
            if (!placed) return placed.error();
        }
        return complete(*making, stop);
    }

    Result<ImageInfo> inspect(std::string_view id) override {
        auto image = layers_.read_image(id);
        if (!image) return image.error();
        auto fingerprint = host_fingerprint();
        if (!fingerprint) return fingerprint.error();
        return describe(*image, *fingerprint);
    }

    Result<std::vector<ImageInfo>> list() override {
        auto ids = layers_.image_ids();
        if (!ids) return ids.error();
        auto fingerprint = host_fingerprint();
        if (!fingerprint) return fingerprint.error();
        std::vector<ImageInfo> infos;
        for (const auto& id : *ids) {
            auto image = layers_.read_image(id);
            // Removed meanwhile; or damaged, which inspect() and every use of it tell: the others are as good as ever.
            const bool passed_over =
                !image && (image.error().kind == ErrorClass::not_found || image.error().code == "image_damaged");
            if (passed_over) continue;
            if (!image) return image.error();
            infos.push_back(describe(*image, *fingerprint));
        }
        return infos;
    }

    Result<void> remove(std::string_view id) override { return layers_.remove_image(id); }

    Result<RootPlan> root_plan(std::string_view id) override {
        auto image = layers_.read_image(id);
        if (!image) return image.error();
        return plan_of(image->base, image->layers);
    }

    Result<void> make_writable(std::string_view id, const WritableLayer& layer) override {
        auto plan = root_plan(id);
        if (!plan) return plan.error();
        const auto what = "cannot make the writable layer " + shown(layer.directory.native());
        if (::mkdir(layer.directory.c_str(), 0700) != 0 && errno != EEXIST) return system_error(errno, what);
        auto directory = open_directory(layer.directory);
        if (!directory) return directory.error();
        auto made = make_upper(directory->get(), layer.root_upper(), layer.root_work(), plan->root.front());
        if (!made || plan->usr.empty()) return made;
        return make_upper(directory->get(), layer.usr_upper(), layer.usr_work(), plan->usr.front());
    }

    Result<Sealed> seal(std::string_view base_image, const WritableLayer& layer) override;
    Result<ImageInfo> finish(const Sealed& sealed, const std::map<std::string, std::string>& labels,
                             std::stop_token stop) override;

private:
    Result<Making> begin(const std::map<std::string, std::string>& labels) {
        auto entry = IncomingEntry::create(layers_.incoming());
        if (!entry) return entry.error();
        Making making{std::move(*entry), {}, {}};
        making.image.id = "img_" + random_name(20);
        making.image.labels = labels;
        return making;
    }

    RootPlan plan_of(const std::string& base, const std::vector<LayerRecord>& records) const {
        RootPlan plan;
        for (auto layer = records.rbegin(); layer != records.rend(); ++layer) {
            plan.root.push_back(layers_.layer_path(layer->digest) / "root");
            if (layer->usr) plan.usr.push_back(layers_.layer_path(layer->digest) / "usr");
        }
        if (base == "host") plan.usr.emplace_back("/usr");
        return plan;
    }

    // Of the image as far as it is made.
    RootPlan plan_of(const Making& making) const {
        auto plan = plan_of(making.image.base, making.image.layers);
        for (const auto& fresh : making.fresh) {
            const auto path = layers_.entry_path(making.entry) / fresh.subdirectory;
            plan.root.insert(plan.root.begin(), path / "root");
            if (fresh.usr) plan.usr.insert(plan.usr.begin(), path / "usr");
        }
        return plan;
    }

    Result<void> make_upper(int directory, const fs::path& upper, const fs::path& work, const fs::path& like) {
        auto made = make_directory_like(directory, upper.filename(), like);
        if (!made) return made.error();
        if (::mkdirat(directory, work.filename().c_str(), 0700) != 0)
            return system_error(errno, "cannot make the directory " + shown(work.native()));
        return {};
    }

    // Adds a fresh layer, empty; returns its directory.
    Result<FileHandle> add_layer(Making& making, std::string name, Marks marks) {
        auto subdirectory = "layer-" + std::to_string(making.fresh.size());
        if (::mkdirat(making.entry.directory(), subdirectory.c_str(), 0700) != 0)
            return system_error(errno, "cannot make a layer");
        auto directory = open_directory_at(making.entry.directory(), subdirectory);
        if (directory) making.fresh.push_back({std::move(subdirectory), std::move(name), marks, false});
        return directory;
    }

    Result<void> make_base(Making& making, const ImageRequest& request, std::stop_token stop) {
        const std::string& image = request.image;
        if (image.starts_with(archive_prefix))
            return make_from_archive(making, image.substr(archive_prefix.size()), request.digest, stop);
        if (is_image_id(image)) {
            auto base = layers_.read_image(image);
            if (!base) return base.error();
            if (request.digest && *request.digest != base->source.digest) return digest_mismatch(*request.digest, base->source);
            making.image.base = base->base;
            making.image.layers = base->layers;
            making.image.fingerprint = base->fingerprint;
            making.image.source = base->source;
            return {};
        }
        if (request.digest)
            return Error{ErrorClass::invalid,
                         "image_has_no_digest",
                         "the image " + shown(image) + " has no digest to compare with",
                         "leave the digest out; archives have one",
                         "",
                         {}};
        if (image == "host") return make_host(making);
        if (image.starts_with(directory_prefix)) return make_from_directory(making, image.substr(directory_prefix.size()), stop);
        return Error{ErrorClass::invalid,
                     "unknown_image",
                     "there is no kind of image " + shown(image),
                     "use host, directory:<absolute path>, archive:<absolute path>, or the id of an image",
                     "",
                     {}};
    }

    // An empty base layer's root, mode 0755.
    Result<FileHandle> add_base(Making& making) {
        auto layer = add_layer(making, "base", Marks::refused);
        if (!layer) return layer.error();
        if (::mkdirat(layer->get(), "root", 0755) != 0) return system_error(errno, "cannot make a layer");
        auto root = open_directory_at(layer->get(), "root");
        if (root && ::fchmod(root->get(), 0755) != 0) return system_error(errno, "cannot make a layer");
        return root;
    }

    Result<void> make_host(Making& making) {
        // Before anything is read: a change while it is read makes the image stale.
        auto fingerprint = host_fingerprint();
        if (!fingerprint) return fingerprint.error();
        making.image.base = "host";
        making.image.fingerprint = *fingerprint;
        making.image.source = {"base_image", "host", "fingerprint:" + *fingerprint};
        auto root = add_base(making);
        if (!root) return root.error();
        return make_host_root(root->get());
    }

    static Result<void> absolute(const std::string& path) {
        if (path.starts_with('/') && path.find('\0') == std::string::npos) return {};
        return Error{ErrorClass::invalid,
                     "image_path_relative",
                     "the image's path " + shown(path) + " is not absolute",
                     "use an absolute path",
                     "",
                     {}};
    }

    Result<void> make_from_directory(Making& making, const std::string& path, std::stop_token stop) {
        auto valid = absolute(path);
        if (!valid) return valid;
        auto source = open_source_directory(path);
        if (!source) return source.error();
        making.image.base = "directory";
        making.image.source = {"base_image", std::string(directory_prefix) + path, ""};
        auto root = add_base(making);
        if (!root) return root.error();
        return copy_tree(source->get(), root->get(), {CopyMarks::refused, layers_.directory()}, stop);
    }

    Result<void> make_from_archive(Making& making, const std::string& path, const std::optional<std::string>& wanted,
                                   std::stop_token stop) {
        auto valid = absolute(path);
        if (!valid) return valid;
        auto source = open_source_archive(path);
        if (!source) return source.error();
        auto version = ArchiveVersion::of(*source, path, stop);
        if (!version) return version.error();
        making.image.base = "archive";
        making.image.source = {"base_image", std::string(archive_prefix) + path, version->digest()};
        if (wanted && *wanted != version->digest()) return digest_mismatch(*wanted, making.image.source);
        auto root = add_base(making);
        if (!root) return root.error();
        auto extracted = extract_archive(source->get(), root->get(), limits_, stop);
        if (!extracted) return extracted;
        return version->still(*source);
    }

    Result<void> make_trees(Making& making, const std::vector<ImageTree>& trees, std::stop_token stop) {
        const auto below = plan_of(making);
        auto layer = add_layer(making, "trees", Marks::refused);
        if (!layer) return layer.error();
        auto root = make_directory_like(layer->get(), "root", below.root.front());
        if (!root) return root.error();
        FileHandle usr;
        if (!below.usr.empty()) {
            auto made = make_directory_like(layer->get(), "usr", below.usr.front());
            if (!made) return made.error();
            usr = std::move(*made);
        }
        const auto path = layers_.entry_path(making.entry) / making.fresh.back().subdirectory;
        auto placed = place_trees(below, path, trees, layers_.directory(), stop);
        if (!placed || !usr) return placed;
        return settle_usr(making.fresh.back(), layer->get(), usr.get(), below);
    }

    // Keeps the `usr` of a fresh layer only when something is in it.
    static Result<void> settle_usr(FreshLayer& fresh, int layer, int usr, const RootPlan& below) {
        auto nothing = changes_nothing(usr, below.usr.front());
        if (!nothing) return nothing.error();
        fresh.usr = !*nothing;
        if (*nothing && ::unlinkat(layer, "usr", AT_REMOVEDIR) != 0)
            return system_error(errno, "cannot remove an empty directory");
        return {};
    }

    // The whole stack as one fresh layer.
    Result<void> flatten(Making& making, std::stop_token stop) {
        const auto plan = plan_of(making);
        // Merging gives marks their meaning, so what must have none is looked at before.
        for (const auto& fresh : making.fresh) {
            if (fresh.marks == Marks::allowed) continue;
            auto checked = digest(making, fresh, stop);
            if (!checked) return checked.error();
        }
        auto layer = add_layer(making, "flattened", Marks::allowed);
        if (!layer) return layer.error();
        auto root = make_directory_like(layer->get(), "root", plan.root.front());
        if (!root) return root.error();
        auto merged = merge(plan.root, root->get(), CopyMarks::resolved, stop);
        if (!merged) return merged;
        auto uppers = plan.usr;
        if (!uppers.empty()) uppers.pop_back(); // the host's own
        if (!uppers.empty()) {
            auto usr = make_directory_like(layer->get(), "usr", uppers.front());
            if (!usr) return usr.error();
            merged = merge(uppers, usr->get(), CopyMarks::stacked, stop);
            if (!merged) return merged;
            making.fresh.back().usr = true;
        }
        making.image.layers.clear();
        making.fresh.erase(making.fresh.begin(), making.fresh.end() - 1);
        return {};
    }

    static Result<void> merge(const std::vector<fs::path>& layers, int target, CopyMarks marks, std::stop_token stop) {
        for (auto path = layers.rbegin(); path != layers.rend(); ++path) {
            auto source = open_directory(*path);
            if (!source) return source.error();
            auto copied = copy_tree(source->get(), target, {marks, -1}, stop);
            if (!copied) return copied;
        }
        return {};
    }

    // Digests a fresh layer and writes its record.
    Result<LayerRecord> digest(const Making& making, const FreshLayer& fresh, std::stop_token stop) {
        auto directory = open_directory_at(making.entry.directory(), fresh.subdirectory);
        if (!directory) return directory.error();
        auto root = open_directory_at(directory->get(), "root");
        if (!root) return root.error();
        auto described = digest_tree(root->get(), fresh.marks, stop);
        if (!described) return described.error();
        TreeDigest total = std::move(*described);
        if (fresh.usr) {
            auto usr = open_directory_at(directory->get(), "usr");
            if (!usr) return usr.error();
            auto second = digest_tree(usr->get(), fresh.marks, stop);
            if (!second) return second.error();
            total.digest = digest_of("root " + total.digest + "\nusr " + second->digest + "\n");
            total.entries += second->entries;
            total.bytes += second->bytes;
        }
        const boost::json::value record{
            {"format", 1}, {"digest", total.digest}, {"entries", total.entries}, {"bytes", total.bytes}};
        auto written = write_file_at(directory->get(), "layer.json", boost::json::serialize(record) + "\n");
        if (!written) return written.error();
        auto synced = sync_handle(directory->get(), "cannot write a layer to the disk");
        if (!synced) return synced.error();
        return LayerRecord{total.digest.substr(std::string_view("sha256:").size()), fresh.name, fresh.usr};
    }

    // Makes the image durable and visible.
    Result<ImageInfo> complete(Making& making, std::stop_token stop) {
        if (making.image.layers.size() + making.fresh.size() > most_layers) {
            auto flat = flatten(making, stop);
            if (!flat) return flat.error();
        }
        std::vector<LayerStore::NewLayer> fresh;
        if (!making.fresh.empty()) {
            // Writing back and reading go together: what is read is still in memory.
            auto syncing = std::async(std::launch::async | std::launch::deferred, [this] { return layers_.sync(); });
            for (const auto& layer : making.fresh) {
                auto record = digest(making, layer, stop);
                if (!record) return record.error();
                fresh.push_back({layer.subdirectory, record->digest});
                making.image.layers.push_back(std::move(*record));
            }
            auto synced = syncing.get();
            if (!synced) return synced.error();
        }
        if (stop.stop_requested()) return cancelled_error();
        if (making.image.source.digest.empty()) making.image.source.digest = "sha256:" + making.image.layers.front().digest;
        auto published = layers_.publish(making.entry, fresh, making.image);
        if (!published) return published.error();
        return inspect(making.image.id);
    }

    LayerStore layers_;
    ImageLimits limits_;
    std::mutex mutex_;
    std::map<std::string, IncomingEntry, std::less<>> sealed_; // guarded by mutex_; after layers_: entries use its descriptors
};

Result<ImageStore::Sealed> Store::seal(std::string_view base_image, const WritableLayer& layer) {
    auto base = layers_.read_image(base_image);
    if (!base) return base.error();
    auto from = open_directory(layer.directory);
    if (!from) return from.error();
    auto entry = IncomingEntry::create(layers_.incoming());
    if (!entry) return entry.error();
    if (::mkdirat(entry->directory(), "layer-0", 0700) != 0) return system_error(errno, "cannot make a layer");
    auto to = open_directory_at(entry->directory(), "layer-0");
    if (!to) return to.error();

    const auto move = [&](const fs::path& upper) {
        return ::renameat(from->get(), upper.filename().c_str(), to->get(), upper.filename().c_str());
    };
    const auto failed = [&](int number) {
        if (number == EXDEV) return not_same_file_system();
        return system_error(number, "cannot seal the writable layer " + shown(layer.directory.native()));
    };
    if (move(layer.root_upper()) != 0) return failed(errno);
    if (base->base == "host" && move(layer.usr_upper()) != 0) {
        const int number = errno;
        // As it was: the sandbox keeps its files.
        static_cast<void>(::renameat(to->get(), "root", from->get(), layer.root_upper().filename().c_str()));
        return failed(number);
    }
    // overlayfs' own directories are removed with the entry. One that stays is removed with the sandbox: no reason to lose the
    // layer.
    for (const auto& work : {layer.root_work(), layer.usr_work()})
        static_cast<void>(::renameat(from->get(), work.filename().c_str(), entry->directory(), work.filename().c_str()));

    Sealed sealed{entry->name(), std::string(base_image)};
    const std::lock_guard lock(mutex_);
    sealed_.emplace(sealed.token, std::move(*entry));
    return sealed;
}

Result<ImageInfo> Store::finish(const Sealed& sealed, const std::map<std::string, std::string>& labels, std::stop_token stop) {
    std::optional<IncomingEntry> entry;
    {
        const std::lock_guard lock(mutex_);
        const auto found = sealed_.find(sealed.token);
        if (found == sealed_.end())
            return Error{ErrorClass::not_found,
                         "sealed_layer_not_found",
                         "there is no sealed layer " + shown(sealed.token),
                         "capture the sandbox's image again",
                         "",
                         {}};
        entry = std::move(found->second);
        sealed_.erase(found);
    }
    auto base = layers_.read_image(sealed.base_image);
    if (!base) return base.error();
    const auto below = plan_of(base->base, base->layers);

    Making making{std::move(*entry), std::move(*base), {}};
    making.image.id = "img_" + random_name(20);
    making.image.labels = labels;
    auto layer = open_directory_at(making.entry.directory(), "layer-0");
    if (!layer) return layer.error();
    auto root = open_directory_at(layer->get(), "root");
    if (!root) return root.error();
    FreshLayer fresh{"layer-0", "capture", Marks::allowed, false};
    if (!below.usr.empty()) {
        auto usr = open_directory_at(layer->get(), "usr");
        if (!usr) return usr.error();
        auto settled = settle_usr(fresh, layer->get(), usr->get(), below);
        if (!settled) return settled.error();
    }
    auto nothing = changes_nothing(root->get(), below.root.front());
    if (!nothing) return nothing.error();
    if (fresh.usr || !*nothing) making.fresh.push_back(std::move(fresh));
    return complete(making, stop);
}

} // namespace

Result<std::unique_ptr<ImageStore>> ImageStore::open(const std::filesystem::path& directory, ImageLimits limits) {
    auto layers = LayerStore::open(directory);
    if (!layers) return layers.error();
    return std::unique_ptr<ImageStore>(std::make_unique<Store>(std::move(*layers), limits));
}

} // namespace sandboxkit::local
