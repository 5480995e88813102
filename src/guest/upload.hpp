// SPDX-License-Identifier: Apache-2.0
// A file on its way in: written beside its target under another name, and put in its place when it is complete. Where that
// would change more than the content (other names of the file, its owner), or cannot be done, the file itself is written.
#pragma once

#include "guest/accounts.hpp"
#include "guest/file_descriptor.hpp"
#include "guest/file_metadata.hpp"
#include "tree/tree_failure.hpp"

#include <sys/stat.h>

#include <string>
#include <string_view>

namespace sandboxkit::guest {

using UploadFailure = tree::TreeFailure;

class Upload {
public:
    static constexpr std::string_view prefix = ".sandboxkit-upload-"; // of the name of a file that is not complete

    Upload() = default;
    ~Upload(); // what was not committed is removed
    Upload(const Upload&) = delete;
    Upload& operator=(const Upload&) = delete;

    // `path` is absolute. Missing parents are made. A link is followed; mode and owner of an existing file stay as they are.
    // A character device is written to; other files that are not regular are refused. The metadata of an existing file gives
    // way to `metadata`.
    UploadFailure begin(const std::string& path, const Identity& user, const FileMetadata& metadata = {});
    UploadFailure write(std::string_view bytes);
    UploadFailure commit();

    [[nodiscard]] const std::string& path() const { return path_; }

private:
    // Makes a file beside the target. `existing`: whose owner and mode it gets, null when there is none.
    UploadFailure make_temporary(const struct stat* existing);
    UploadFailure open(const std::string& path, const Identity& user);
    UploadFailure fail(int error, const std::string& what) const;
    void discard();

    std::string path_; // as asked for
    Identity user_;
    FileDescriptor directory_, file_;
    std::string name_, temporary_; // in the directory; no temporary one: the file itself is written
};

} // namespace sandboxkit::guest
