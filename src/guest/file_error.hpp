// SPDX-License-Identifier: Apache-2.0
// How the routes of files and trees say what the kernel refused.
#pragma once

#include "guest/connection.hpp"
#include "guest/upload.hpp"

namespace sandboxkit::guest {

// `error`: an errno value.
[[nodiscard]] unsigned http_status_of(int error);
[[nodiscard]] Response file_error(const UploadFailure& failure);

} // namespace sandboxkit::guest
