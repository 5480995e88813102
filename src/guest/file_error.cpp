// SPDX-License-Identifier: Apache-2.0
#include "guest/file_error.hpp"

#include "guest/body_sinks.hpp"

#include <cerrno>

namespace sandboxkit::guest {

unsigned http_status_of(int error) {
    switch (error) {
    case ENOENT: return 404;
    case EACCES:
    case EPERM:
    case EROFS: return 403;
    case ENOSPC:
    case EDQUOT: return 507;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: return 503; // also: somebody has a lease on the file, or a device takes no more now
    case EFBIG: return 413;  // also: a limit of the sandbox's processes
    case EISDIR:
    case ENOTDIR:
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG: return 400;
    case ENOTSUP: return 501; // metadata, on a file system without it
    default: return 500;
    }
}

Response file_error(const UploadFailure& failure) {
    const unsigned status = http_status_of(failure.error);
    if (status == 507) return plain_error(507, "not enough disk space available: " + failure.message);
    return plain_error(status, failure.message);
}

} // namespace sandboxkit::guest
