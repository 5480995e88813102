// SPDX-License-Identifier: Apache-2.0
// Whole trees of files, as tar streams of our extension.
#pragma once

#include "envd/calls.hpp"

#include <functional>
#include <string>

namespace sandboxkit::envd {

Task<void> download_tree(CorePtr core, std::string path, std::function<Task<void>(std::string)> sink);
Task<TreeSummary> upload_tree(CorePtr core, std::string path, std::function<Task<std::string>()> source);

} // namespace sandboxkit::envd
