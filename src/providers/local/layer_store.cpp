// SPDX-License-Identifier: Apache-2.0
#include "providers/local/layer_store.hpp"
#include "providers/local/tree_walk.hpp"

#include <algorithm>
#include <cerrno>
#include <set>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

namespace sandboxkit::local {

namespace {

constexpr std::size_t largest_record = 16 << 20;

Result<FileHandle> make_directory(int parent, const std::string& name) {
    if (::mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST)
        return system_error(errno, "cannot make the directory " + shown(name));
    return open_directory_at(parent, name);
}

} // namespace

Result<LayerStore> LayerStore::open(const std::filesystem::path& directory) {
    LayerStore store;
    std::error_code failure;
    store.path_ = std::filesystem::absolute(directory, failure);
    if (failure) return system_error(failure.value(), "cannot find the directory of the image store");
    if (::mkdir(store.path_.c_str(), 0700) != 0 && errno != EEXIST)
        return system_error(errno, "cannot make the directory " + shown(store.path_.native()));
    auto root = open_directory(store.path_);
    if (!root) return root.error();
    store.root_ = std::move(*root);
    for (const auto& [name, handle] :
         {std::pair("layers", &store.layers_), std::pair("images", &store.images_), std::pair("incoming", &store.incoming_)}) {
        auto made = make_directory(store.root_.get(), name);
        if (!made) return made.error();
        *handle = std::move(*made);
    }
    auto abandoned = remove_abandoned(store.incoming_.get());
    if (!abandoned) return abandoned.error();

    auto entry = IncomingEntry::create(store.incoming_.get());
    if (!entry) return entry.error();
    auto locked = store.lock();
    if (!locked) return locked.error();
    auto taken = store.take_unlisted(entry->directory());
    if (!taken) return taken.error();
    return store;
}

Result<FileHandle> LayerStore::lock() const {
    FileHandle file(::openat(root_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file) return system_error(errno, "cannot open the lock of the image store");
    while (::flock(file.get(), LOCK_EX) != 0)
        if (errno != EINTR) return system_error(errno, "cannot lock the image store");
    return file;
}

Result<ImageRecord> LayerStore::read_image(std::string_view id) const {
    const auto missing = [&] {
        return Error{ErrorClass::not_found, "image_not_found", "there is no image " + shown(id), "", "", {}};
    };
    if (!is_image_id(id)) return missing();
    auto text = read_file_at(images_.get(), std::string(id) + "/image.json", largest_record);
    if (!text) {
        if (text.error().kind == ErrorClass::not_found) {
            // An image is renamed into place with its record in it.
            struct stat status {};
            if (::fstatat(images_.get(), std::string(id).c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 && errno == ENOENT)
                return missing();
            return Error{ErrorClass::data_loss,
                         "image_damaged",
                         "the image " + shown(id) + " has no record",
                         "remove the image and build it again",
                         "",
                         {}};
        }
        return text.error();
    }
    return read_record(id, *text);
}

Result<std::vector<std::string>> LayerStore::image_ids() const {
    auto names = directory_names(images_.get());
    if (!names) return names.error();
    std::erase_if(*names, [](const std::string& name) { return !is_image_id(name); });
    return names;
}

Result<void> LayerStore::sync() const {
    if (::syncfs(root_.get()) != 0) return system_error(errno, "cannot write the image store to the disk");
    return {};
}

Result<void> LayerStore::publish(IncomingEntry& entry, const std::vector<NewLayer>& fresh, const ImageRecord& image) {
    auto record_directory = make_directory(entry.directory(), "image");
    if (!record_directory) return record_directory.error();
    auto written = write_file_at(record_directory->get(), "image.json", write_record(image));
    if (!written) return written;
    auto synced = sync_handle(record_directory->get(), "cannot write the image's record to the disk");
    if (!synced) return synced;

    auto locked = lock();
    if (!locked) return locked.error();
    for (const auto& layer : image.layers) {
        struct stat status {};
        if (::fstatat(layers_.get(), layer.digest.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) continue;
        if (errno != ENOENT) return system_error(errno, "cannot read the status of a layer");
        const auto made =
            std::find_if(fresh.begin(), fresh.end(), [&](const NewLayer& candidate) { return candidate.digest == layer.digest; });
        if (made == fresh.end())
            return Error{ErrorClass::not_found,
                         "image_layer_missing",
                         "the base image was removed while the image was made",
                         "prepare the base image again",
                         "",
                         {}};
        if (::renameat(entry.directory(), made->subdirectory.c_str(), layers_.get(), layer.digest.c_str()) != 0)
            return system_error(errno, "cannot put a layer into the image store");
    }
    // Also for a layer that another process has just renamed.
    synced = sync_handle(layers_.get(), "cannot write the image store to the disk");
    if (!synced) return synced;
    if (::renameat(entry.directory(), "image", images_.get(), image.id.c_str()) != 0)
        return system_error(errno, "cannot put an image into the image store");
    return sync_handle(images_.get(), "cannot write the image store to the disk");
}

Result<void> LayerStore::remove_image(std::string_view id) {
    if (!is_image_id(id)) return {};
    auto entry = IncomingEntry::create(incoming_.get());
    if (!entry) return entry.error();
    // The lock is released before the entry is emptied, which may take long.
    auto locked = lock();
    if (!locked) return locked.error();
    if (::renameat(images_.get(), std::string(id).c_str(), entry->directory(), "image") != 0) {
        if (errno == ENOENT) return {};
        return system_error(errno, "cannot remove the image " + shown(id));
    }
    auto synced = sync_handle(images_.get(), "cannot write the image store to the disk");
    if (!synced) return synced;
    return take_unlisted(entry->directory());
}

Result<void> LayerStore::take_unlisted(int entry) const {
    auto ids = image_ids();
    if (!ids) return ids.error();
    std::set<std::string> listed;
    for (const auto& id : *ids) {
        auto image = read_image(id);
        if (!image && image.error().kind == ErrorClass::data_loss) return {};
        if (!image) return image.error();
        for (const auto& layer : image->layers) listed.insert(layer.digest);
    }
    auto layers = directory_names(layers_.get());
    if (!layers) return layers.error();
    for (const auto& layer : *layers)
        if (!listed.contains(layer) && ::renameat(layers_.get(), layer.c_str(), entry, layer.c_str()) != 0)
            return system_error(errno, "cannot remove a layer");
    return {};
}

} // namespace sandboxkit::local
