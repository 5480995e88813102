// SPDX-License-Identifier: Apache-2.0
#include "git/clone.hpp"

#include "git/repository_clone.hpp"
#include "git/submodules.hpp"

#include <utility>

namespace sandboxkit::git {

namespace fs = std::filesystem;

namespace {

// Undoes what was written to the destination unless kept.
class Destination {
public:
    Destination(fs::path path, bool existed) : path_(std::move(path)), existed_(existed) {}
    Destination(const Destination&) = delete;
    Destination& operator=(const Destination&) = delete;
    ~Destination() {
        if (!kept_) clear_directory(path_, existed_);
    }
    void keep() { kept_ = true; }

private:
    fs::path path_;
    bool existed_, kept_ = false;
};

Result<bool> destination_exists(const fs::path& path) {
    std::error_code error;
    if (path.empty() || !fs::is_directory(fs::absolute(path, error).parent_path(), error))
        return Error{ErrorClass::invalid, "bad_destination", "the directory to clone into has no parent directory",
                     "make it first",     path.string(),     {}};
    const auto status = fs::symlink_status(path, error);
    if (status.type() == fs::file_type::not_found) return false;
    if (status.type() != fs::file_type::directory || !fs::is_empty(path, error) || error)
        return Error{
            ErrorClass::conflict, "destination_not_empty", "the directory to clone into exists and is not an empty directory",
            "remove it first",    path.string(),           {}};
    return true;
}

} // namespace

Result<CloneResult> clone(const CloneRequest& request, std::stop_token stop,
                          const std::function<void(const CloneProgress&)>& progress) {
    auto url = parse_url(request.url);
    if (!url) return url.error();
    if (request.depth && (*request.depth == 0 || *request.depth > 1'000'000))
        return Error{ErrorClass::invalid, "bad_depth", "a clone's depth is 1 to 1000000 commits", "", "", {}};
    if (request.branch && request.revision)
        return Error{ErrorClass::invalid,
                     "bad_revision",
                     "a clone starts from a branch or from a revision, not from both",
                     "leave one of them out",
                     "",
                     {}};
    auto existed = destination_exists(request.destination);
    if (!existed) return existed.error();

    const LibraryScope library(request.limits);
    Watch watch(request.limits, std::move(stop), progress);
    if (!watch.go_on()) return *watch.why();
    Access access{*url, request, watch};
    Destination destination(request.destination, *existed);
    auto cloned = clone_repository(access, {request.destination, {}});
    if (!cloned) return cloned.error();
    if (request.submodules) {
        auto submodules = clone_submodules(access, *cloned);
        if (!submodules) return submodules.error();
        cloned->result.submodules = submodules->count;
        cloned->result.lfs_pointers += submodules->lfs_pointers;
        cloned->result.received_bytes = watch.received_bytes();
    }
    destination.keep();
    return cloned->result;
}

} // namespace sandboxkit::git
