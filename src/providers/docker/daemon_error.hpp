// SPDX-License-Identifier: Apache-2.0
// What a daemon's refusal means: its status and its own words, as an error of ours.
#pragma once

#include <sandboxkit/error.hpp>

#include <string>
#include <string_view>

namespace sandboxkit::docker {

// Of an answer with a status of 400 or more, whose body is {"message": "..."} or anything else. `what` says what was being done:
// "cannot pull the image". The daemon's words are the detail.
// 404 not_found "docker_not_found"; 409 conflict "docker_conflict"; 400 and 406 invalid "docker_invalid"; 401 and 403 permission
// "docker_permission"; 501 unsupported "docker_unsupported"; 503 unavailable "docker_unavailable"; else internal "docker_failed";
// and, whatever the status, quota "disk_full" when the daemon's disk is full.
[[nodiscard]] Error refusal(unsigned status, std::string_view body, std::string_view what);

// Of words alone, as they come in the middle of a stream.
[[nodiscard]] Error failure_in_stream(std::string_view words, std::string_view what);

// A registry wants a credential, or a better one. Registries say it in many ways, and the daemon passes on what they say.
[[nodiscard]] bool wants_credential(const Error& error);

// The request may have been acted upon: its answer did not come.
[[nodiscard]] bool reply_lost(const Error& error);

} // namespace sandboxkit::docker
