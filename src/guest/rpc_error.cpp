// SPDX-License-Identifier: Apache-2.0
#include "guest/rpc_error.hpp"

#include <cerrno>
#include <cstring>

namespace sandboxkit::guest {

std::string_view to_string(Code code) noexcept {
    switch (code) {
    case Code::unknown: return "unknown";
    case Code::invalid_argument: return "invalid_argument";
    case Code::deadline_exceeded: return "deadline_exceeded";
    case Code::not_found: return "not_found";
    case Code::already_exists: return "already_exists";
    case Code::permission_denied: return "permission_denied";
    case Code::resource_exhausted: return "resource_exhausted";
    case Code::failed_precondition: return "failed_precondition";
    case Code::unimplemented: return "unimplemented";
    case Code::internal: return "internal";
    case Code::unavailable: return "unavailable";
    case Code::unauthenticated: return "unauthenticated";
    }
    return "internal";
}

unsigned http_status(Code code) noexcept {
    switch (code) {
    case Code::invalid_argument:
    case Code::failed_precondition: return 400;
    case Code::deadline_exceeded: return 504;
    case Code::not_found: return 404;
    case Code::already_exists: return 409;
    case Code::permission_denied: return 403;
    case Code::resource_exhausted: return 429;
    case Code::unimplemented: return 501;
    case Code::unknown:
    case Code::internal: return 500;
    case Code::unavailable: return 503;
    case Code::unauthenticated: return 401;
    }
    return 500;
}

RpcError system_error(int error, std::string what) {
    Code code = Code::internal;
    switch (error) {
    case ENOENT: code = Code::not_found; break;
    case EEXIST: code = Code::already_exists; break;
    case EACCES:
    case EPERM:
    case EROFS: code = Code::permission_denied; break;
    case ENOTDIR:
    case EISDIR:
    case EINVAL:
    case ELOOP:
    case ENAMETOOLONG: code = Code::invalid_argument; break;
    case EBUSY:
    case EXDEV:
    case ENOTEMPTY: code = Code::failed_precondition; break;
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN: code = Code::resource_exhausted; break;
    default: break;
    }
    what += ": ";
    what += describe(error);
    return RpcError{code, std::move(what)};
}

} // namespace sandboxkit::guest
